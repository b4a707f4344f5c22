"""Paths as the kernel has them: bytes, which need not be text. In addresses and JSON they are `jobs.file_names`' texts.

A path is absolute, or begins with `~` for the person's home on the cluster. There is no `.` and no `..` in it.
"""

import posixpath
from urllib.parse import quote

from django.http import HttpRequest

from tandem.files.trouble import FileTrouble
from tandem.jobs.file_names import name_of, text_of
from tandem.jobs.plain_text import shown

HOME = b"~"
LONGEST_PATH = 4096
LONGEST_NAME = 255
# A name is one line, whatever is in it.
ONE_LINE = str.maketrans({"\n": "␊", "\t": "␉"})


def as_text(raw: bytes) -> str:
    """A name or path to be read by people: nothing in it breaks the line, moves the cursor or turns letters around."""
    return shown(raw.replace(b"\r", "␍".encode()).replace(b"\x1b", "␛".encode())).translate(ONE_LINE)


def quoted(path: bytes) -> str:
    """As it stands in an address."""
    return quote(text_of(path), safe="/~")


def typed(path: bytes) -> str:
    """The path as it can be typed into a field; empty if some of it cannot."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def asked(request: HttpRequest, name: str) -> bytes | None:
    """The path that a parameter of the address means, if it is there."""
    text = request.GET.get(name)
    return None if text is None else name_of(text)


def checked(path: bytes) -> bytes:
    """The path without needless slashes. Raises FileTrouble for what is none."""
    if not path.startswith((b"/", b"~/")) and path != HOME:
        raise FileTrouble(422, "A path must be absolute, or begin with ~ for the home directory.", path)
    if b"\0" in path or len(path) > LONGEST_PATH:
        raise FileTrouble(422, "This cannot be a path.", path[:LONGEST_NAME])
    first, *parts = path.split(b"/")
    if any(part in (b".", b"..") for part in parts):
        raise FileTrouble(422, "A path must not have . or .. in it.", path)
    return b"/".join([first, *filter(None, parts)]) or b"/"


def checked_name(name: bytes, path: bytes) -> bytes:
    """A new name in a folder. Raises FileTrouble for what cannot be one; `path` is what it was meant for."""
    if not name:
        raise FileTrouble(422, "Give it a name.", path)
    if name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise FileTrouble(422, "A name cannot be . or .. and has no / in it.", path)
    if len(name) > LONGEST_NAME:
        raise FileTrouble(422, f"A name has at most {LONGEST_NAME} bytes.", path)
    return name


def inside(folder: bytes, name: bytes) -> bytes:
    """The path of what has this name in a folder."""
    return posixpath.join(folder, name)


def split(path: bytes) -> tuple[bytes, bytes]:
    """Folder and name. Raises FileTrouble for what stands in no folder that could be changed: the root, the home."""
    folder, name = posixpath.split(path)
    if not name or path == HOME:
        raise FileTrouble(422, "This is not to be changed.", path)
    return folder, checked_name(name, path)


def is_below(path: bytes, folder: str) -> bool:
    """Whether a path is this folder or leads into it."""
    mount = folder.rstrip("/").encode()
    return path == mount or path.startswith(mount + b"/")


def steps(path: bytes) -> list[tuple[str, bytes]]:
    """What people read and the path of every folder from the root down to this one."""
    parts = [part for part in path.split(b"/") if part]
    return [("/", b"/"), *((as_text(part), b"/" + b"/".join(parts[: at + 1])) for at, part in enumerate(parts))]
