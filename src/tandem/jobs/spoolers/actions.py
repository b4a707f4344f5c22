"""The verbs that change a spooler on a person's behalf: rename, keep, extend, delete. None needs a cluster to be up.

What is to be removed is removed by the reaper (reaper.py). Whether the person may see the spooler is for the caller to
have checked (`queries.visible_spoolers`). Each change is one compare-and-swap on the spooler's row, which loses against
a removal that has begun and against nothing else: until then it is the person's word that counts.
"""

import unicodedata
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.actions import ActionRefused
from tandem.jobs.models import Event, Spooler
from tandem.jobs.spoolers.queries import not_over
from tandem.jobs.transactions import done_again

LONGEST_NAME = 200
LONGEST_EXTENSION = timedelta(days=3650)
# What changes how a line reads: names with such characters only deceive.
_DECEIVING = ("Cc", "Cf", "Cs", "Zl", "Zp")


class SpoolerNameInvalid(Exception):
    """This cannot be a spooler's name; the text says why."""


def tell(spooler: Spooler, kind: str, by: Person | None, **data: Any) -> None:
    """An event for each of the spooler's jobs, whose pages show their files."""
    said = {"by": by.username if by else "", **data}
    Event.objects.bulk_create(
        Event(owner_id=spooler.owner_id, job_id=job, kind=kind, data=said)
        for job in spooler.jobs.values_list("pk", flat=True)
    )


@done_again
def rename_spooler(spooler: Spooler, by: Person, name: str) -> None:
    """Change the record's name; the directory's is its id. Raises SpoolerNameInvalid."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise SpoolerNameInvalid(f"give it a name of at most {LONGEST_NAME} characters")
    if any(unicodedata.category(character) in _DECEIVING for character in name):
        raise SpoolerNameInvalid("may not contain control characters")
    with transaction.atomic():
        if Spooler.objects.filter(pk=spooler.pk).exclude(name=name).update(name=name, renamed=True):
            tell(spooler, "spooler.rename", by, name=name)
    spooler.refresh_from_db()


@done_again
def keep_spooler(spooler: Spooler, by: Person) -> None:
    """It no longer expires. Asking twice is asking once. Raises ActionRefused when its removal has begun."""
    _change(spooler, by, "spooler.keep", Q(kept=True), kept=True, expires_at=None)


@done_again
def extend_spooler(spooler: Spooler, by: Person, until: datetime) -> None:
    """It expires at `until`, and not before. Asking twice is asking once.

    Raises ActionRefused when it would expire sooner than it does, while a job of it is not over, and when its removal
    has begun.
    """
    now = timezone.now()
    if not now < until <= now + LONGEST_EXTENSION:
        raise ActionRefused(f"it can expire within the next {LONGEST_EXTENSION.days} days, or be kept")
    if Spooler.objects.filter(not_over(), pk=spooler.pk).exists():
        raise ActionRefused("a job of it is not over: it begins to count when that has ended")
    if spooler.kept and by.pk != spooler.owner_id:
        raise ActionRefused("its owner keeps it for ever")
    if spooler.expires_at and not spooler.delete_wanted_at and spooler.expires_at > until:
        raise ActionRefused("it expires later than that already")
    _change(spooler, by, "spooler.extend", Q(expires_at=until), kept=False, expires_at=until)


@done_again
def delete_spooler(spooler: Spooler, by: Person) -> None:
    """Wish that the directory is removed. The reaper does it, through whichever cluster answers.

    Asking twice is asking once, also when it is gone already. Raises ActionRefused for anybody but the owner, as whom
    it is done on the cluster, and while a job of it is not final and sealed.
    """
    if by.pk != spooler.owner_id:
        raise ActionRefused("only its owner may delete it: on the clusters everything is done as who asked for it")
    if spooler.removed_at or spooler.removing_until:
        return
    now = timezone.now()
    wish = {"kept": False, "expires_at": now, "delete_wanted_at": now}
    with transaction.atomic():
        rows = Spooler.objects.filter(~not_over(), pk=spooler.pk, removed_at=None, removing_until=None)
        if rows.filter(delete_wanted_at=None).update(**wish, **_AFRESH):
            tell(spooler, "spooler.delete", by)
    spooler.refresh_from_db()
    if not spooler.delete_wanted_at and not spooler.removed_at and not spooler.removing_until:
        raise ActionRefused("a job of it is not over: cancel it, and delete the spooler when it has ended")


# A wish starts anew: no back-off of earlier tries, nothing told of another expiry.
_AFRESH: dict[str, Any] = {
    "remove_not_before": None,
    "remove_tries": 0,
    "remove_problem": "",
    "expiry_told_at": None,
}


def _change(spooler: Spooler, by: Person, kind: str, done: Q, **fields: Any) -> None:
    """Change the expiry where no removal has begun; nothing is told of what was so already."""
    rows = Spooler.objects.filter(pk=spooler.pk, removed_at=None, removing_until=None)
    with transaction.atomic():
        if rows.exclude(done).update(delete_wanted_at=None, **fields, **_AFRESH):
            until = fields.get("expires_at")
            tell(spooler, kind, by, until=until.isoformat() if until else "")
        elif not rows.exists():
            gone = Spooler.objects.filter(pk=spooler.pk, removed_at__isnull=False).exists()
            raise ActionRefused("its files are gone" if gone else "its files are being removed already")
    spooler.refresh_from_db()
