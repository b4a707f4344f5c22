"""What a spooler's page tells: gathered here from the database alone, arranged by the templates."""

import hashlib
from dataclasses import dataclass

from tandem.accounts.models import Person
from tandem.jobs.models import Job, Spooler
from tandem.jobs.spoolers.words import Fate, Outlook, outlook


@dataclass(frozen=True, slots=True)
class SpoolerPage:
    """One spooler as its page shows it to one person."""

    spooler: Spooler
    jobs: list[Job]
    outlook: Outlook
    person: Person

    @property
    def is_over(self) -> bool:
        """Whether all its jobs are final and sealed."""
        return all(job.is_final and job.sealed_at for job in self.jobs)

    @property
    def is_anothers(self) -> bool:
        """Whether an administrator looks at it, who may not enter the directory."""
        return self.spooler.owner_id != self.person.pk

    @property
    def may_keep(self) -> bool:
        """Not gone, and not being removed."""
        return self.outlook.fate is not Fate.REMOVED and self.spooler.removing_until is None

    @property
    def may_delete(self) -> bool:
        """Its owner may, once nothing runs, and once only."""
        fates = (Fate.REMOVED, Fate.DELETING)
        return self.is_over and self.spooler.owner_id == self.person.pk and self.outlook.fate not in fates

    @property
    def has_files(self) -> bool:
        """Whether there is still something to be looked at."""
        return self.outlook.fate is not Fate.REMOVED

    @property
    def mark(self) -> str:
        """The same for the same content: a page that shows this already is left alone."""
        seen = [(job.pk, job.state, job.reason, job.last_seen_at, job.is_cancelling, job.is_held) for job in self.jobs]
        shown = (seen, self.spooler.name, self.outlook, self.is_over, self.may_keep)
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def spooler_page(spooler: Spooler, person: Person) -> SpoolerPage:
    """Everything that the page of `spooler` shows, of a spooler fetched with its jobs."""
    return SpoolerPage(spooler, list(spooler.jobs.all()), outlook(spooler), person)
