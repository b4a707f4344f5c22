"""Whole files, out and in: `/api/v1/files/content`, served by the process of the streams, whatever their size.

The address is one of the API's, and the pages use the same. The load balancer sends it to the streams by its path.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path, reverse

from tandem.files.paths import HOME, as_text, asked, checked
from tandem.files.places import RESOLVE, clusters_for
from tandem.files.trouble import FileTrouble
from tandem.jobs.downloads import sent
from tandem.jobs.server_sent import stream
from tandem.jobs.stream_access import StreamRefused, Viewer, download_seats, in_database

STREAMS = "tandem.files.streams"

# Argument: a path. Says `ok <size>` and then so many bytes, or why not, as `jobs.downloads.SEND` does. Links are
# followed: the person could read the file just as well by its own name.
SEND = (
    RESOLVE
    + """
resolve "$1"
if [ ! -e "$at" ]; then
    echo missing
elif [ ! -f "$at" ]; then
    echo special
elif [ ! -r "$at" ]; then
    echo forbidden
elif command exec 9<"$at" && size=$(stat -L -c %s /proc/self/fd/9); then
    echo "ok $size" && exec head -c "$size" <&9
fi
"""
)


@stream
async def content(request: HttpRequest, viewer: Viewer) -> HttpResponseBase:
    """A file as an attachment, whatever is in it. What is sent here is taken by `uploads.py`, before Django."""
    download_seats.check(viewer)
    try:
        wanted = checked(asked(request, "path") or HOME)
        clusters = await in_database(clusters_for, wanted)
    except FileTrouble as trouble:
        raise StreamRefused(trouble.status, f"{as_text(trouble.path)}: {trouble}") from trouble
    try:
        return await sent(viewer, clusters, SEND, (wanted,), as_text(wanted.rpartition(b"/")[2]))
    except StreamRefused as refused:
        raise StreamRefused(refused.status, f"{as_text(wanted)}: {refused.words}") from refused


def content_address() -> str:
    """Where files are fetched and sent."""
    return reverse("files-content", urlconf=STREAMS)


urlpatterns = [path("api/v1/files/content", content, name="files-content")]
