"""The list of spoolers: what it can be narrowed to, for the page, the API and the command line alike."""

import re
from datetime import timedelta
from typing import Literal

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from pydantic import Field

from tandem.accounts.models import Person
from tandem.jobs.filters import JobFilters, has_id
from tandem.jobs.listing import STATES
from tandem.jobs.models import Job, Spooler
from tandem.lists import Filter, Toolbar

_ID = re.compile(r"[0-9a-fA-F-]{4,36}")
SOON = timedelta(days=3)
FILES = (("soon", "expire within 3 days"), ("kept", "kept for ever"), ("removed", "removed"))


class SpoolerFilters(JobFilters):
    """What a list of spoolers is narrowed to. State, cluster, queue and project are those of a job of it."""

    files: Literal["", "soon", "kept", "removed"] = Field(
        "",
        description="soon: expire within 3 days; kept: for ever; removed: gone. Left out: all but those that are gone.",
    )

    def of_spoolers(self, spoolers: QuerySet[Spooler]) -> QuerySet[Spooler]:
        """Those of `spoolers` that all of it is true of."""
        spoolers = spoolers.filter(removed_at__isnull=self.files != "removed")
        if self.files == "soon":
            spoolers = spoolers.filter(kept=False, expires_at__lte=timezone.now() + SOON)
        elif self.files == "kept":
            spoolers = spoolers.filter(kept=True)
        if self.search:
            spoolers = spoolers.filter(_found_by(self.search))
        if self.owner:
            spoolers = spoolers.filter(owner__username=self.owner)
        if self.first_moment:
            spoolers = spoolers.filter(created_at__gte=self.first_moment)
        if self.last_moment:
            spoolers = spoolers.filter(created_at__lt=self.last_moment)
        if self.state or self.cluster or self.queue or self.project:
            of_job = self.model_copy(update={"search": "", "owner": "", "since": None, "until": None})
            spoolers = spoolers.filter(Exists(of_job.of_jobs(Job.objects.filter(spooler=OuterRef("pk")))))
        return spoolers


def _found_by(words: str) -> Q:
    named = Job.objects.filter(Q(name__icontains=words) | Q(project__icontains=words), spooler=OuterRef("pk"))
    found = Q(name__icontains=words) | Q(Exists(named))
    if _ID.fullmatch(words):
        found |= has_id(words)
    return found


def toolbar(person: Person, filters: SpoolerFilters) -> Toolbar:
    """Search and filters, as they are set."""
    fields = [
        Filter("state", "State of its job", value=",".join(filters.state), choices=STATES, is_first=True),
        Filter("files", "Files", value=filters.files, choices=FILES, is_first=True),
        Filter("project", "Project", "text", filters.project),
        Filter("since", "Made from", "date", str(filters.since or "")[:10]),
        Filter("until", "Made until", "date", str(filters.until or "")[:10]),
    ]
    if person.is_administrator:
        fields.insert(2, Filter("owner", "Owner", "text", filters.owner))
    return Toolbar(fields, filters.search, "Name, job, project or id")
