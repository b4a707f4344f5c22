"""`tandem files`: what lies on the clusters, from here.

Paths on the clusters are absolute, or begin at one's home there: `runs/a` and `~/runs/a` are the same. What is fetched
or sent is written aside and gets its name when it is whole: whatever breaks, nothing half-done is left.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from tandem.cli.client import Portal, PortalUnreachableError, problem_of
from tandem.cli.connection import connected
from tandem.cli.console import AsJson, Exit, err, fail, out, print_json
from tandem.cli.times import ago
from tandem.jobs.file_names import readable, text_of

app = typer.Typer(help="Look at, fetch and send files on the clusters.", no_args_is_help=True)

PIECE = 2**18
LONG = httpx.Timeout(120.0, connect=5.0)
MOST_LISTED = 100_000
PAGE = 10_000
AS_IT_IS = {"Accept": "*/*", "Accept-Encoding": "identity"}

Remote = Annotated[str, typer.Argument(metavar="PATH", help="On the clusters: absolute, or from your home there.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace a file that has this name already.")]


@app.command("ls")
def list_folder(
    path: Annotated[str, typer.Argument(metavar="PATH", help="On the clusters; left out: your home there.")] = "~",
    sort: Annotated[str, typer.Option(help="name, size or modified; with - in front: backwards.")] = "name",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = MOST_LISTED,
    as_json: AsJson = False,
) -> None:
    """List a folder: its folders first."""
    with connected() as portal:
        address = f"/files?path={_address(path)}&sort={quote(sort)}&page_size={min(limit, PAGE)}"
        entries: list[dict[str, Any]] = []
        while address and len(entries) < limit:
            page = portal.get(address)
            entries += page["results"]
            address = (page["next"] or "").removeprefix("/api/v1")
        entries = entries[:limit]
    if as_json:
        print_json({"path": page["path"], "cluster": page["cluster"], "total": page["total"], "entries": entries})
        return
    if not entries:
        err.print("This folder is empty.")
        return
    table = Table("Name", "Size", "Changed", box=None)
    table.columns[1].justify = "right"
    for entry in entries:
        size = decimal(entry["size"]) if entry["kind"] == "file" else entry["kind"]
        table.add_row(Text(_shown(entry)), size, ago(entry["modified_at"]))
    out.print(table)


def _shown(entry: dict[str, Any]) -> str:
    mark = "/" if entry["kind"] == "folder" else f" → {entry['target']}" if entry["kind"] == "link" else ""
    return "".join(letter if letter.isprintable() else "�" for letter in readable(entry["name"])) + mark


@app.command()
def put(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files of this machine.", exists=True)],
    to: Annotated[str, typer.Argument(metavar="PATH", help="A folder on the clusters, or the file's path there.")],
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Send files. One gets the name it has here if PATH is a folder; several need a folder."""
    if any(not file.is_file() for file in files):
        raise fail("Only files are sent: make folders with `tandem files mkdir`.", Exit.USAGE)
    with connected() as portal:
        into = _is_folder(portal, to)
        if len(files) > 1 and not into:
            raise fail(f"{to} is not a folder: several files need one.", Exit.REFUSED)
        sent = []
        with _progress() as progress:
            for file in files:
                target = _address(to) + (f"/{_quoted(os.fsencode(file.name))}" if into else "")
                sent.append(_send(portal, progress, file, target, force))
    if as_json:
        print_json(sent)


def _send(portal: Portal, progress: Progress, file: Path, target: str, force: bool) -> dict[str, Any]:
    with file.open("rb") as content:
        size = os.fstat(content.fileno()).st_size
        task = progress.add_task(file.name, total=size)

        def pieces() -> Iterator[bytes]:
            left = size
            while left and (piece := content.read(min(PIECE, left))):
                left -= len(piece)
                yield piece
                progress.update(task, advance=len(piece))

        address = f"/files/content?path={target}{'&overwrite=true' if force else ''}"
        try:
            answer = portal.http.put(address, content=pieces(), headers={"Content-Length": str(size)}, timeout=LONG)
        except (httpx.TransportError, httpx.LocalProtocolError) as broken:
            words = f"The connection broke while {file.name} was sent ({broken or type(broken).__name__})"
            raise PortalUnreachableError(f"{words}: look whether it is there, and send it again.") from broken
    if not answer.is_success:
        raise problem_of(answer)
    entry: dict[str, Any] = answer.json()
    return entry


@app.command()
def get(
    path: Remote,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="On this machine: a folder, or the new path.")] = Path(),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a file."""
    target = to / os.fsdecode(_raw(path).rpartition(b"/")[2]) if to.is_dir() else to
    if target.is_dir() or (os.path.lexists(target) and not force):
        raise fail(f"{target} is there already.", Exit.REFUSED)
    with connected() as portal, _progress() as progress:
        size = _fetch(portal, progress, _address(path), target, force)
    if as_json:
        print_json({"file": str(target), "size": size})


def _fetch(portal: Portal, progress: Progress, address: str, target: Path, force: bool) -> int:
    descriptor, name = tempfile.mkstemp(prefix=".tandem-download-", dir=target.parent)
    aside = Path(name)
    try:
        with open(descriptor, "wb") as file, _streamed(portal, address) as answer:
            task = progress.add_task(target.name, total=int(answer.headers.get("Content-Length", 0)))
            for piece in answer.iter_raw():
                file.write(piece)
                progress.update(task, advance=len(piece))
            size = file.tell()
        aside.chmod(0o666 & ~_umask())
        if force:
            aside.replace(target)
        else:
            os.link(aside, target)
    except FileExistsError:
        raise fail(f"{target} is there already.", Exit.REFUSED) from None
    finally:
        aside.unlink(missing_ok=True)
    return size


@contextlib.contextmanager
def _streamed(portal: Portal, address: str) -> Iterator[httpx.Response]:
    try:
        with portal.http.stream("GET", f"/files/content?path={address}", headers=AS_IT_IS, timeout=LONG) as answer:
            if not answer.is_success:
                answer.read()
                raise problem_of(answer)
            yield answer
    except httpx.TransportError as broken:
        words = f"The connection broke while the file was fetched ({broken or type(broken).__name__})"
        raise PortalUnreachableError(f"{words}; nothing of it was kept. Fetch it again.") from broken


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@app.command("mkdir")
def make_folder(path: Remote, as_json: AsJson = False) -> None:
    """Make a folder, in one that exists."""
    with connected() as portal:
        made = portal.post("/files/folder", {"path": text_of(_raw(path))}, repeatable=False)
    if as_json:
        print_json(made)


@app.command("mv")
def move(
    path: Remote,
    to: Annotated[str, typer.Argument(metavar="NEW", help="The new path, or a folder to move it into.")],
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Rename or move a file or a folder, on the same file system."""
    with connected() as portal:
        old, new = _raw(path), _raw(to)
        if _is_folder(portal, to):
            new += b"/" + old.rpartition(b"/")[2]
        body = {"path": text_of(old), "to": text_of(new), "overwrite": force}
        moved = portal.post("/files/rename", body, repeatable=False)
    if as_json:
        print_json(moved)


@app.command("rm")
def remove(
    path: Remote,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="A folder with all that is in it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a folder with content goes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a file, a link itself, or a folder."""
    with connected() as portal:
        if recursive and not yes and sys.stdin.isatty() and _is_folder(portal, path):
            entries = portal.get(f"/files?path={_address(path)}&page_size=1")["total"]
            if entries and not typer.confirm(f"Delete {path} and all {entries:,} entries in it?", err=True):
                raise typer.Exit(Exit.CANCELLED)
        address = f"/files?path={_address(path)}{'&recursive=true' if recursive else ''}"
        deleted = portal.call("DELETE", address, repeatable=False, timeout=LONG).json()
    if as_json:
        print_json(deleted)


def _raw(path: str) -> bytes:
    """The bytes of a path on the clusters."""
    raw = os.fsencode(path)
    if raw == b"~" or raw.startswith((b"/", b"~/")):
        return raw.rstrip(b"/") or b"/"
    return b"~/" + raw.rstrip(b"/")


def _address(path: str) -> str:
    return _quoted(_raw(path))


def _quoted(path: bytes) -> str:
    return quote(text_of(path), safe="/~")


def _is_folder(portal: Portal, path: str) -> bool:
    """Whether there is a folder, or a link to one, at this path."""
    answer = portal.call("GET", f"/files/entry?path={_address(path)}", accept=frozenset({404}))
    if answer.status_code == 404:
        return False
    entry = answer.json()
    return entry["kind"] == "folder" or bool(entry["leads_to_folder"])


def _progress() -> Progress:
    """Bars on stderr, for people only."""
    words = TextColumn("{task.description}", markup=False)
    columns = (words, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal)
