"""What stays open: live pages, growing output, downloads. Served by uvicorn alone, under /streams/.

A page is told *that* something changed, not what: it asks for the small fragment again, so that one template and one
permission check serve both the first look and every later one.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.decorators.http import require_safe

from tandem.clusters import ask_signer
from tandem.jobs.converters import ANY_NAME
from tandem.jobs.downloads import download
from tandem.jobs.event_reader import Changes, get_reader
from tandem.jobs.output_stream import output
from tandem.jobs.server_sent import KEEP_ALIVE, OPENING, Standing, event_stream, message, stream
from tandem.jobs.spoolers.streams import archive
from tandem.jobs.stream_access import KEEP_ALIVE_SECONDS, StreamRefused, Viewer, secured, stream_seats
from tandem.node import this_node


@require_safe
async def health(request: HttpRequest) -> HttpResponse:
    """For the balancer: this process and its node's signer answer. Whether the database does is told per stream."""
    node = this_node()
    good = node is None or await asyncio.to_thread(ask_signer.answers, node.signer_socket)
    words = "ok" if good else "the signer does not answer"
    return secured(HttpResponse(f"{words}\n", status=200 if good else 503, content_type="text/plain"))


health.login_required = False  # type: ignore[attr-defined]


@stream
async def events(request: HttpRequest, viewer: Viewer) -> HttpResponseBase:
    """What changes among the jobs that the viewer may see, or of one: `?job=`, `?since=` an event's id."""
    stream_seats.check(viewer)
    return event_stream(changes_for(viewer, wanted_job(request), place_of(request)))


def wanted_job(request: HttpRequest) -> uuid.UUID | None:
    """The job of the query, if it names one."""
    text = request.GET.get("job")
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise StreamRefused(400, "`job` must be a job's id.") from None


def place_of(request: HttpRequest) -> int | None:
    """The last event that the page knows: where it was cut off, else when it was rendered."""
    for text in (request.headers.get("Last-Event-ID", ""), request.GET.get("since", "")):
        if text.isascii() and text.isdigit() and len(text) < 19:
            return int(text)
    return None


async def changes_for(viewer: Viewer, job: uuid.UUID | None, last_id: int | None) -> AsyncIterator[str]:
    """Messages `job` (one job's page), `jobs` and `clusters`, as they happen."""
    reader, standing = get_reader(), Standing(viewer)
    with stream_seats.seat(viewer), reader.subscribe(viewer, job) as subscription:
        yield OPENING
        if last_id is not None:
            await reader.catch_up(subscription, last_id)
        while True:
            changes = await subscription.changes(KEEP_ALIVE_SECONDS)
            if await standing.lost():
                yield message("signed-out", {})
                return
            yield told(changes, one_job=job is not None) or KEEP_ALIVE


def told(changes: Changes, one_job: bool) -> str:
    """The messages for these changes. With `more`, others changed as well: so many that they are not named."""
    messages = []
    if changes.jobs or changes.overflowed:
        what: dict[str, object] = {"jobs": [str(job) for job in changes.jobs]}
        if changes.overflowed:
            what["more"] = True
        messages.append(message("job" if one_job else "jobs", what, changes.last_id))
    if changes.clusters:
        messages.append(message("clusters", {}, changes.last_id))
    return "".join(messages)


urlpatterns = [
    path("streams/healthz", health, name="streams-health"),
    path("streams/events", events, name="events"),
    path("streams/jobs/<uuid:job_id>/output", output, name="job-output"),
    path(f"streams/jobs/<uuid:job_id>/files/<{ANY_NAME}:name>", download, name="job-file"),
    path("streams/spoolers/<uuid:spooler_id>/zip", archive, name="spooler-zip"),
]
