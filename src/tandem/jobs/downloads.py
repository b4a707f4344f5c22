"""One file of a job's spooler, sent to the browser as it comes through the door, opened by the person who asked."""

import uuid
from collections.abc import AsyncIterator

import structlog
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from tandem.clusters.door import ClusterRefused, DoorError, get_door
from tandem.jobs.file_names import name_of
from tandem.jobs.output_stream import job_and_clusters
from tandem.jobs.server_sent import Standing, stream
from tandem.jobs.stream_access import StreamRefused, Viewer, download_seats, in_database, secured

log = structlog.get_logger(__name__)

DEADLINE = 15.0

# Arguments: spooler, path in it. Says `ok <size>` and then so many bytes, or why not. What is sent is a plain file that
# lies in the spooler itself: a link anywhere on the way makes its real path another one.
SEND = """
root=$(realpath -e -- "$1" 2>/dev/null; echo .)
real=$(realpath -e -- "$1/$2" 2>/dev/null; echo .)
if [ ! -e "$1/$2" ]; then
    echo missing
elif [ "${real%??}" != "${root%??}/$2" ]; then
    echo outside
elif [ ! -f "$1/$2" ]; then
    echo special
elif [ ! -r "$1/$2" ]; then
    echo forbidden
elif command exec 9<"$1/$2" && size=$(stat -L -c %s /proc/self/fd/9); then
    # Both of one and the same file: another may be put in its place at any moment.
    echo "ok $size" && exec head -c "$size" <&9
fi
"""
REFUSALS = {
    b"missing": (404, "There is no such file, or you may not look into its directory."),
    b"outside": (403, "This leads out of the job's directory: it is not sent."),
    b"special": (403, "This is not a plain file: it is not sent."),
    b"forbidden": (403, "You may not read this file: its owner and its mode on the cluster decide."),
}
LONGEST_HEAD = 64


@stream
async def download(request: HttpRequest, viewer: Viewer, job_id: uuid.UUID, name: str) -> HttpResponseBase:
    """The file as an attachment, whatever is in it: never shown by the browser as a page of ours."""
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise StreamRefused(400, "This is not the name of a file.")
    download_seats.check(viewer)
    job, clusters = await in_database(job_and_clusters, viewer, job_id)
    if job is None:
        raise StreamRefused(404, "There is no such job, or it belongs to somebody else.")
    return await sent(viewer, clusters, SEND, (job.spooler.path, name_of(name)), name)


async def sent(
    viewer: Viewer, clusters: list[str], script: str, args: tuple[str | bytes, ...], name: str
) -> HttpResponseBase:
    """What a script like SEND gives, as a file of this name. Raises StreamRefused."""
    size, first, pieces = await begin(viewer, clusters, script, args)
    response = StreamingHttpResponse(content(viewer, pieces, first, size), content_type="application/octet-stream")
    response["Content-Length"] = str(size)
    response["Content-Disposition"] = attachment(name)
    return secured(response)


def attachment(name: str) -> str:
    """Content-Disposition (RFC 6266) for a file whose name may be made of any characters."""
    base = "".join(character if character.isprintable() else "_" for character in name.rsplit("/", 1)[-1])
    return content_disposition_header(True, base) or "attachment"


async def begin(
    viewer: Viewer, clusters: list[str], script: str, args: tuple[str | bytes, ...]
) -> tuple[int, bytes, AsyncIterator[bytes]]:
    """Size, first bytes and the rest, from the first cluster that gives them. Raises StreamRefused."""
    refusal = StreamRefused(503, "No cluster answers at the moment; the file is where it was. Try again later.")
    for cluster in clusters:
        pieces = get_door().stream(viewer.username, cluster, script, args, DEADLINE)
        try:
            return *await read_head(pieces), pieces
        except ClusterRefused as refused:
            refusal = StreamRefused(403, f"{cluster} refused: {refused}")
        except DoorError:
            refusal = StreamRefused(503, f"{cluster} does not answer; the file is where it was. Try again later.")
    raise refusal


async def read_head(pieces: AsyncIterator[bytes]) -> tuple[int, bytes]:
    """The size that the cluster announces, and what came with it. Raises StreamRefused for what is not sent."""
    seen = b""
    while b"\n" not in seen and len(seen) < LONGEST_HEAD:
        piece = await anext(pieces, b"")
        if not piece:
            break
        seen += piece
    head, _, rest = seen.partition(b"\n")
    if head.startswith(b"ok ") and head[3:].isdigit():
        return int(head[3:]), rest
    raise StreamRefused(*REFUSALS.get(head, (502, "The cluster could not read this file.")))


async def content(viewer: Viewer, pieces: AsyncIterator[bytes], first: bytes, size: int) -> AsyncIterator[bytes]:
    """The announced number of bytes. When fewer come, the connection breaks: a cut file must not look complete."""
    standing = Standing(viewer)
    left = size
    piece = first
    with download_seats.seat(viewer):
        while True:
            if piece:
                left -= len(piece)
                yield piece
            if left <= 0:
                return
            why = "the file became shorter, or the person was signed out"
            try:
                piece = await anext(pieces, b"")
            except DoorError as broken:
                piece, why = b"", str(broken)
            if not piece or await standing.lost():
                log.warning("download broke", person=viewer.username, left=left, why=why)
                raise ConnectionResetError(f"the file was not sent whole: {why}")
