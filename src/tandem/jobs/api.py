"""`/api/v1/jobs`: submit, look, cancel, hold, release, requeue, read outputs."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Header, Query, Router
from ninja.errors import HttpError, ValidationError
from ninja.pagination import paginate

from tandem.accounts.authentication import person_of
from tandem.accounts.models import Person
from tandem.jobs import actions, outputs
from tandem.jobs.api_schemas import JobDetailOut, JobOut, JobPages, OutputsOut, TasksOut
from tandem.jobs.converters import ANY_NAME
from tandem.jobs.downloads import attachment
from tandem.jobs.filters import JobFilters, has_id
from tandem.jobs.models import Job, JobState
from tandem.jobs.queries import visible_jobs
from tandem.jobs.submission import Submission, check_submission
from tandem.jobs.tasks import task_page
from tandem.node import this_environment

router = Router(tags=["jobs"])

LONGEST_WAIT = 10.0
MOST_INDEX = 10**9
RANGE = re.compile(r"bytes=(?:(?P<first>\d{1,18})-(?P<last>\d{1,18})?|-(?P<suffix>\d{1,18}))")
# A user's file is never shown by the browser as a page of ours.
OUTPUT_HEADERS = {
    "Content-Type": "application/octet-stream",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
    "Accept-Ranges": "bytes",
}
SUBMISSION_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Submission.model_json_schema()}},
    }
}

JobKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Your own mark for this submission: sent again with the same body, it makes no second job.",
    ),
]


@router.post(
    "", response={201: JobOut}, operation_id="submit_job", summary="Submit a job", openapi_extra=SUBMISSION_BODY
)
def submit(
    request: HttpRequest,
    response: HttpResponse,
    idempotency_key: JobKey = None,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Wait so many seconds for a cluster's word.")] = 0,
) -> Any:
    """Record a job. Once this is answered the job is not lost, whether or not a cluster is up."""
    person = person_of(request)
    body = _json_object(request)
    job = actions.submit_job(
        person,
        check_submission(body, this_environment()),
        idempotency_key=_digest(idempotency_key) if idempotency_key else None,
        digest=_digest(json.dumps(body, sort_keys=True)) if idempotency_key else "",
    )
    if wait:
        job = actions.wait_for_first_answer(job, wait)
    response["Location"] = f"/api/v1/jobs/{job.pk}"
    return job


@router.get("", response=list[JobOut], operation_id="list_jobs", summary="List jobs")
@paginate(JobPages)
def list_jobs(
    request: HttpRequest,
    filters: Query[JobFilters],
    id: Annotated[str | None, Query(pattern="^[0-9a-fA-F-]{1,36}$", description="How the id begins.")] = None,
) -> QuerySet[Job]:
    """Jobs, the newest first: one's own; everybody's for administrators. `next` is the address of the next page."""
    # Owners are looked up for a page at a time: with a join, a database may sort all jobs to show fifty.
    every = visible_jobs(person_of(request)).select_related(None).prefetch_related("owner")
    jobs = filters.of_jobs(every.defer("submission", "payload"))
    return jobs.filter(has_id(id)) if id else jobs


@router.get("/{uuid:job_id}", response=JobDetailOut, operation_id="show_job", summary="Show a job")
def show(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """One job with its placements and the number of its tasks in each state."""
    return _job(request, job_id)


@router.post("/{uuid:job_id}/cancel", response=JobDetailOut, operation_id="cancel_job", summary="Cancel a job")
def cancel(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """Wish the job's end. It is CANCELLED once no run of it is left, `cancelling` until then."""
    return _changed(request, job_id, actions.cancel_job)


@router.post("/{uuid:job_id}/hold", response=JobDetailOut, operation_id="hold_job", summary="Hold a job")
def hold(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """Keep a job that waits from starting."""
    return _changed(request, job_id, actions.hold_job)


@router.post("/{uuid:job_id}/release", response=JobDetailOut, operation_id="release_job", summary="Release a held job")
def release(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """Let a held job start."""
    return _changed(request, job_id, actions.release_job)


@router.post("/{uuid:job_id}/requeue", response=JobDetailOut, operation_id="requeue_job", summary="Requeue a job")
def requeue(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """Stop a restartable job and let it wait for its turn again."""
    return _changed(request, job_id, actions.requeue_job)


@router.get("/{uuid:job_id}/tasks", response=TasksOut, operation_id="list_tasks", summary="List a job's tasks")
def list_tasks(
    request: HttpRequest,
    job_id: uuid.UUID,
    state: Annotated[JobState | None, Query(description="Only those in this state.")] = None,
    after: Annotated[int | None, Query(ge=0, le=MOST_INDEX, description="Only those with a higher index.")] = None,
    page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """An array's tasks in the order of their indices, wherever each of them runs or ran. Without array: 409."""
    job = _job(request, job_id)
    if not job.array:
        raise HttpError(409, "This job is no array: it has no tasks.")
    page = task_page(job, page_size, after, state or "")
    query = {"state": state.value if state else None, "page_size": page_size, "after": page.next}
    known = {name: value for name, value in query.items() if value is not None}
    address = f"/api/v1/jobs/{job.pk}/tasks?{urlencode(known)}"
    return {"results": page.lines, "next": address if page.next is not None else None}


@router.get("/{uuid:job_id}/outputs", response=OutputsOut, operation_id="list_outputs", summary="List a job's files")
def list_outputs(
    request: HttpRequest,
    job_id: uuid.UUID,
    after: Annotated[int, Query(ge=0, le=MOST_INDEX, description="Only those behind so many others.")] = 0,
    page_size: Annotated[int, Query(ge=1, le=2000)] = outputs.FILES_A_PAGE,
) -> Any:
    """The files of the job's spooler by name, read through any cluster that answers, with the rights of who asks.

    They are listed as they are at that moment: files that come or go between two pages move those behind them.
    """
    page = outputs.list_outputs(_job(request, job_id), person_of(request), after, page_size)
    query = urlencode({"page_size": page_size, "after": page.next})
    address = f"/api/v1/jobs/{job_id}/outputs?{query}"
    return {"results": page.files, "total": page.total, "next": None if page.next is None else address}


@router.get(
    f"/{{uuid:job_id}}/outputs/{{{ANY_NAME}:path}}",
    operation_id="read_output",
    summary="Read a job's file",
    openapi_extra={"responses": {200: {"description": "all of it"}, 206: {"description": "a part: see Content-Range"}}},
)
def read_output(
    request: HttpRequest,
    job_id: uuid.UUID,
    path: str,
    wanted: Annotated[
        str | None, Header(alias="Range", description="One range of bytes; `bytes=-1000`: the last thousand.")
    ] = None,
) -> HttpResponse:
    """The bytes of a file, at most 8 MiB at a time: of a larger one a part comes (206), see `Content-Range`.

    416 with the size when there is nothing at the place asked for: not yet, if the job still writes. `Tandem-File`
    changes when the file was replaced, as a restarted job replaces its output: read it from the start then.
    """
    span = RANGE.fullmatch(wanted or "")
    most, offset, last = outputs.MOST_BYTES, 0, None
    if span and span["suffix"]:
        last = int(span["suffix"])
    elif span:
        offset = int(span["first"])
        if span["last"]:
            most = max(0, min(most, int(span["last"]) - offset + 1))
    part = outputs.read_output(_job(request, job_id), person_of(request), path, offset=offset, last=last, most=most)
    if not part.data and (span or part.size):
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{part.size}", "Tandem-File": part.file})
    whole = not span and len(part.data) == part.size
    response = HttpResponse(part.data, status=200 if whole else 206, headers=OUTPUT_HEADERS)
    response["Tandem-File"] = part.file
    if not whole:
        response["Content-Range"] = f"bytes {part.offset}-{part.offset + len(part.data) - 1}/{part.size}"
    response["Content-Disposition"] = attachment(path)
    return response


def _jobs(request: HttpRequest) -> QuerySet[Job]:
    # The spooler's path needs its owner's name: without this, a query per job.
    return visible_jobs(person_of(request)).select_related("owner", "spooler__owner")


def _job(request: HttpRequest, job_id: uuid.UUID) -> Job:
    return get_object_or_404(_jobs(request), pk=job_id)


def _changed(request: HttpRequest, job_id: uuid.UUID, change: Callable[[Job, Person], None]) -> Job:
    change(_job(request, job_id), person_of(request))
    return _job(request, job_id)


def _digest(text: str) -> str:
    # Keys are kept as digests: a column's collation may take two keys for one.
    return hashlib.sha256(text.encode()).hexdigest()


def _json_object(request: HttpRequest) -> dict[str, Any]:
    """The body. Its fields are checked by `check_submission`, as the form's are."""
    try:
        body = json.loads(request.body)
    except ValueError:
        raise HttpError(400, "The body is not JSON.") from None
    except RecursionError:
        raise HttpError(400, "The body is nested too deeply.") from None
    if not isinstance(body, dict):
        raise ValidationError([{"loc": ("body",), "msg": "must be an object with the fields of a submission"}])
    return body
