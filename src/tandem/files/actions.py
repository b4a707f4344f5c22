"""Verbs that change files on a cluster. Each is one script, run there as the person: the kernel says what is allowed.

No database row is changed, so nothing is locked. A name that is taken is never taken over by itself, and no link is
followed: what is renamed or deleted is the link.
"""

from dataclasses import dataclass

from tandem.files.paths import checked, split
from tandem.files.places import change, look
from tandem.files.trouble import FileTrouble, trouble

DELETE_TIME = 50.0  # seconds; the load balancer waits for 60
MOST_COUNTED = 1_000_000

# Arguments: folder, name.
MAKE = r"""
resolve "$1"; enter "$at"
mkdir -- "./$2"
"""

# Arguments: path, new path, `over` to replace what is there. Within a file system it is one step. `mv -n` has the
# kernel see to it that nothing is replaced, where the file system can; it may end well without having moved anything.
RENAME = r"""
resolve "$1"; from=$at
resolve "$2"; to=$at
[ -e "$from" ] || [ -L "$from" ] || no "No such file or directory"
folder=${to%/*}/
here=$(stat -c %d -- "$from") && there=$(stat -L -c %d -- "$folder.") || exit 4
[ "$here" = "$there" ] || no elsewhere
if [ "$3" = over ]; then
    [ -d "$to" ] && [ ! -L "$to" ] && no "Is a directory"
    exec mv -fT -- "$from" "$to"
fi
if [ -e "$to" ] || [ -L "$to" ]; then no exists; fi
if ! mv -nT -- "$from" "$to"; then
    [ -e "$to" ] && no exists
    exit 4
fi
if [ -e "$from" ] || [ -L "$from" ]; then no exists; fi
"""

# Arguments: path, most to be counted. Answers how many entries a folder has, all the way down, behind whether there was
# too little time (1) to see them all; nothing for what is no folder.
COUNT = r"""
resolve "$1"
if [ -d "$at" ] && [ ! -L "$at" ]; then
    { timeout 5 find "$at" -mindepth 1 -printf . 2>/dev/null; [ $? != 124 ] || echo; } | head -c "$2" | wc -lc
else
    stat -- "$at" >/dev/null || exit 4
fi
"""

# Arguments: path, `all` if a folder may go with what is in it. `rm` enters folders by their handles: whatever is put in
# the place of one meanwhile is not followed.
DELETE = r"""
resolve "$1"
if [ -d "$at" ] && [ ! -L "$at" ]; then
    if [ "$2" = all ]; then exec rm -r --one-file-system --preserve-root=all -- "$at" </dev/null; fi
    exec rmdir -- "$at"
fi
stat -- "$at" >/dev/null || exit 4
exec rm -f -- "$at"
"""


def make_folder(username: str, path: bytes) -> bytes:
    """Make the folder `path`, in one that exists; its path. Raises FileTrouble."""
    folder, name = split(checked(path))
    change(username, path, MAKE, (folder, name))
    return checked(path)


def rename(username: str, path: bytes, to: bytes, *, overwrite: bool = False) -> bytes:
    """Give what is at `path` another name, or move it within its file system; the new path. Raises FileTrouble."""
    path, to = checked(path), checked(to)
    split(path)
    split(to)
    if to.startswith(path + b"/"):
        raise FileTrouble(409, "A folder cannot be moved into itself.", path)
    if to == path:
        return to
    change(username, path, RENAME, (path, to, "over" if overwrite else ""))
    return to


@dataclass(frozen=True, slots=True)
class Count:
    """How many entries a folder has, all the way down; if they are not all, at least."""

    entries: int
    is_all: bool


def count_entries(username: str, path: bytes) -> Count | None:
    """How much would go with a folder; None for what is none. Raises FileTrouble."""
    path = checked(path)
    split(path)
    answer, _ = look(username, path, COUNT, (path, str(MOST_COUNTED)))
    if answer.status:
        raise trouble(answer.stdout, answer.stderr, path)
    if not answer.stdout.strip():
        return None
    unseen, entries = map(int, answer.stdout.split())
    return Count(entries - unseen, not unseen and entries < MOST_COUNTED)


def delete(username: str, path: bytes, *, with_content: bool = False) -> None:
    """Delete a file, a link itself, or a folder: with content only when told so. Raises FileTrouble."""
    path = checked(path)
    split(path)
    try:
        change(username, path, DELETE, (path, "all" if with_content else ""), DELETE_TIME)
    except FileTrouble as problem:
        if with_content and problem.status in (403, 409, 502, 503):
            words = f"{problem} What could be deleted of it may be gone."
            raise FileTrouble(problem.status, words, path) from problem
        raise
