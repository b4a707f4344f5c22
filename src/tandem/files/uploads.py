"""A file on its way in: from the request's body through the door into a file set aside, which then gets its name.

Nothing is kept on the portal node, and nothing runs ahead of the cluster. Whatever breaks on the way - browser, portal
node, connection, disk - the script on the cluster notices that its data ended early, and removes what it has.
"""

from collections.abc import AsyncIterator

from django.http import HttpRequest

from tandem.clusters.door import AnswerLost, ClusterRefused, ClusterUnreachable, get_door
from tandem.files.folder import Entry, entry_of
from tandem.files.paths import asked, checked, split
from tandem.files.places import RESOLVE, clusters_for
from tandem.files.trouble import UNSURE, FilesAway, FileTrouble, trouble
from tandem.jobs.server_sent import Standing
from tandem.jobs.stream_access import StreamRefused, Viewer, in_database, upload_seats

DEADLINE = 30.0
ASIDE = ".tandem-upload-"

# Arguments: folder, name, `over` to replace a file of this name. The working directory is held: a folder that is
# renamed meanwhile is still the one, and one that is deleted is missed when the file gets its name. A link of this name
# is replaced, not followed. A new name is given as a second one, which fails if another upload was quicker. What a head
# node that died left of an upload goes with the next one into the folder: nothing has been written to it for an hour.
TAKE = (
    RESOLVE
    + r"""
resolve "$1"; enter "$at"
taken() { [ -e "./$1" ] || [ -L "./$1" ]; }
if [ "$3" != over ] && taken "$2"; then no exists; fi
[ -d "./$2" ] && [ ! -L "./$2" ] && no "Is a directory"
trap '' PIPE
trap 'exit 5' HUP INT TERM
aside=
trap '[ -z "$aside" ] || rm -f -- "$aside"' EXIT
find . -maxdepth 1 -name '.tandem-upload-??????????' -type f -uid "$(id -u)" -mmin +60 -delete 2>/dev/null
aside=$(mktemp ./.tandem-upload-XXXXXXXXXX) || exit 4
head -c "$DATA_SIZE" >"$aside" || exit 4
size=$(stat -c %s -- "$aside") || exit 4
[ "$size" = "$DATA_SIZE" ] || exit 5
sync -- "$aside" || exit 4
if [ "$3" = over ]; then
    { [ -f "./$2" ] && [ ! -L "./$2" ] && chmod --reference="./$2" -- "$aside"; } || chmod =rw -- "$aside"
    mv -fT -- "$aside" "./$2" || exit 4
    aside=
else
    chmod =rw -- "$aside"
    ln -T -- "$aside" "./$2" || { taken "$2" && no exists; exit 4; }
fi
find "./$2" -maxdepth 0 -printf '%y %s %T@ %l\0%f\0'
"""
)
CUT = 5


async def take(request: HttpRequest, viewer: Viewer, size: int, body: AsyncIterator[bytes]) -> Entry:
    """Put the `size` bytes of `body` where the address says. Raises FileTrouble or StreamRefused.

    `path`: of the file; `overwrite=true`: replace what has this name. Whatever `body` raises is passed on, and the
    cluster removes what it got.
    """
    path = checked(asked(request, "path") or b"")
    folder, name = split(path)
    over = asked(request, "overwrite") in (b"true", b"1")
    clusters = await in_database(clusters_for, path)
    with upload_seats.seat(viewer):
        counted = Counted(viewer, body)
        for cluster in clusters:
            try:
                answer = await get_door().send(
                    viewer.username,
                    cluster,
                    TAKE,
                    (folder, name, "over" if over else ""),
                    counted.pieces(),
                    size,
                    DEADLINE,
                )
            except ClusterUnreachable:  # before anything of the body was read
                away = FilesAway(f"{cluster} does not answer; nothing was changed.", path, [cluster])
            except ClusterRefused as refused:
                away = FilesAway(f"{cluster} refused: {refused}.", path, [cluster])
            except AnswerLost:
                words = UNSURE if counted.sent >= size else "Nothing was changed: send the file again."
                raise FilesAway(f"The connection to {cluster} broke. {words}", path, [cluster]) from None
            else:
                if answer.status == CUT:
                    raise FileTrouble(400, "Less was sent than was announced; nothing was changed.", path)
                if answer.status:
                    raise trouble(answer.stdout, answer.stderr, path)
                facts, _ = answer.stdout.split(b"\0")[:2]
                return entry_of(folder, facts, name)
        raise away


class Counted:
    """The pieces of a body, counted, and no more of them once its sender has been signed out or disabled."""

    def __init__(self, viewer: Viewer, body: AsyncIterator[bytes]) -> None:
        self.sent = 0
        self._standing = Standing(viewer)
        self._body = body

    async def pieces(self) -> AsyncIterator[bytes]:
        """Each piece. Raises StreamRefused."""
        async for piece in self._body:
            if await self._standing.lost():
                raise StreamRefused(401, "You were signed out meanwhile; nothing was changed.")
            # Before it is on its way: who is told that nothing was changed must be able to rely on it.
            self.sent += len(piece)
            yield piece
