"""How jobs look in the API, and how their lists are cut into pages."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Schema

from tandem.api_pages import Pages
from tandem.clusters.models import silent_clusters
from tandem.jobs.models import Job, JobState, PlacementState, Spooler
from tandem.jobs.tasks import task_counts
from tandem.jobs.wish_words import wishes


class PlacementOut(Schema):
    """One handing of the job to one cluster. `message` is the scheduler's own words when it refused."""

    id: UUID
    cluster: str
    attempt: int
    state: PlacementState
    scheduler_id: str
    scheduler_state: str
    scheduler_reason: str
    nodes: str
    exit_code: int | None
    message: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobOut(Schema):
    """A job. `scheduler_state` and `scheduler_reason` are the cluster's own words beside Tandem's state.

    `cancelling`: to be cancelled, and not yet known to have stopped. `spooler` is a path on every cluster.
    `last_seen_at`: of an UNKNOWN job, when it was last seen for sure.
    """

    id: UUID
    name: str
    owner: str
    project: str
    application: str
    state: JobState
    state_since: datetime
    last_seen_at: datetime | None
    reason: str
    wanted_cluster: str
    cluster: str
    queue: str
    scheduler_state: str
    scheduler_reason: str
    exit_code: int | None
    array: str
    restartable: bool
    cancelling: bool
    held: bool
    spooler: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @staticmethod
    def resolve_owner(job: Job) -> str:
        return job.owner.username

    @staticmethod
    def resolve_cancelling(job: Job) -> bool:
        return job.is_cancelling

    @staticmethod
    def resolve_held(job: Job) -> bool:
        return job.hold_wanted

    @staticmethod
    def resolve_spooler(job: Job) -> str:
        # It is its job's owner's, and need not be looked up.
        return Spooler(id=job.spooler_id, owner=job.owner).path


class TaskOut(Schema):
    """A task of an array. `cluster` is where it was claimed; `attempt` counts from 0."""

    index: int
    state: JobState
    cluster: str
    attempt: int
    exit_code: int | None
    reason: str
    started_at: datetime | None
    ended_at: datetime | None


class TasksOut(Schema):
    """Some of an array's tasks; `next` is the address of the next page."""

    results: list[TaskOut]
    next: str | None


class JobDetailOut(JobOut):
    """A job with what was submitted, where it was placed, and how many of its tasks are in which state.

    `wishes`: in words, what was wished for it (cancel, hold, release, requeue) and is not done yet.
    """

    submission: dict[str, Any]
    placements: list[PlacementOut]
    wishes: list[str]
    tasks: dict[str, int]

    @staticmethod
    def resolve_wishes(job: Job) -> list[str]:
        return [str(wish) for wish in wishes(job, list(job.placements.all()), silent_clusters())]

    @staticmethod
    def resolve_placements(job: Job) -> Any:
        return job.placements.order_by("created_at")

    @staticmethod
    def resolve_tasks(job: Job) -> dict[str, int]:
        return task_counts(job)


class OutputOut(Schema):
    """A file of a job's spooler; `path` is relative to it. A byte that is not UTF-8 stands as U+EF80 to U+EFFF."""

    path: str
    size: int
    modified_at: datetime


class OutputsOut(Schema):
    """Some of a job's files, in the order of their names, and how many there are; `next`: address of the next page."""

    results: list[OutputOut]
    total: int
    next: str | None


class JobPages(Pages):
    """Newest first; jobs submitted meanwhile do not move a page."""

    def __init__(self) -> None:
        super().__init__(("-created_at", "-id"))

    def paginate_queryset(
        self, queryset: QuerySet[Job], pagination: Pages.Input, request: HttpRequest, **params: Any
    ) -> Any:
        """One page."""
        # Found by their keys first, as in `lists.first_of`.
        keys = queryset.only("id", "created_at").prefetch_related(None)
        page = super().paginate_queryset(keys, pagination, request, **params)
        shown = [row.pk for row in page["results"]]
        rows = {row.pk: row for row in queryset.filter(pk__in=shown)}
        return page | {"results": [rows[key] for key in shown if key in rows]}
