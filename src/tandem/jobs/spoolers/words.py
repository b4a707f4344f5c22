"""What becomes of a spooler, in words: for its page, its line in the list, and the API."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from tandem.jobs.models import Job, Spooler


class Fate(StrEnum):
    """What is to become of a spooler's files."""

    IN_USE = "in use"
    EXPIRES = "expires"
    KEPT = "kept"
    EXPIRED = "expired"
    DELETING = "deleting"
    REMOVED = "removed"


SOON = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to become of the files, since or until when, and what is in the way of it."""

    fate: Fate
    at: datetime | None = None
    detail: str = ""

    @property
    def is_soon(self) -> bool:
        """Whether it is time to say that it can be kept."""
        return self.fate is Fate.EXPIRES and self.at is not None and self.at - timezone.now() <= SOON

    @property
    def can_be_changed(self) -> bool:
        """Whether anything is left to be kept or deleted."""
        return self.fate is not Fate.REMOVED


def outlook(spooler: Spooler) -> Outlook:
    """From the record alone; the spooler's jobs are best fetched before."""
    now = timezone.now()
    if spooler.removed_at:
        why = "Their owner deleted them." if spooler.delete_wanted_at else "Their time was over."
        return Outlook(Fate.REMOVED, spooler.removed_at, why)
    if spooler.kept:
        return Outlook(Fate.KEPT)
    if spooler.delete_wanted_at:
        return Outlook(Fate.DELETING, spooler.delete_wanted_at, _waits(spooler, now))
    if spooler.expires_at is None:
        return Outlook(Fate.IN_USE)
    if spooler.expires_at > now:
        return Outlook(Fate.EXPIRES, spooler.expires_at)
    return Outlook(Fate.EXPIRED, spooler.expires_at, _waits(spooler, now))


def _waits(spooler: Spooler, now: datetime) -> str:
    """Why they are not gone yet."""
    if spooler.remove_problem:
        after = spooler.remove_not_before
        again = f" Next try: {after:%Y-%m-%d %H:%M} UTC." if after and after - now > timedelta(minutes=1) else ""
        return f"They could not be removed: {spooler.remove_problem}.{again}"
    if spooler.removing_until:
        return "They are being removed."
    late = max((job.correctable_until for job in spooler.jobs.all() if job.correctable_until), default=None)
    if late and late > now:
        return f"Their job was interrupted and may run on unseen: they are removed after {late:%Y-%m-%d %H:%M} UTC."
    if not spooler.owner.is_active:
        return "Their owner's account is disabled: they are removed when that is enabled again."
    return "They are removed as soon as a cluster answers."


def gone(job: Job) -> str:
    """Of a job whose files were removed, what became of them; empty of others."""
    spooler = job.spooler
    if spooler.removed_at is None:
        return ""
    why = "its owner deleted them" if spooler.delete_wanted_at else "their time was over"
    return f"The files of this job were removed on {spooler.removed_at:%Y-%m-%d at %H:%M} UTC: {why}."
