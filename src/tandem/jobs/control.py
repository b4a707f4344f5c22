"""Control directories from outside: what a job's runs left on the shared file system, read and sealed as its owner.

A *reading* is what one look saw. A job without a reading was not looked at, or could not be read; one with an empty
reading has no claim.
"""

import re
import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Protocol

from tandem.clusters.door import Answer
from tandem.clusters.errors import ClusterRefused
from tandem.jobs.models import Job

JOBS_PER_CALL = 200
SEALS_PER_CALL = 500
DEADLINE = 10.0

_RUN = re.compile(r"run:([a-z0-9-]{1,40}):([0-9a-f-]{36}):([A-Za-z0-9_.\[\]-]{0,60}):([0-9a-f-]{8,60})")
_CLOSED = re.compile(r"closed:([a-z-]{1,40}):([0-9a-f-]{8,60})")
_RESULT = re.compile(r"1 ([0-9a-f-]{8,60}) ([0-9]{1,10}) ([0-9]{1,10}) ([0-9]{1,3}) ([A-Z0-9]{1,10}|-)\t(.*)")


class Door(Protocol):
    """As much of `clusters.door.Door` as is needed here."""

    def run(
        self, user: str, cluster: str, script: str, args: Sequence[str | bytes] = ..., *, deadline: float = ...
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim's text, taken apart. `placement` is None when it is closed: nobody can run under it any more."""

    number: int
    text: str
    nonce: str = ""
    cluster: str = ""
    placement: uuid.UUID | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended, as it wrote itself; `signal` is one that was sent to the wrapper meanwhile."""

    nonce: str
    start: int
    end: int
    code: int
    signal: str
    words: str


@dataclass(slots=True)
class TaskReading:
    """What lies there for one task: its two highest claims, and what these left."""

    claims: dict[int, Claim] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)
    heartbeat: str = ""

    @property
    def highest(self) -> Claim | None:
        """The current claim: the one with the highest number."""
        return self.claims[max(self.claims)] if self.claims else None

    @property
    def run(self) -> Claim | None:
        """The newest claim of a run, whether or not it was closed since."""
        numbers = [number for number, claim in self.claims.items() if claim.placement]
        return self.claims[max(numbers)] if numbers else None

    @property
    def result(self) -> Result | None:
        """The result of the run that holds, or held last, the claim: no other run's counts."""
        run = self.run
        found = self.results.get(run.number) if run else None
        return found if run and found and found.nonce == run.nonce else None

    @property
    def is_closed(self) -> bool:
        """No further run can win a claim."""
        highest = self.highest
        return highest is not None and highest.placement is None

    @property
    def is_cancelled(self) -> bool:
        """Closed because a person wished it."""
        return self.highest is not None and self.highest.why == "cancel"


Reading = dict[int, TaskReading]
# Not to be read: its owner put far more there than runs leave.
FLOODED: Reading = {}


def parse_claim(number: int, text: str) -> Claim:
    """Takes a claim's text apart. One that nobody of ours wrote closes: no wrapper runs under it either."""
    if match := _RUN.fullmatch(text):
        try:
            return Claim(number, text, match[4], match[1], uuid.UUID(match[2]))
        except ValueError:
            pass
    if match := _CLOSED.fullmatch(text):
        return Claim(number, text, match[2], why=match[1])
    return Claim(number, text, why="malformed")


def parse_result(text: str) -> Result | None:
    """Takes a result's line apart; None for what no wrapper wrote."""
    match = _RESULT.fullmatch(text)
    if not match:
        return None
    nonce, start, end, code, signal, words = match.groups()
    lines = ["".join(filter(str.isprintable, line)).strip() for line in words.split("\x1f")]
    return Result(
        nonce, int(start), int(end), int(code), "" if signal == "-" else signal, "\n".join(filter(None, lines))
    )


@cache
def _script(name: str) -> str:
    return resources.files("tandem.payload").joinpath(name).read_text()


def _root(job: Job) -> str:
    return f"/efs/spoolers/{job.owner.username}"


def read_controls(door: Door, cluster: str, jobs: Sequence[tuple[Job, Iterable[int]]]) -> dict[uuid.UUID, Reading]:
    """Look into the control directories of jobs of one owner, in one round trip through `cluster`.

    With each job come the array tasks that need no reading any more. Jobs whose directory was not readable are missing;
    of one that holds far more than it can the reading is `FLOODED`.
    Raises the door's exceptions; ClusterRefused also when the storage is not there.
    """
    by_path = {job.control_path: job for job, _ in jobs}
    args = [_root(jobs[0][0])]
    for job, known in jobs:
        args += [job.control_path, str(job.task_count), ranges(known)]
    answer = door.run(jobs[0][0].owner.username, cluster, _script("read_control.sh"), args, deadline=DEADLINE)
    if answer.status != 0:
        raise ClusterRefused(f"{cluster}: the spoolers' storage is not there")
    readings: dict[uuid.UUID, Reading] = {}
    reading: Reading = {}
    job_id: uuid.UUID | None = None
    for line in answer.stdout.decode("utf-8", "replace").split("\n"):
        kind, _, rest = line.partition("\t")
        if kind == "dir":
            found = by_path.get(rest)
            job_id, reading = found.id if found else None, {}
        elif kind == "end" and job_id is not None:
            readings[job_id] = reading
        elif kind == "flooded" and job_id is not None:
            readings[job_id] = FLOODED
        elif kind in ("claim", "hb", "result"):
            _take_in(reading, job_id, kind, rest)
    return readings


def _take_in(reading: Reading, job_id: uuid.UUID | None, kind: str, rest: str) -> None:
    task_text, _, rest = rest.partition("\t")
    number_text, _, text = rest.partition("\t")
    if len(task_text) > 9 or len(number_text) > 9:  # no wrapper counts that far
        return
    task, number = reading.setdefault(int(task_text), TaskReading()), int(number_text)
    if kind == "claim":
        claim = parse_claim(number, text)
        if claim.placement and claim.placement.hex[:16] != (job_id or claim.placement).hex[:16]:
            claim = Claim(number, text, why="malformed")  # another job's placement, or nobody's, never runs this one
        task.claims[number] = claim
    elif kind == "hb":
        task.heartbeat = f"{number} {text}"[:120]
    elif result := parse_result(text):
        task.results[number] = result


def seal(door: Door, cluster: str, job: Job, why: str, numbers: dict[int, int]) -> dict[int, Claim]:
    """Try to close tasks of a job: make claim `numbers[task]` of each, saying `why`. One round trip, bounded.

    Answers the claim that then stands there, by task: closed by us or somebody else, or held by a run that was quicker.
    Tasks for which nothing can be said are left out. Raises the door's exceptions.
    """
    chosen = list(numbers.items())[:SEALS_PER_CALL]
    args = [_root(job)]
    for task, number in chosen:
        args += [job.control_path, f"claim.{task}.{number}", f"closed:{why}:{secrets.token_hex(8)}"]
    answer = door.run(job.owner.username, cluster, _script("seal.sh"), args, deadline=DEADLINE)
    if answer.status != 0:
        raise ClusterRefused(f"{cluster}: the spoolers' storage is not there")
    texts = answer.stdout.decode("utf-8", "replace").split("\n")
    return {task: parse_claim(number, text) for (task, number), text in zip(chosen, texts, strict=False) if text}


def ranges(numbers: Iterable[int]) -> str:
    """`0-99,101` for sorted or unsorted numbers; empty for none."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
