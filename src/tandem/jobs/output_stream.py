"""A job's output as it grows: read through the door as the person who looks, a piece at a time.

Every piece is a read of its own, so that nothing is kept on the cluster, and the next piece can come through another
cluster when one falls silent. What was shown stays shown; the page is told when it cannot be read on, and when it can.
"""

import re
import time
import uuid
from collections.abc import AsyncIterator

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tandem.accounts.models import Person
from tandem.clusters.door import ClusterRefused, DoorError, get_door
from tandem.jobs.event_reader import get_reader
from tandem.jobs.models import Job
from tandem.jobs.outputs import (
    READ,
    OutputForbidden,
    OutputMissing,
    OutputUnavailable,
    Part,
    answering_clusters,
    part_of,
    reading,
)
from tandem.jobs.plain_text import shown, whole_part
from tandem.jobs.queries import visible_jobs
from tandem.jobs.server_sent import KEEP_ALIVE, OPENING, Standing, event_stream, message, stream
from tandem.jobs.stream_access import KEEP_ALIVE_SECONDS, StreamRefused, Viewer, in_database, stream_seats

PIECE = 64 * 1024
# Further behind than this, a page skips to the end instead of being flooded: the whole file can be downloaded.
FARTHEST_BEHIND = 4 * PIECE
QUICK, SLOW = 0.3, 3.0
DEADLINE = 8.0
LOOK_UP_EVERY = 2.0
POSITION = re.compile(r"(?P<offset>[0-9]{1,18})-(?P<file>[0-9]{1,20})")
OUTPUT_NAME = re.compile(r"(?:output|error)(?:\.[0-9]{1,9})?\.txt")


class NotReadable(Exception):
    """The output cannot be read now; the text says why, fit to be shown."""


async def read_part(viewer: Viewer, job: Job, clusters: list[str], name: str, offset: int | None) -> Part | None:
    """What stands at `offset` (None: at the end); None while there is no such file. Raises NotReadable."""
    arguments = reading(job, name, offset=offset or 0, last=PIECE if offset is None else None, most=PIECE)
    why = "no cluster answers at the moment."
    for cluster in clusters:
        try:
            answer = await get_door().async_run(viewer.username, cluster, READ, arguments, deadline=DEADLINE)
            return part_of(answer, viewer.username)
        except OutputMissing:
            return None
        except (OutputForbidden, OutputUnavailable) as problem:
            raise NotReadable(str(problem)) from problem
        except ClusterRefused as refused:
            why = f"{cluster} refused: {refused}"
        except DoorError:
            why = f"{cluster} does not answer."
    raise NotReadable(why)


def seen_job(viewer: Viewer, job_id: uuid.UUID) -> Job | None:
    """The job, if the viewer may see it."""
    return visible_jobs(Person.objects.get(pk=viewer.person_id)).filter(pk=job_id).first()


def job_and_clusters(viewer: Viewer, job_id: uuid.UUID) -> tuple[Job | None, list[str]]:
    """The job and the clusters to read it through, the best first, in one visit to the database."""
    job = seen_job(viewer, job_id)
    return job, answering_clusters(job) if job else []


@stream
async def output(request: HttpRequest, viewer: Viewer, job_id: uuid.UUID) -> HttpResponseBase:
    """`?file=output.txt`: its last 64 KiB, then what is added. A connection that broke goes on where it was."""
    stream_seats.check(viewer)
    name = request.GET.get("file", "")
    if not OUTPUT_NAME.fullmatch(name):
        raise StreamRefused(400, "`file` must be the name of one of the job's output files.")
    if await in_database(seen_job, viewer, job_id) is None:
        raise StreamRefused(404, "There is no such job, or it belongs to somebody else.")
    last = POSITION.fullmatch(request.headers.get("Last-Event-ID") or request.GET.get("from", ""))
    offset, file = (int(last["offset"]), last["file"]) if last else (None, "")
    return event_stream(Growing(viewer, job_id, name, offset, file).messages())


class Growing:
    """One page's view of one growing file. `offset` is how far `file` was shown; None: not at all yet."""

    def __init__(self, viewer: Viewer, job_id: uuid.UUID, name: str, offset: int | None, file: str) -> None:
        self._viewer = viewer
        self._job_id = job_id
        self._name = name
        self._offset = offset
        self._file = file
        self._silent = ""
        self._pause = QUICK

    async def messages(self) -> AsyncIterator[str]:
        """`text` (what is new), `silent` (cannot be read now), `reading` (can again), `end` (nothing will follow)."""
        standing = Standing(self._viewer)
        with stream_seats.seat(self._viewer), get_reader().subscribe(self._viewer, self._job_id) as subscription:
            yield OPENING
            sent_at, looked_up_at = time.monotonic(), 0.0
            job: Job | None = None
            clusters: list[str] = []
            while True:
                if time.monotonic() - looked_up_at >= LOOK_UP_EVERY:
                    job, clusters = await in_database(job_and_clusters, self._viewer, self._job_id)
                    looked_up_at = time.monotonic()
                if job is None or await standing.lost():
                    yield message("signed-out", {})
                    return
                found, complete = await self._look(job, clusters)
                if found or time.monotonic() - sent_at >= KEEP_ALIVE_SECONDS:
                    yield "".join(found) or KEEP_ALIVE
                    sent_at = time.monotonic()
                if complete:
                    yield message("end", {})
                    return
                if await subscription.changes(self._pause):
                    self._pause, looked_up_at = QUICK, 0.0

    async def _look(self, job: Job, clusters: list[str]) -> tuple[list[str], bool]:
        """Read once. The messages that this makes, and whether all there will ever be was shown."""
        over = job.is_final
        try:
            piece = await read_part(self._viewer, job, clusters, self._name, self._offset)
        except NotReadable as problem:
            self._pause = SLOW
            if self._silent == str(problem):
                return [], False
            self._silent = str(problem)
            return [message("silent", {"why": self._silent})], False
        found = [message("reading", {})] if self._silent else []
        self._silent = ""
        if piece is None:
            self._slow_down()
            return found, over
        text, complete = self._take(piece, over)
        return [*found, *text], complete

    def _take(self, piece: Part, over: bool) -> tuple[list[str], bool]:
        first = self._offset is None
        is_new = not first and piece.file != self._file
        if is_new or piece.size < piece.offset or piece.size - piece.offset > FARTHEST_BEHIND:
            # A later attempt's, written anew from the start, or too much at once: begin again near the end.
            self._offset, self._pause = None, QUICK
            return [], False
        at_end = piece.offset + len(piece.data) >= piece.size
        data = piece.data if over and at_end else whole_part(piece.data)
        reached = piece.offset + len(data)
        self._offset, self._file = reached, piece.file
        if not data:
            self._slow_down()
            return [], over and at_end
        self._pause = QUICK
        fresh = {"text": shown(data), "size": piece.size, "skipped": piece.offset if first else None}
        return [message("text", fresh, f"{reached}-{piece.file}")], over and at_end

    def _slow_down(self) -> None:
        self._pause = min(self._pause * 1.5, SLOW)
