"""Pages of jobs: the list, a job, and the small fragments that keep both up to date."""

import uuid
from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from tandem.accounts.models import Person
from tandem.clusters.models import silent_clusters
from tandem.jobs import actions, listing, outputs
from tandem.jobs.event_reader import newest_event_id
from tandem.jobs.filters import ListFilters
from tandem.jobs.job_page import job_page
from tandem.jobs.models import Job, JobState, OutsideJob
from tandem.jobs.outside import KEPT
from tandem.jobs.queries import visible_jobs, visible_outside_jobs
from tandem.jobs.resubmit import as_batch_script, as_command
from tandem.jobs.submission import SubmissionInvalid, stored_submission
from tandem.jobs.tasks import task_counts, task_page
from tandem.lists import ROWS_A_PAGE

TASKS_A_PAGE = 25
STREAMS = "tandem.jobs.streams"


def person_of(request: HttpRequest) -> Person:
    """Who is signed in: every page here asks for that."""
    return cast(Person, request.user)


def job_or_404(request: HttpRequest, job_id: uuid.UUID) -> Job:
    """The job, if this person may see it."""
    return get_object_or_404(visible_jobs(person_of(request)), pk=job_id)


def outside_job_or_404(request: HttpRequest, job_id: uuid.UUID) -> OutsideJob:
    """The job that was submitted outside the portal, if this person may see it."""
    return get_object_or_404(visible_outside_jobs(person_of(request)), pk=job_id)


@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """Own jobs, newest first, those outside the portal among them; an administrator's everybody's.

    What they are narrowed to is in the address.
    """
    since, person, filters = newest_event_id(), person_of(request), ListFilters.of(request.GET)
    page = listing.job_page_of(person, filters, request.GET.get("cursor", ""))
    context = {
        "title": "Jobs",
        "page": page,
        "top": "" if page.cursor else listing.top_of(page),
        "toolbar": listing.toolbar(person, filters),
        "everybody": person.is_administrator,
        "silent": silent_clusters(),
        "events": stream_address("events", f"?since={since}"),
    }
    return render(request, "jobs/list.html", context)


@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """Rows of the list as they are now, each of which htmx puts in its place."""
    person = person_of(request)
    try:
        wanted = [uuid.UUID(text) for text in request.GET.getlist("id")]
    except ValueError:
        raise BadRequest("`id` must be a job's id") from None
    if len(wanted) > ROWS_A_PAGE:
        raise BadRequest(f"at most {ROWS_A_PAGE} at once")
    context = {
        "rows": listing.rows_of(person, wanted),
        "everybody": person.is_administrator,
        "silent": silent_clusters(),
        "oob": True,
    }
    return render(request, "jobs/rows.html", context)


@require_GET
def newer(request: HttpRequest) -> HttpResponse:
    """How many jobs have come in front of the list that somebody looks at, with the way to them."""
    top, filters = request.GET.get("top", ""), ListFilters.of(request.GET)
    number = listing.newer_than(person_of(request), filters, top)
    return render(request, "jobs/newer.html", {"number": number, "most": listing.MOST_NEWER})


@require_GET
def job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """A job: where it stands, what it writes, what it left."""
    since = newest_event_id()
    shown = job_page(job_or_404(request, job_id))
    context = {
        **(task_list(request, shown.job, shown.is_live) if shown.job.array else {}),
        "title": shown.job.name,
        "page": shown,
        "job": shown.job,
        "events": stream_address("events", f"?job={job_id}&since={since}"),
        "output": stream_address("job-output", job_id=job_id),
    }
    return render(request, "jobs/job.html", context)


@require_GET
def status(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """The parts of a job's page that change, each of which htmx puts in its place; nothing while nothing did."""
    shown = job_page(job_or_404(request, job_id))
    if request.GET.get("seen") == shown.mark:
        return HttpResponse(status=204)
    return render(request, "jobs/status.html", {"page": shown, "job": shown.job, "oob": True})


def task_list(request: HttpRequest, of: Job, live: bool) -> dict[str, object]:
    """One page of an array's tasks: those of one state if one is chosen, from where the page before ended."""
    state, after = request.GET.get("state", ""), request.GET.get("after", "")
    if state not in ("", *JobState) or not (after == "" or (after.isdecimal() and len(after) < 10)):
        raise BadRequest("no such tasks")
    place = int(after) if after else None
    return {
        "job": of,
        "tasks": task_page(of, TASKS_A_PAGE, place, state),
        "task_counts": list(task_counts(of).items()),
        "task_state": state,
        "task_after": place,
        "live": live,
    }


@require_GET
def tasks(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """The tasks of an array, as a fragment of its page."""
    asked = job_or_404(request, job_id)
    return render(request, "jobs/tasks.html", task_list(request, asked, not asked.is_final))


@require_GET
def files(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """What lies in the job's spooler. When it cannot be read now, what was shown stays, with a word about it."""
    asked = job_or_404(request, job_id)
    try:
        found = outputs.list_outputs(asked, person_of(request))
    except (outputs.OutputMissing, outputs.OutputUnavailable, outputs.OutputForbidden) as unavailable:
        answer = render(request, "jobs/files_unavailable.html", {"why": str(unavailable)})
        answer["HX-Retarget"], answer["HX-Reswap"] = "#files-notice", "innerHTML"
        return answer
    rows = [(file, stream_address("job-file", job_id=job_id, name=file.path)) for file in found.files]
    more = f"The first {len(rows):,} of {found.total:,} files, by name." if found.next is not None else ""
    list_all = f"tandem job output {job_id} --list"
    return render(request, "jobs/files.html", {"job": asked, "files": rows, "more": more, "list_all": list_all})


def act(verb: Callable[[Job, Person], None]) -> Callable[[HttpRequest, uuid.UUID], HttpResponse]:
    """A view that does `verb` to a job and goes back to the job's page, which shows what became of it."""

    @require_POST
    def view(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
        asked = job_or_404(request, job_id)
        try:
            verb(asked, person_of(request))
        except actions.ActionRefused as refused:
            messages.warning(request, f"Nothing was done: {refused}.")
        return redirect("job", job_id)

    return view


@require_GET
def copies(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """What was submitted, as text to be submitted again elsewhere: for sbatch, and for `tandem`."""
    asked = job_or_404(request, job_id)
    context: dict[str, object] = {"job": asked}
    try:
        submission = stored_submission(asked.submission)
    except SubmissionInvalid as invalid:
        context["invalid"] = invalid
    else:
        context |= {"batch_script": as_batch_script(submission), "command": as_command(submission)}
    return render(request, "jobs/copies.html", context)


@require_GET
def outside_job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """A job that was submitted on a cluster itself: what the scheduler says of it. Asked for by htmx: its parts."""
    since = newest_event_id()
    shown = outside_job_or_404(request, job_id)
    context = {
        "title": shown.name,
        "job": shown,
        "silent": silent_clusters(),
        "kept_days": KEPT.days,
        "events": stream_address("events", f"?job={shown.pk}&since={since}"),
    }
    if request.headers.get("HX-Request"):
        return render(request, "jobs/outside_status.html", {**context, "oob": True})
    return render(request, "jobs/outside.html", context)


@require_POST
def cancel_outside(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Ask the scheduler to end a job that was submitted on a cluster itself, and go back to its page."""
    asked = outside_job_or_404(request, job_id)
    try:
        actions.cancel_outside_job(asked, person_of(request))
    except actions.ActionRefused as refused:
        messages.warning(request, f"Nothing was done: {refused}.")
    return redirect("outside-job", job_id)


cancel = act(actions.cancel_job)
hold = act(actions.hold_job)
release = act(actions.release_job)
requeue = act(actions.requeue_job)


def stream_address(view: str, query: str = "", /, **parts: object) -> str:
    """The address of a stream, which another process serves."""
    return reverse(view, urlconf=STREAMS, kwargs=parts or None) + query
