"""`/api/v1/outside-jobs`: jobs that were submitted on a cluster itself. Look, and ask for their end."""

import uuid
from datetime import datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from ninja.pagination import paginate

from tandem.accounts.authentication import person_of
from tandem.jobs import actions
from tandem.jobs.api_schemas import JobPages
from tandem.jobs.filters import JobFilters
from tandem.jobs.models import JobState, OutsideJob
from tandem.jobs.queries import visible_outside_jobs

router = Router(tags=["jobs"])


class OutsideJobOut(Schema):
    """A job that was submitted on a cluster itself, as its scheduler shows it; an array is one of them.

    `cancelling`: to be cancelled, and still there. `last_seen_at`: of an UNKNOWN job, when it was last seen for sure.
    """

    id: uuid.UUID
    name: str
    owner: str
    state: JobState
    state_since: datetime
    last_seen_at: datetime | None
    reason: str
    cluster: str
    scheduler_id: str
    queue: str
    scheduler_state: str
    scheduler_reason: str
    nodes: str
    exit_code: int | None
    cancelling: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @staticmethod
    def resolve_owner(job: OutsideJob) -> str:
        return job.owner.username

    @staticmethod
    def resolve_cancelling(job: OutsideJob) -> bool:
        return job.is_cancelling


@router.get("", response=list[OutsideJobOut], operation_id="list_outside_jobs", summary="List jobs outside the portal")
@paginate(JobPages)
def list_outside_jobs(request: HttpRequest, filters: Query[JobFilters]) -> QuerySet[OutsideJob]:
    """Jobs that were submitted with the scheduler's own commands, the newest first: one's own; everybody's for
    administrators. They are kept for 7 days after their end. They have no project.
    """
    every = visible_outside_jobs(person_of(request)).select_related(None).prefetch_related("owner")
    return filters.of_outside_jobs(every)


@router.get(
    "/{uuid:job_id}", response=OutsideJobOut, operation_id="show_outside_job", summary="Show a job outside the portal"
)
def show(request: HttpRequest, job_id: uuid.UUID) -> OutsideJob:
    """One of them."""
    return get_object_or_404(visible_outside_jobs(person_of(request)), pk=job_id)


@router.post(
    "/{uuid:job_id}/cancel",
    response=OutsideJobOut,
    operation_id="cancel_outside_job",
    summary="Cancel a job outside the portal",
)
def cancel(request: HttpRequest, job_id: uuid.UUID) -> OutsideJob:
    """Wish the job's end: its scheduler is asked for it as you, and decides. What it refuses stands in `reason`."""
    actions.cancel_outside_job(show(request, job_id), person_of(request))
    return show(request, job_id)
