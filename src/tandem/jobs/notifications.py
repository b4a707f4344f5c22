"""What a person is told of their work while they look elsewhere: jobs that ended, files that expire soon.

Nothing is stored for it but how far the person has looked: it is read from the events.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from tandem.accounts.models import Person
from tandem.jobs.models import FINAL_STATES, Event, Job
from tandem.jobs.views import person_of

EXPIRING = "spooler.expiring"
KINDS = ("job.state", EXPIRING)
SHOWN = 20
# A job has a few events for each that is worth telling.
LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Notification:
    """An event that is worth telling. `state`: of a job that ended; without, its files expire soon."""

    event: Event
    job: Job
    state: str
    is_new: bool


def notifications_of(person: Person) -> list[Notification]:
    """The newest ones, the newest first."""
    events = _events(person).select_related("job").defer("job__submission", "job__payload", "job__place_tasks")
    found = [
        Notification(event, event.job, event.data.get("state", ""), event.pk > person.notified_until)
        for event in _worth_telling(events.order_by("-id")[:LOOKED_AT])
        if event.job
    ]
    return found[:SHOWN]


def number_of_new(person: Person) -> int:
    """How many the person has not looked at, as far as it matters: asked for every few seconds by every open page.

    Of the newest events, as the list: many jobs that were submitted at once must not stand before what became of them.
    """
    events = _events(person).filter(pk__gt=person.notified_until)
    return sum(1 for _ in _worth_telling(events.only("kind", "data").order_by("-id")[:LOOKED_AT]))


def _events(person: Person) -> QuerySet[Event]:
    return Event.objects.filter(owner=person, kind__in=KINDS)


def _worth_telling(events: Iterable[Event]) -> Iterable[Event]:
    """Not every database can look into JSON: the states are told apart here."""
    return (event for event in events if event.kind == EXPIRING or event.data.get("state") in FINAL_STATES)


@require_POST
def notifications(request: HttpRequest) -> HttpResponse:
    """What there is to tell, as a fragment; from now on the person has seen it."""
    person = person_of(request)
    shown = notifications_of(person)
    if shown and shown[0].is_new:
        newest = shown[0].event.pk
        # Of two pages that ask at once, the one that saw more counts.
        Person.objects.filter(pk=person.pk, notified_until__lt=newest).update(notified_until=newest)
    return render(request, "jobs/notifications.html", {"notifications": shown})
