"""`/streams/spoolers/<id>/zip`: all of a spooler's files at once, opened by the person who asked."""

import uuid
from collections.abc import AsyncIterator

import structlog
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from tandem.accounts.models import Person
from tandem.clusters.door import DoorError
from tandem.jobs.downloads import attachment, begin
from tandem.jobs.models import Spooler
from tandem.jobs.outputs import answering_clusters
from tandem.jobs.server_sent import Standing, stream
from tandem.jobs.spoolers.archive import PACK, Archive, ArchiveBroken, Incoming
from tandem.jobs.spoolers.queries import visible_spoolers
from tandem.jobs.stream_access import StreamRefused, Viewer, download_seats, in_database, secured

log = structlog.get_logger(__name__)


def spooler_and_clusters(viewer: Viewer, spooler_id: uuid.UUID) -> tuple[Spooler | None, list[str]]:
    """The spooler, if the viewer may see it, and the clusters to read it through, in one visit to the database."""
    spooler = visible_spoolers(Person.objects.get(pk=viewer.person_id)).filter(pk=spooler_id).first()
    job = next(iter(spooler.jobs.all()), None) if spooler else None
    return spooler, answering_clusters(job) if job else []


@stream
async def archive(request: HttpRequest, viewer: Viewer, spooler_id: uuid.UUID) -> HttpResponseBase:
    """All of it as a zip. How large it will be nobody knows: one that was cut off does not look complete."""
    download_seats.check(viewer)
    spooler, clusters = await in_database(spooler_and_clusters, viewer, spooler_id)
    if spooler is None:
        raise StreamRefused(404, "There is no such spooler, or it belongs to somebody else.")
    if spooler.removed_at:
        raise StreamRefused(410, "The files of this spooler were removed.")
    _, first, pieces = await begin(viewer, clusters, PACK, (spooler.path,))
    zipped = sent(viewer, Archive(spooler.name), Incoming(pieces, first))
    response = StreamingHttpResponse(zipped, content_type="application/zip")
    response["Content-Disposition"] = attachment(f"{spooler.name.replace('/', '_')}.zip")
    response["X-Accel-Buffering"] = "no"
    return secured(response)


async def sent(viewer: Viewer, zipped: Archive, incoming: Incoming) -> AsyncIterator[bytes]:
    """The zip's bytes, as long as the person is let in. When it is not whole, the connection breaks."""
    standing = Standing(viewer)
    with download_seats.seat(viewer):
        try:
            async for piece in zipped.pieces(incoming):
                if await standing.lost():
                    raise ArchiveBroken("the person was signed out")
                yield piece
        except (ArchiveBroken, DoorError) as broken:
            log.warning("zip broke", person=viewer.username, why=str(broken))
            raise ConnectionResetError(f"the archive is not whole: {broken}") from broken
