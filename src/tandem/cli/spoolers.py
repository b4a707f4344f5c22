"""`tandem spooler …`: list, show, rename, keep, extend, rm, get."""

import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from tandem.cli import times
from tandem.cli.client import Portal
from tandem.cli.connection import connected, full_id
from tandem.cli.console import AsJson, Exit, err, fail, out, print_json

app = typer.Typer(name="spooler", help="Look after what jobs left: their files and expiry.", no_args_is_help=True)

# What does not go into the name of a file here.
UNFIT = re.compile(r"[^\w.+-]+")

SpoolerId = Annotated[str, typer.Argument(metavar="SPOOLER", help="A spooler's id, or enough of its beginning.")]


@app.command("list")
def list_spoolers(
    search: Annotated[str | None, typer.Argument(help="Only with these words in its or its job's name.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only with a job in this state; may be repeated.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Only with a job on this cluster.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Only with a job of this queue.")] = None,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only of this person: for administrators.")] = None,
    since: Annotated[str | None, typer.Option(help="Made on this day (2026-11-01) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Made on this day or earlier.")] = None,
    files: Annotated[str | None, typer.Option(help="Only those that expire soon, are kept, or are removed.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="At most so many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List spoolers, the newest first: your own; everybody's for an administrator."""
    states = [word.upper() for word in state or []] or None
    wanted: dict[str, Any] = {"search": search, "state": states, "cluster": cluster, "queue": queue, "files": files}
    wanted |= {"project": project, "owner": owner, "since": since, "until": until}
    with connected() as portal:
        spoolers = list(portal.pages("/spoolers", limit, **wanted))
    if as_json:
        print_json(spoolers)
        return
    if not spoolers:
        err.print("No spoolers. Each job that is submitted has one: tandem job submit EXECUTABLE")
        return
    several = len({spooler["owner"] for spooler in spoolers}) > 1
    table = Table("Spooler", *(["Owner"] if several else []), "Name", "Job", "Made", "Expiry", box=None)
    for spooler in spoolers:
        table.add_row(
            spooler["id"][:8],
            *([Text(spooler["owner"])] if several else []),
            Text(spooler["name"]),
            Text(", ".join(job["state"].lower() for job in spooler["jobs"])),
            times.ago(spooler["created_at"]),
            expiry(spooler),
        )
    out.print(table)


@app.command()
def show(spooler_id: SpoolerId, as_json: AsJson = False) -> None:
    """Show one spooler: its jobs, where it lies, and when it expires."""
    with connected() as portal:
        spooler = portal.get(f"/spoolers/{full_id(portal, spooler_id, 'spooler')}")
    if as_json:
        print_json(spooler)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    rows = {
        "Spooler": spooler["id"],
        "Name": spooler["name"],
        "Owner": spooler["owner"],
        "Path": spooler["path"],
        "Made": times.ago(spooler["created_at"]),
        "Expiry": expiry(spooler),
        "Reason": spooler["detail"],
    }
    for label, value in rows.items():
        if value:
            table.add_row(label, Text(value))
    for job in spooler["jobs"]:
        table.add_row("Job", Text(f"{job['id']} {job['state'].lower()} · {job['name']}"))
    out.print(table)


@app.command()
def rename(
    spooler_id: SpoolerId, name: Annotated[str, typer.Argument(help="Its new name.")], as_json: AsJson = False
) -> None:
    """Give a spooler another name. Its directory keeps its own."""
    change(spooler_id, lambda portal, path: portal.patch(path, {"name": name}), as_json)


@app.command()
def keep(spooler_id: SpoolerId, as_json: AsJson = False) -> None:
    """Keep a spooler for ever. Takes back a deletion that has not begun."""
    change(spooler_id, lambda portal, path: portal.post(f"{path}/keep"), as_json)


@app.command()
def extend(
    spooler_id: SpoolerId,
    days: Annotated[int, typer.Option("--days", "-d", min=1, max=3650, help="So many days from now.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Let a spooler expire later. One that is kept expires again."""
    when = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    change(spooler_id, lambda portal, path: portal.post(f"{path}/extend", {"expires_at": when}), as_json)


@app.command()
def rm(spooler_id: SpoolerId, as_json: AsJson = False) -> None:
    """Delete a spooler's files; refused while its job is not over. They go as soon as a cluster answers."""
    change(spooler_id, lambda portal, path: portal.delete(path), as_json)


@app.command()
def get(
    spooler_id: SpoolerId,
    save: Annotated[
        Path | None, typer.Option("--save", "-o", help="Write to this file; - for standard output. Left out: NAME.zip.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch all files of a spooler as one zip."""
    with connected() as portal:
        spooler = portal.get(f"/spoolers/{full_id(portal, spooler_id, 'spooler')}")
        target = save or Path((UNFIT.sub("_", spooler["name"]).strip("._") or spooler["id"]) + ".zip")
        if save is None and target.exists():
            raise fail(f"{target} is there already: choose another file with --save.", Exit.REFUSED)
        with portal.stream(f"/spoolers/{spooler['id']}/zip") as pieces:
            if target == Path("-"):
                for piece in pieces:
                    sys.stdout.buffer.write(piece)
                return
            size = save_whole(shown(pieces, target.name), target)
    if as_json:
        print_json({"spooler": spooler["id"], "file": str(target), "size": size})
    else:
        out.print(f"{target} ({size:,} bytes)", markup=False)


def save_whole(pieces: Iterator[bytes], target: Path) -> int:
    """Write to `target`, which is there only when all has come; its size."""
    part = target.with_name(f"{target.name}.part")
    size = 0
    try:
        with part.open("wb") as file:
            for piece in pieces:
                size += file.write(piece)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return size


def shown(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The same pieces, counted on the terminal as they come. How many there will be nobody knows."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(name, total=None)
        for piece in pieces:
            progress.advance(task, len(piece))
            yield piece


def change(spooler_id: str, verb: Callable[[Portal, str], Any], as_json: bool) -> None:
    """Do something to a spooler and say how it stands then."""
    with connected() as portal:
        spooler = verb(portal, f"/spoolers/{full_id(portal, spooler_id, 'spooler')}")
    if as_json:
        print_json(spooler)
        return
    out.print(f"{spooler['name']}: {expiry(spooler)}", markup=False)
    if spooler["detail"]:
        err.print(spooler["detail"], markup=False)


def expiry(spooler: dict[str, Any]) -> str:
    """What is to become of it, in words."""
    match spooler["fate"]:
        case "expires":
            return f"expires {times.until(spooler['expires_at'])}"
        case "removed":
            return f"removed {times.ago(spooler['removed_at'])}"
        case "deleting":
            return "to be deleted"
        case "in use":
            return "not before its job has ended"
        case fate:
            return str(fate)
