"""`tandem job output`: what a job has written, as it stands or as it grows."""

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.client import Portal
from tandem.cli.connection import connected, full_id
from tandem.cli.console import AsJson, Exit, err, fail, out, print_json
from tandem.cli.times import ago
from tandem.jobs.file_names import readable, text_of
from tandem.rules import FINAL_STATES

SPAN = re.compile(r"bytes (?P<first>\d+)-(?P<last>\d+)/")
# 404: not there yet. 416: nothing beyond what we have.
NOT_THERE = 404
NOTHING_NEW = frozenset({NOT_THERE, 416})


def output(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or enough of its beginning.")],
    file: Annotated[str | None, typer.Argument(help="A file of the spooler; left out: the standard output.")] = None,
    listing: Annotated[bool, typer.Option("--list", "-l", help="List the files instead.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    tail: Annotated[
        int | None, typer.Option(min=1, metavar="BYTES", help="Begin so many bytes before the end.")
    ] = None,
    error: Annotated[bool, typer.Option("--error", "-e", help="The standard error instead.")] = False,
    task: Annotated[int | None, typer.Option("--task", "-t", min=0, help="Of this task of an array.")] = None,
    save: Annotated[Path | None, typer.Option("--save", "-o", help="Write to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a job has written: its standard output, or any file of its spooler."""
    if as_json and (follow or save):
        raise fail("--json goes with neither --follow nor --save.", Exit.USAGE)
    with connected() as portal:
        job = full_id(portal, job_id)
        if listing:
            files = portal.pages(f"/jobs/{job}/outputs", sys.maxsize, cursor_name="after", page_size=2000)
            show_files(list(files), as_json)
            return
        name = typed(file) or stream_name(portal.get(f"/jobs/{job}"), "error" if error else "output", task)
        growth = Growth(portal, f"/jobs/{job}/outputs/{quote(name)}", tail)
        if as_json:
            content = b"".join(growth.now())
            print_json({"job": job, "file": name, "content": content.decode(errors="replace")})
            return
        target = save.open("wb") if save else sys.stdout.buffer
        try:
            for piece in growth.until_end(job) if follow else growth.now():
                target.write(piece)
                target.flush()
        finally:
            if save:
                target.close()


def typed(name: str | None) -> str:
    """A file's name as the portal writes it, where the shell handed over one that is not UTF-8."""
    try:
        (name or "").encode()
    except UnicodeEncodeError:
        return text_of(os.fsencode(name or ""))
    return name or ""


def stream_name(job: dict[str, Any], stream: str, task: int | None) -> str:
    """The file that a job's standard output or error goes into; each task of an array has its own."""
    if not job["array"]:
        return f"{stream}.txt"
    if task is None:
        raise fail(f"This is an array ({job['array']}): choose one of its tasks with --task.", Exit.USAGE)
    return f"{stream}.{task}.txt"


class Growth:
    """A file of a job, read piece by piece from where the last piece ended."""

    def __init__(self, portal: Portal, path: str, tail: int | None) -> None:
        self.portal = portal
        self.path = path
        self.wanted = f"-{tail}" if tail else "0-"
        self.reached = 0
        self.file = ""

    def piece(self, accept: frozenset[int]) -> bytes:
        """The next piece; empty when there is nothing new."""
        answer = self.portal.call(
            "GET", self.path, headers={"Range": f"bytes={self.wanted}", "Accept": "*/*"}, accept=accept
        )
        if answer.status_code != NOT_THERE and self._is_another(answer):
            err.print("The file was begun anew: what follows is the new one, from its start.", style="yellow")
            self.wanted, self.reached = "0-", 0
            return self.piece(accept)
        if answer.status_code in NOTHING_NEW:
            return b""
        span = SPAN.match(answer.headers.get("Content-Range", ""))
        self.reached = int(span["last"]) + 1 if span else len(answer.content)
        self.wanted = f"{self.reached}-"
        return answer.content

    def _is_another(self, answer: httpx.Response) -> bool:
        """Whether this is no longer the file that was read before: a later attempt's, or one that was cut off."""
        before, self.file = self.file, answer.headers.get("Tandem-File", self.file)
        size = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return before not in ("", self.file) or (size.isdigit() and int(size) < self.reached)

    def now(self) -> Iterator[bytes]:
        """All that the file holds now. PortalError if there is no such file."""
        while piece := self.piece(frozenset({416})):
            yield piece

    def until_end(self, job: str) -> Iterator[bytes]:
        """The same, and what is added to it until the job has ended."""
        pause = 0.3
        ended = False
        while True:
            if piece := self.piece(NOTHING_NEW):
                yield piece
                pause = 0.3
            elif ended:
                return
            else:
                # What was written before the end was seen is still to be read: look once more after seeing it.
                ended = self.portal.get(f"/jobs/{job}")["state"] in FINAL_STATES
                time.sleep(0 if ended else pause)
                pause = min(pause * 1.5, 3.0)


def show_files(files: list[dict[str, Any]], as_json: bool) -> None:
    """The files of a spooler, as a table."""
    if as_json:
        print_json(files)
        return
    if not files:
        err.print("Nothing has been written yet.")
        return
    table = Table("File", "Size", "Changed", box=None)
    table.columns[1].justify = "right"
    for file in files:
        table.add_row(Text(readable(file["path"])), f"{file['size']:,}", ago(file["modified_at"]))
    out.print(table)
