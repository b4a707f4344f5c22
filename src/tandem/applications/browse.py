"""What lies in a directory of the cluster: listed through the door as the person who looks, so the kernel decides."""

import posixpath
from dataclasses import dataclass

from tandem.clusters.door import ClusterRefused, DoorError, Lane, get_door
from tandem.clusters.models import Cluster, ClusterState
from tandem.jobs.page_seats import NoSeat, seat_to_read

MOST_ENTRIES = 1000
DEADLINE = 6.0
START = "~"

# Arguments: a directory, or a file in it (`~` is one's home); most entries. Answers the directory's real path, then
# type, size and name of what is in it.
LIST = r"""
case $1 in
    "~") place=$HOME ;;
    "~/"*) place=$HOME/${1#"~/"} ;;
    *) place=$1 ;;
esac
[ -d "$place" ] || place=${place%/*}/
cd -- "$place" 2>/dev/null || exit 2
printf '%s\0' "$(pwd -P)"
find -L . -mindepth 1 -maxdepth 1 -printf '%y %s %f\0' 2>/dev/null | head -z -n "$2"
"""


class BrowseFailed(Exception):
    """The directory cannot be shown; the text says why."""

    def __init__(self, path: str, words: str) -> None:
        super().__init__(words)
        self.path = path
        self.parent = posixpath.dirname(path.rstrip("/")) or "/"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a directory."""

    name: str
    path: str
    is_directory: bool
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory, its directories first. `steps` are the directories above it, each with its path."""

    path: str
    cluster: str
    entries: list[Entry]
    is_cut: bool

    @property
    def parent(self) -> str:
        """The directory above."""
        return posixpath.dirname(self.path)

    @property
    def steps(self) -> list[tuple[str, str]]:
        """Name and path of every directory from the root down to this one."""
        parts = [part for part in self.path.split("/") if part]
        return [("/", "/"), *((part, "/" + "/".join(parts[: at + 1])) for at, part in enumerate(parts))]


def browse(username: str, path: str) -> Listing:
    """The directory at `path` (of a file: the one it lies in), through a cluster that is up. Raises BrowseFailed."""
    cluster = Cluster.objects.filter(present=True, state=ClusterState.UP).order_by("name").first()
    path = path if path.startswith(("/", "~/")) else START
    if cluster is None:
        raise BrowseFailed(path, "No cluster answers at the moment. Type the path instead.")
    try:
        with seat_to_read():
            answer = get_door().run(
                username, cluster.name, LIST, (path, str(MOST_ENTRIES + 1)), deadline=DEADLINE, lane=Lane.PAGE
            )
    except NoSeat as full:
        raise BrowseFailed(path, str(full)) from full
    except ClusterRefused as refused:
        raise BrowseFailed(path, f"{cluster.name} refused: {refused}") from refused
    except DoorError as silent:
        raise BrowseFailed(path, f"{cluster.name} does not answer. Type the path instead.") from silent
    if answer.status != 0:
        raise BrowseFailed(path, "There is no such directory, or you may not enter it.")
    return read_listing(answer.stdout, cluster.name)


def read_listing(answer: bytes, cluster: str) -> Listing:
    """What the script said. Names that are no text cannot be typed into a form: they are left out."""
    path, *rows = answer.decode(errors="surrogateescape").split("\0")
    entries = []
    for row in filter(None, rows[:MOST_ENTRIES]):
        kind, size, name = row.split(" ", 2)
        if name.isprintable():
            entries.append(Entry(name, posixpath.join(path, name), kind == "d", int(size)))
    entries.sort(key=lambda entry: (not entry.is_directory, entry.name.startswith("."), entry.name.lower()))
    return Listing(path, cluster, entries, len(rows) > MOST_ENTRIES + 1)
