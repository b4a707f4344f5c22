"""The moments in which a failure hurts most, watched for so that a fault can strike in them.

The first shows among the processes of the cluster's zone: `sbatch` runs there. The others show on the machine's side of
the shared file system: a claim is made just before the payload starts, and a payload writes its last line just before
its result is written.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tandem.drills.evidence import Evidence
from tandem.environment import Environment
from tandem.local.layout import Layout
from tandem.local.processes import PROC, Init, find_init, numbers
from tandem.local.state import State

SENDING, STARTING, ENDING = "between sbatch and its reply", "between claim and start", "between end and result"
WINDOWS = (SENDING, STARTING, ENDING)
LOOK_EVERY = 0.001
LIST_EVERY = 0.1
# Jobs beyond these have long been claimed.
NEWEST = 60
# A process becomes another program soon after it was forked, or never.
YOUNG = 0.5


@dataclass
class Arrivals:
    """Finds a program that has just been started in a zone: cheap enough to be asked hundreds of times a second."""

    init: Init
    _seen: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._namespace = (PROC / str(self.init.pid) / "ns/pid").stat().st_ino

    def find(self, program: str) -> int | None:
        """The number on this machine of a process of this program there."""
        now = time.monotonic()
        self._seen = {pid: self._seen.get(pid, now) for pid in numbers()}
        return next((pid for pid, since in self._seen.items() if now - since < YOUNG and self._is(pid, program)), None)

    def _is(self, pid: int, program: str) -> bool:
        try:
            is_it = (PROC / str(pid) / "comm").read_text().strip() == program
            return is_it and (PROC / str(pid) / "ns/pid").stat().st_ino == self._namespace
        except OSError:
            return False  # it ended meanwhile


@dataclass
class Windows:
    """The windows of one environment's jobs."""

    environment: Environment
    evidence: Evidence
    _stamps: dict[Path, int] = field(default_factory=dict)

    def wait(self, window: str, cluster: str, deadline: float, stopping: Callable[[], bool]) -> bool:
        """Return as soon as a job of this cluster is in the window; False when none is before the deadline."""
        end = time.monotonic() + deadline
        if window == SENDING:
            return self._wait_for_sbatch(cluster, end, stopping)
        look = {STARTING: self._starting, ENDING: self._ending}[window]
        self._stamps = {}
        paths, listed = self._paths(window), time.monotonic()
        while time.monotonic() < end and not stopping():
            if time.monotonic() - listed > LIST_EVERY:
                paths, listed = self._paths(window), time.monotonic()
            for path in paths:
                if self._has_changed(path) and look(path, cluster):
                    return True
            time.sleep(LOOK_EVERY)
        return False

    def _wait_for_sbatch(self, cluster: str, end: float, stopping: Callable[[], bool]) -> bool:
        zone = next(head.zone for head in Layout(self.environment).heads if head.cluster.name == cluster)
        init = find_init(self.environment.name, zone)
        if init is None:
            return False
        arrivals = Arrivals(init)
        while time.monotonic() < end and not stopping():
            if arrivals.find("sbatch") is not None:
                return True
            time.sleep(LOOK_EVERY)
        return False

    def _paths(self, window: str) -> list[Path]:
        name = self.environment.administrator.name
        control = State(self.environment.name).efs / "spoolers" / name / ".tandem"
        directories = [control] if window == STARTING else list(self.evidence.scratch.values())
        found = []
        for directory in directories:
            if directory.is_dir():
                with os.scandir(directory) as entries:
                    found += [(entry.stat().st_mtime_ns, entry.path) for entry in entries]
        return [Path(path) for _, path in sorted(found, reverse=True)[:NEWEST]]

    def _has_changed(self, path: Path) -> bool:
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            return False
        before = self._stamps.get(path)
        self._stamps[path] = stamp
        return before is not None and stamp != before

    def _starting(self, path: Path, cluster: str) -> bool:
        claims = [entry for entry in path.iterdir() if entry.name.startswith("claim.")]
        newest = max(claims, key=lambda claim: claim.lstat().st_mtime_ns, default=None)
        if newest is None or time.time() - newest.lstat().st_mtime > 0.1:
            return False
        return str(newest.readlink()).startswith(f"run:{cluster}:")

    def _ending(self, path: Path, cluster: str) -> bool:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 300))
            last = stream.read().decode().rstrip("\n").rpartition("\n")[2].split(" ")
        return last[0] == "end" and last[3] == cluster
