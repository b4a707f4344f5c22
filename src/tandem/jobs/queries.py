"""Which jobs a person may see."""

from typing import TypeVar

from django.db.models import OuterRef, QuerySet, Subquery

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs.models import Job, OutsideJob

AnyJob = TypeVar("AnyJob", Job, OutsideJob)


def visible_jobs(person: Person) -> QuerySet[Job]:
    """The person's own jobs, an administrator's everybody's; newest first, with owner and spooler."""
    jobs = with_last_sight(Job.objects.select_related("owner", "spooler__owner").order_by("-created_at", "-id"))
    return jobs if person.is_administrator else jobs.filter(owner=person)


def visible_outside_jobs(person: Person) -> QuerySet[OutsideJob]:
    """Likewise of jobs that were submitted on a cluster itself."""
    jobs = with_last_sight(OutsideJob.objects.select_related("owner").order_by("-created_at", "-id"))
    return jobs if person.is_administrator else jobs.filter(owner=person)


def with_last_sight(jobs: QuerySet[AnyJob]) -> QuerySet[AnyJob]:
    """The same jobs, with when their cluster last answered: see `last_seen_at` of each."""
    answers = Cluster.objects.filter(pk=OuterRef("cluster")).values("last_answer_at")
    return jobs.annotate(cluster_answered_at=Subquery(answers))
