"""The list of spoolers: what it can be narrowed to, for the page, the API and the command line alike."""

from datetime import timedelta
from typing import Literal

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Lower
from django.db.models.lookups import IsNull
from django.utils import timezone
from pydantic import Field

from tandem.accounts.models import Person
from tandem.jobs.filters import ID, JobFilters, has_id
from tandem.jobs.listing import STATES, cluster_fields, listed_jobs
from tandem.jobs.models import Job, Spooler
from tandem.jobs.spoolers.queries import visible_spoolers
from tandem.lists import Filter, Toolbar

FEW = 1000
SOON = timedelta(days=3)
FILES = (("soon", "expire within 3 days"), ("kept", "kept for ever"), ("removed", "removed"))


class SpoolerFilters(JobFilters):
    """What a list of spoolers is narrowed to. State, cluster, queue and project are those of a job of it."""

    files: Literal["", "soon", "kept", "removed"] = Field(
        "",
        description="soon: expire within 3 days; kept: for ever; removed: gone. Left out: all but those that are gone.",
    )

    def of_spoolers(self, person: Person) -> QuerySet[Spooler]:
        """Those that the person may see and that all of it is true of, newest first."""
        spoolers = visible_spoolers(person).filter(removed_at__isnull=self.files != "removed")
        if self.files == "soon":
            spoolers = spoolers.filter(kept=False, expires_at__lte=timezone.now() + SOON)
        elif self.files == "kept":
            spoolers = spoolers.filter(kept=True)
        if self.owner:
            spoolers = spoolers.filter(owner__username=self.owner)
        if self.first_moment:
            spoolers = spoolers.filter(created_at__gte=self.first_moment)
        if self.last_moment:
            spoolers = spoolers.filter(created_at__lt=self.last_moment)
        jobs = listed_jobs(person)[0]
        if self.search:
            spoolers = spoolers.filter(self._found_in(spoolers, jobs))
        if self.state or self.cluster or self.queue or self.project:
            of_job = self.model_copy(update={"search": "", "since": None, "until": None})
            spoolers = spoolers.filter(_of(of_job.of_jobs(jobs)))
        return spoolers

    def _found_in(self, spoolers: QuerySet[Spooler], jobs: QuerySet[Job]) -> Q:
        """By the name of its job, its own if that is another one, the project, or an id."""
        found = _of(JobFilters(search=self.search).of_jobs(jobs))
        renamed = spoolers.filter(renamed=True).alias(low_name=Lower("name"))
        found |= Q(pk__in=list(renamed.filter(low_name__contains=self.search.lower()).values_list("pk", flat=True)))
        return found | has_id(self.search) if ID.fullmatch(self.search) else found


def _of(jobs: QuerySet[Job]) -> Q:
    """The spoolers of these jobs.

    Of few jobs they are looked up beforehand, for else every spooler would be asked after its jobs. With many, a page
    is soon full. The subquery is not EXISTS, since MariaDB would find all such jobs first.
    """
    few = list(jobs.values_list("pk", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        return Q(pk__in=list(Job.objects.filter(pk__in=few).values_list("spooler", flat=True)) if few else [])
    own = jobs.order_by().filter(spooler=OuterRef("pk")).values("pk")[:1]
    return Q(IsNull(Subquery(own), False))


def toolbar(person: Person, filters: SpoolerFilters) -> Toolbar:
    """Search and filters, as they are set."""
    fields = [
        Filter("state", "State of its job", value=",".join(filters.state), choices=STATES, is_first=True),
        Filter("files", "Files", value=filters.files, choices=FILES, is_first=True),
        *cluster_fields(filters),
        Filter("project", "Project", "text", filters.project),
        Filter("since", "Made from", "date", str(filters.since or "")[:10]),
        Filter("until", "Made until", "date", str(filters.until or "")[:10]),
    ]
    if person.is_administrator:
        fields.insert(2, Filter("owner", "Owner", "text", filters.owner))
    return Toolbar(fields, filters.search, "Name, job, project or id")
