"""Which spoolers a person may see, and which of them nothing can write into any more."""

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.models import FINAL_STATES, Job, Spooler
from tandem.jobs.queries import with_last_sight

# Fetching all that is known of fifty jobs would take longer than showing them.
SHOWN_OF_JOBS = (
    *("spooler", "name", "project", "state", "state_since", "reason", "cluster", "wanted_cluster", "scheduler_state"),
    *("hold_wanted", "cancel_wanted_at", "sealed_at", "correctable_until", "created_at", "started_at", "ended_at"),
)


def visible_spoolers(person: Person) -> QuerySet[Spooler]:
    """The person's own spoolers, an administrator's everybody's; newest first, with owner and jobs.

    Owners are looked up for a page at a time: a join would let the database sort all spoolers.
    """
    shown = with_last_sight(Job.objects.only(*SHOWN_OF_JOBS).order_by("created_at", "id"))
    spoolers = Spooler.objects.prefetch_related("owner", Prefetch("jobs", shown)).order_by("-created_at", "-id")
    return spoolers if person.is_administrator else spoolers.filter(owner=person)


def going_on() -> Q:
    """Of jobs: a run of it may still write. Not final, not sealed, or interrupted and perhaps alive after all."""
    open_claim = ~Q(state__in=FINAL_STATES) | Q(sealed_at=None)
    return open_claim | Q(correctable_until__gt=timezone.now())


def not_over() -> Exists:
    """Of spoolers: a job of it is not final and sealed."""
    return Exists(Job.objects.filter(~Q(state__in=FINAL_STATES) | Q(sealed_at=None), spooler=OuterRef("pk")))


def still_written() -> Exists:
    """Of spoolers: a job of it may still write there."""
    return Exists(Job.objects.filter(going_on(), spooler=OuterRef("pk")))
