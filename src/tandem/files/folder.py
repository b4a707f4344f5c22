"""What lies in a folder, a page at a time: names are read and sorted, and only those of the page are looked at closely.

So a folder of many thousand entries costs one reading of its names. To sort by size or time all have to be looked at.
"""

import base64
import binascii
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tandem.files.paths import as_text, checked, inside, is_below, quoted, typed
from tandem.files.places import answers, known_clusters, look, scratch_paths
from tandem.files.trouble import FileTrouble, trouble

PAGE = 100
MOST_ON_A_PAGE = 10_000
SORTS = {"name": "", "size": "%s ", "modified": "%T@ "}
NAMED = re.compile(rb"[dDlfo].")
NUMBERED = re.compile(rb"[dDlfo]-?[0-9]{1,20}(\.[0-9]{0,20})? .")

# Arguments: a path, `near` to take the folder in which it lies when it is none itself, what else to print of each
# entry. Answers the real path, then kind and name of each entry: d folder, D link to one, f file, l link, o anything
# else. When there is no such folder here, where it would be: it may lie on another cluster's scratch.
LIST = r"""
resolve "$1"
[ "$2" != near ] || [ -d "$at" ] || at=${at%/*}/
if ! cd -- "$at" 2>/dev/null; then
    stat -L -- "$at/." >/dev/null && no forbidden
    realpath -zm -- "$at"
    exit 4
fi
[ -r . ] || no forbidden
real=$(pwd -P; printf .)
printf '%s\0' "${real%??}"
find . -mindepth 1 -maxdepth 1 \( -type d -printf "d$3%f\0" -o -type l -xtype d -printf "D$3%f\0" \
    -o -type l -printf "l$3%f\0" -o -type f -printf "f$3%f\0" -o -printf "o$3%f\0" \)
exit 0
"""

# Argument: a folder; names of entries follow as data, each ended by a NUL. Answers kind, size, time, link's target and
# name of each that is there.
DETAILS = r"""
resolve "$1"; enter "$at"
head -c "$DATA_SIZE" | xargs -0 -r sh -c 'exec find "$@" -maxdepth 0 -printf "%y %s %T@ %l\0%f\0"' sh 2>/dev/null
exit 0
"""

# The same of one path, whatever it is.
ENTRY = r"""
resolve "$1"
if [ -L "$at" ] && [ -d "$at" ]; then leads=D; elif [ -L "$at" ]; then leads=l; else leads=; fi
find "$at" -maxdepth 0 -printf "%y %s %T@ %l\0%f\0$leads"
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a folder. `kind` is as LIST says it; a link's size and time are its own."""

    raw_name: bytes
    raw_path: bytes
    kind: str
    size: int
    modified_at: datetime
    target: str

    @property
    def name(self) -> str:
        """As people read it."""
        return as_text(self.raw_name)

    @property
    def path(self) -> str:
        """As people read it."""
        return as_text(self.raw_path)

    @property
    def address(self) -> str:
        """The path, as it stands in an address."""
        return quoted(self.raw_path)

    @property
    def opens(self) -> bool:
        """Whether it is a folder, or a link to one."""
        return self.kind in "dD"

    @property
    def is_link(self) -> bool:
        """A link; where it leads is in `target`."""
        return self.kind in "Dl"

    @property
    def typed(self) -> str:
        """The path as it can be typed into a field of a form; empty if some of it cannot."""
        return typed(self.raw_path)


@dataclass(frozen=True, slots=True)
class Folder:
    """A page of a folder. `path` is its real one; `after` is where the next page begins, if there is one."""

    path: bytes
    cluster: str
    entries: list[Entry]
    total: int
    found: int
    after: str


def show_folder(
    username: str,
    path: bytes,
    *,
    sort: str = "name",
    after: str = "",
    wanted: str = "",
    size: int = PAGE,
    near: bool = False,
) -> Folder:
    """One page of the folder at `path`: its folders first, sorted by `name`, `size` or `modified`, `-` for backwards.

    `wanted` is part of the names looked for. Raises FileTrouble.
    """
    by, backwards = sort.removeprefix("-"), sort.startswith("-")
    if by not in SORTS:
        raise FileTrouble(422, "Sort by name, size or modified, with a - in front for backwards.", path)
    real, cluster, rows = _names(username, checked(path), by, near)
    found = [row for row in rows if wanted.encode().lower() in _name(row, by).lower()] if wanted else rows
    page, more = _page(found, by, backwards, _row_of(after, by, path), size)
    entries = _details(username, real, cluster, {_name(row, by): chr(row[0]) for row in page})
    return Folder(real, cluster, entries, len(rows), len(found), _cursor(page[-1]) if more else "")


def show_entry(username: str, path: bytes) -> Entry:
    """What is at `path`; a link is told of itself. Raises FileTrouble."""
    path = checked(path)
    answer, _ = look(username, path, ENTRY, (path,))
    if answer.status:
        raise trouble(answer.stdout, answer.stderr, path)
    facts, name, leads = answer.stdout.split(b"\0")
    folder = posixpath.dirname(path)
    entry = entry_of(folder, facts, name, leads.decode())
    return Entry(name, path, entry.kind, entry.size, entry.modified_at, entry.target)


def _names(username: str, path: bytes, by: str, near: bool) -> tuple[bytes, str, list[bytes]]:
    """The folder's real path, the cluster that was asked, and what it said of each entry."""
    arguments = (path, "near" if near else "", SORTS[by])
    answer, cluster = look(username, path, LIST, arguments)
    if answer.status == 4 and (owner := _owner_of(answer.stdout.rstrip(b"\0"))) not in ("", cluster):
        answer, cluster = look(username, path, LIST, arguments, clusters=[owner])
    if answer.status:
        raise trouble(answer.stdout if answer.status == 3 else b"", answer.stderr, path)
    real, *rows = answer.stdout.split(b"\0")[:-1]
    if answer.stderr and not rows:
        raise trouble(b"", answer.stderr, path)
    return real, cluster, rows


def _owner_of(path: bytes) -> str:
    """The cluster that answers and alone has this path, if it lies on a scratch."""
    clusters = known_clusters()
    able = {cluster.name for cluster in clusters if answers(cluster)}
    places = scratch_paths(clusters).items()
    return next((name for name, scratch in places if name in able and is_below(path, scratch)), "")


def _name(row: bytes, by: str) -> bytes:
    return row[1:] if by == "name" else row.partition(b" ")[2]


def _key(by: str) -> Callable[[bytes], Any]:
    """By name, hidden entries stand behind the others; upper and lower case stand together."""

    def by_name(row: bytes) -> bytes:
        return b"%d" % (row[1:2] == b".") + row[1:].lower() + b"\0" + row

    def by_number(row: bytes) -> tuple[float, bytes]:
        number, _, name = row[1:].partition(b" ")
        return float(number), name.lower() + b"\0" + row

    return by_name if by == "name" else by_number


def _page(rows: list[bytes], by: str, backwards: bool, last: bytes | None, size: int) -> tuple[list[bytes], bool]:
    """The rows that follow `last`, and whether there are more. Where `last` is gone, those that would follow it."""
    key = _key(by)
    groups: list[list[bytes]] = [[], []]
    for row in rows:
        groups[row[0] not in b"dD"].append(row)
    if last is not None:
        at = last[0] not in b"dD"
        limit = key(last)
        groups[at] = [row for row in groups[at] if (key(row) < limit if backwards else key(row) > limit)]
        if at:
            groups[0] = []
    page: list[bytes] = []
    for group in groups:
        if len(page) <= size:
            page += sorted(group, key=key, reverse=backwards)[: size + 1 - len(page)]
    return page[:size], len(page) > size


def _cursor(row: bytes) -> str:
    return base64.urlsafe_b64encode(row).decode().rstrip("=")


def _row_of(cursor: str, by: str, path: bytes) -> bytes | None:
    if not cursor:
        return None
    try:
        row = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        row = b""
    if not (NAMED if by == "name" else NUMBERED).match(row):
        raise FileTrouble(422, "This is not the cursor of a page that is sorted so.", path)
    return row


def _details(username: str, folder: bytes, cluster: str, kinds: dict[bytes, str]) -> list[Entry]:
    """The entries in the order of `kinds`; what has vanished meanwhile is left out."""
    if not kinds:
        return []
    names = b"".join(b"./%s\0" % name for name in kinds)
    answer, _ = look(username, folder, DETAILS, (folder,), names, [cluster])
    if answer.status:
        raise trouble(answer.stdout, answer.stderr, folder)
    parts = answer.stdout.split(b"\0")[:-1]
    seen = {name: facts for facts, name in zip(parts[::2], parts[1::2], strict=True)}
    return [entry_of(folder, seen[name], name, kind) for name, kind in kinds.items() if name in seen]


def entry_of(folder: bytes, facts: bytes, name: bytes, kind: str = "") -> Entry:
    """An entry out of what `find` printed of it: kind, size, time and link's target."""
    own, size, modified, target = facts.split(b" ", 3)
    return Entry(
        raw_name=name,
        raw_path=inside(folder, name),
        kind=kind or (own.decode() if own in (b"d", b"f", b"l") else "o"),
        size=int(size),
        modified_at=datetime.fromtimestamp(float(modified), UTC),
        target=as_text(target),
    )


def which_exist(username: str, path: bytes, names: list[bytes]) -> list[bytes]:
    """Those of the names that there are in a folder. Raises FileTrouble."""
    path = checked(path)
    if not names:
        return []
    answer, _ = look(username, path, DETAILS, (path,), b"".join(b"./%s\0" % name for name in names))
    if answer.status:
        raise trouble(answer.stdout, answer.stderr, path)
    return answer.stdout.split(b"\0")[1::2]
