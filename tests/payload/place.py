"""A place where the wrapper is run as the scheduler would run it, with real processes and short times."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.environment import Failover
from tandem.jobs.control import Claim, Result, parse_claim, parse_result
from tandem.jobs.script import Ticket, batch_script, payload_for
from tandem.jobs.submission import Submission

SUPERSEDED, NOCLAIM, FENCED = 113, 114, 115
TIMES = Failover.model_construct(heartbeat=1, self_fence=3, take_over=5)


def wait_for(ready: Callable[[], Any], what: str, deadline: float = 240.0) -> Any:
    end = time.monotonic() + deadline
    while not (found := ready()):
        assert time.monotonic() < end, f"not within {deadline:.0f} s: {what}"
        time.sleep(0.02)
    return found


@dataclass
class Place:
    """A job's directories, and everything that was started for it."""

    root: Path
    tools: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in (self.control, self.spooler, self.tools, self.temporary):
            path.mkdir()

    @property
    def control(self) -> Path:
        return self.root / "control"

    @property
    def spooler(self) -> Path:
        return self.root / "spooler"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def start(
        self, script: str, cluster: str = "cluster1", task: int | None = None, **fields: Any
    ) -> subprocess.Popen[str]:
        """Start a batch script as the scheduler does: a file, output appended to the spooler's files."""
        submission = Submission(script=f"#!/bin/bash\n{script}\n", array="0-9" if task is not None else "", **fields)
        return self.start_submission(submission, cluster, task)

    def start_submission(
        self, submission: Submission, cluster: str = "cluster1", task: int | None = None
    ) -> subprocess.Popen[str]:
        ticket = Ticket(uuid.uuid4(), uuid.uuid4(), cluster, str(self.control), str(self.spooler))
        text = batch_script(ticket, submission, payload_for(submission), TIMES)
        text = text.replace("tandem_tools=", f"tandem_tools={self.tools}:", 1)
        file = self.root / f"batch-{uuid.uuid4()}"
        file.write_text(text)
        number = "" if task is None else f".{task}"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "TMPDIR": str(self.temporary)}
        environment |= self.environment
        if task is not None:
            environment["SLURM_ARRAY_TASK_ID"] = str(task)
        with (
            (self.spooler / f"output{number}.txt").open("a") as output,
            (self.spooler / f"error{number}.txt").open("a") as error,
        ):
            process = subprocess.Popen(
                ["/bin/dash", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=error,
                cwd=self.spooler,
                env=environment,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def output(self) -> str:
        return (self.spooler / "output.txt").read_text()

    def errors(self) -> str:
        return (self.spooler / "error.txt").read_text()

    def claim(self, number: int = 0, task: int = 0) -> Claim:
        return parse_claim(number, str((self.control / f"claim.{task}.{number}").readlink()))

    def result(self, number: int = 0, task: int = 0) -> Result | None:
        path = self.control / f"result.{task}.{number}"
        return parse_result(path.read_text().rstrip("\n")) if path.exists() else None

    def heartbeat(self, number: int = 0) -> str:
        path = self.control / f"hb.0.{number}"
        return path.read_text() if path.exists() else ""

    def processes(self) -> list[int]:
        """Everything that still runs for this place: its wrappers and their payloads, wherever they went."""
        found = []
        mark = str(self.root).encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "cmdline").read_bytes() or mark in (entry / "environ").read_bytes():
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                    if state != "Z":
                        found.append(int(entry.name))
            except (OSError, IndexError):
                continue
        return found

    def clean_up(self) -> None:
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.started:
            process.wait(10)


def fake_tool(place: Place, name: str, script: str) -> None:
    path = place.tools / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
