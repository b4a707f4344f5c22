"""The list of jobs as its page shows it: the newest first, page by page, and what changes in it meanwhile.

Jobs of the portal and those submitted outside it stand in one list, though in two tables. A cursor has a place in each.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import BadRequest
from django.db.models import QuerySet

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs.filters import ACTIVE, ENDED, JobFilters, ListFilters
from tandem.jobs.models import Job, JobState, OutsideJob
from tandem.jobs.queries import AnyJob, with_last_sight
from tandem.lists import ROWS_A_PAGE, Filter, Page, Toolbar, after, cursor_at, first_of

MOST_NEWER = 99
# What a row does not show may be long.
UNSHOWN = ("submission", "payload", "place_tasks", "reason")
STATES = (
    (ACTIVE, "Not over"),
    (ENDED, "Over"),
    *((state.value, state.label) for state in JobState),
)
VIA = (("portal", "through the portal"), ("outside", "outside the portal"))
Jobs = tuple[QuerySet[Job], QuerySet[OutsideJob]]


def listed_jobs(person: Person) -> Jobs:
    """What this person may see, as far as a list shows it."""
    return _newest_first(person, Job.objects.defer(*UNSHOWN)), _newest_first(person, OutsideJob.objects.all())


def _newest_first(person: Person, jobs: QuerySet[AnyJob]) -> QuerySet[AnyJob]:
    # Owners are looked up for a page at a time: with a join, a database may sort all jobs to show fifty.
    visible = jobs if person.is_administrator else jobs.filter(owner=person)
    return with_last_sight(visible).prefetch_related("owner").order_by("-created_at", "-id")


def _wanted(person: Person, filters: ListFilters) -> Jobs:
    jobs, outside = listed_jobs(person)
    return (
        jobs.none() if filters.via == "outside" else filters.of_jobs(jobs),
        outside.none() if filters.via == "portal" else filters.of_outside_jobs(outside),
    )


def job_page_of(person: Person, filters: ListFilters, cursor: str) -> Page[Job | OutsideJob]:
    """One page of the list. Each table is read from its own place in it, as far as a page can need."""
    jobs, outside = _wanted(person, filters)
    job_place, _, outside_place = cursor.partition(".")
    found: list[Job | OutsideJob] = [
        *first_of(after(jobs, job_place), ROWS_A_PAGE + 1),
        *first_of(after(outside, outside_place), ROWS_A_PAGE + 1),
    ]
    # Within each table the rows keep the order that the database gave them.
    found.sort(key=lambda row: row.created_at, reverse=True)
    rows = found[:ROWS_A_PAGE]
    if len(found) == len(rows):
        return Page(rows, cursor)
    for row in rows:
        if isinstance(row, Job):
            job_place = cursor_at(jobs, row)
        else:
            outside_place = cursor_at(outside, row)
    return Page(rows, cursor, f"{job_place}.{outside_place}")


def top_of(page: Page[Job | OutsideJob]) -> str:
    """When the page's first row was submitted: what comes in front of it is newer."""
    return page.rows[0].created_at.isoformat() if page.rows else ""


def newer_than(person: Person, filters: ListFilters, top: str) -> int:
    """How many have come in front of the list since, as far as it matters. Raises BadRequest."""
    try:
        moment = datetime.fromisoformat(top) if top else None
    except ValueError:
        raise BadRequest("`top` must be a time") from None
    number = 0
    for jobs in _wanted(person, filters):
        newer = jobs.filter(created_at__gt=moment) if moment else jobs
        number += newer.order_by()[: MOST_NEWER + 1].count()
    return number


def rows_of(person: Person, ids: Iterable[uuid.UUID]) -> list[Job | OutsideJob]:
    """These jobs, as far as the person may see them."""
    wanted = list(ids)
    return [row for jobs in listed_jobs(person) for row in jobs.filter(pk__in=wanted)]


def toolbar(person: Person, filters: ListFilters) -> Toolbar:
    """Search and filters, as they are set."""
    cluster, queue = cluster_fields(filters, is_first=True)
    fields = [
        Filter("state", "State", value=",".join(filters.state), choices=STATES, is_first=True),
        cluster,
        queue,
        Filter("project", "Project", "text", filters.project),
        Filter("since", "Submitted from", "date", _day(filters.since)),
        Filter("until", "Submitted until", "date", _day(filters.until)),
        Filter("via", "Origin", value=filters.via, choices=VIA),
    ]
    if person.is_administrator:
        fields.insert(2, Filter("owner", "Owner", "text", filters.owner))
    return Toolbar(fields, filters.search, "Name, project, id, id on its cluster")


def cluster_fields(filters: JobFilters, *, is_first: bool = False) -> tuple[Filter, Filter]:
    """Where a job is: cluster, which may always be in view, and queue."""
    clusters = list(Cluster.objects.filter(present=True).only("name", "queues").order_by("name"))
    queues = sorted({queue["name"] for cluster in clusters for queue in cluster.queues})
    names = [(cluster.name, cluster.name) for cluster in clusters]
    return (
        Filter("cluster", "Cluster", value=filters.cluster, choices=names, is_first=is_first),
        Filter("queue", "Queue", value=filters.queue, choices=[(name, name) for name in queues]),
    )


def _day(day: object) -> str:
    return "" if day is None else str(day)[:10]
