"""Which jobs a person may see."""

from django.db.models import OuterRef, Q, QuerySet, Subquery

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs.models import Job


def visible_jobs(person: Person) -> QuerySet[Job]:
    """The person's own jobs, an administrator's everybody's; newest first, with owner and spooler."""
    jobs = with_last_sight(Job.objects.select_related("owner", "spooler__owner").order_by("-created_at", "-id"))
    return jobs if person.is_administrator else jobs.filter(owner=person)


def with_last_sight(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """The same jobs, with when their cluster last answered: see `Job.last_seen_at`."""
    answers = Cluster.objects.filter(pk=OuterRef("cluster")).values("last_answer_at")
    return jobs.annotate(cluster_answered_at=Subquery(answers))


def with_words(jobs: QuerySet[Job], words: str) -> QuerySet[Job]:
    """Those of `jobs` that have `words` in their name or their project, in small letters or capitals."""
    return jobs.filter(Q(name__icontains=words) | Q(project__icontains=words)) if words else jobs
