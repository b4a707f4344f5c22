"""What payloads write down about themselves, and reading it.

A line for each thing that happens, in one write: start, tick (it lives still), end. Each goes to a file of the task's
own on the file system that all clusters share, and before that to the cluster's scratch, which goes on when the shared
one hangs: so no start stays unseen, and what lives on is seen to live on.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tandem.environment import Environment
from tandem.local.layout import Layout
from tandem.local.state import State, ensure_directory

TICK = 0.5
PAYLOAD = r"""#!/bin/bash
read -r run < /proc/sys/kernel/random/uuid
case $TANDEM_CLUSTER in
@scratch@
esac
file=$TANDEM_JOB_ID.$TANDEM_TASK
say() {
  local line="$1 ${EPOCHREALTIME/[.,]/} $run $TANDEM_CLUSTER $HOSTNAME $TANDEM_ATTEMPT ${2:--}"
  echo "$line" >> "$scratch/$file"
  [ "$1" = tick ] || echo "$line" >> "@shared@/$file"
}
say start
exec 9<> <(:)
(while :; do read -rt @tick@ -u 9; say tick; done) &
read -rt @seconds@ -u 9
# What has said its end has ended so, whatever signal comes now.
trap '' TERM
say end @code@
exit @code@
"""


@dataclass
class Run:
    """One start of a task's payload. Times in seconds since the epoch: one machine, one clock."""

    id: str
    cluster: str
    attempt: int
    times: list[float] = field(default_factory=list)
    started: float | None = None
    ended: float | None = None
    code: int | None = None
    # When the result of this attempt was written to the shared disk.
    result_at: float | None = None

    @property
    def first(self) -> float:
        """When it was first seen."""
        return min(self.times)

    @property
    def last(self) -> float:
        """When it was last seen."""
        return max(self.times)


class Evidence:
    """The evidence of one drill, under a mark of its own."""

    def __init__(self, environment: Environment, mark: str) -> None:
        self.environment = environment
        self.mark = mark
        state, person = State(environment.name), environment.administrator
        self._person = person
        self.shared = state.efs / "home" / person.name / mark
        self._control = state.efs / "spoolers" / person.name / ".tandem"
        self.scratch = {one.name: state.scratch(one.name) / person.name / mark for one in environment.clusters}

    def prepare(self) -> None:
        """Make the directories."""
        for directory in (self.shared, *self.scratch.values()):
            ensure_directory(directory, 0o755, self._person.uid)

    def payload(self, seconds: float, code: int) -> str:
        """The script of a job that runs for so long and ends with this exit code."""
        own = f"{self._person.name}/{self.mark}"
        heads = Layout(self.environment).heads
        values = {
            "scratch": "\n".join(f"  {head.cluster.name}) scratch={head.scratch}/{own} ;;" for head in heads),
            "shared": f"{self.environment.storage.shared.path}/home/{own}",
            "tick": TICK,
            "seconds": f"{seconds:.2f}",
            "code": code,
        }
        text = PAYLOAD
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def runs(self) -> dict[tuple[str, int], list[Run]]:
        """All runs by job and task, in the order of their starts."""
        found = read_runs([self.shared, *self.scratch.values()])
        for (job, task), runs in found.items():
            for run in runs:
                with suppress(FileNotFoundError):
                    run.result_at = (self._control / job / f"result.{task}.{run.attempt}").stat().st_mtime
        return found


def read_runs(directories: Iterable[Path]) -> dict[tuple[str, int], list[Run]]:
    """The runs that the files in these directories tell of."""
    found: dict[tuple[str, int], dict[str, Run]] = {}
    for directory in directories:
        for entry in os.scandir(directory):
            job, _, task = entry.name.rpartition(".")
            for line in Path(entry.path).read_text().split("\n")[:-1]:
                _add(found.setdefault((job, int(task)), {}), line)
    return {key: sorted(runs.values(), key=lambda run: run.first) for key, runs in found.items()}


def _add(runs: dict[str, Run], line: str) -> None:
    what, time, number, cluster, _, attempt, code = line.split(" ")
    run = runs.setdefault(number, Run(number, cluster, int(attempt)))
    at = int(time) / 1e6
    run.times.append(at)
    if what == "start":
        run.started = at
    elif what == "end":
        run.ended, run.code = at, int(code)
