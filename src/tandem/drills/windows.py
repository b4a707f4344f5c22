"""The moments in which a failure hurts most, watched for so that a fault can strike in them.

All three show on the machine's side of the shared file system: a job's control directory is made just before `sbatch`
is called, a claim just before the payload starts, and a payload's last line just before the result is written.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tandem.drills.evidence import Evidence
from tandem.environment import Environment
from tandem.local.state import State

SENDING, STARTING, ENDING = "between sbatch and its reply", "between claim and start", "between end and result"
WINDOWS = (SENDING, STARTING, ENDING)
LOOK_EVERY = 0.001
LIST_EVERY = 0.1
# Jobs beyond these have long been claimed.
NEWEST = 60


@dataclass
class Windows:
    """The windows of one environment's jobs."""

    environment: Environment
    evidence: Evidence
    _stamps: dict[Path, int] = field(default_factory=dict)

    def wait(self, window: str, cluster: str, deadline: float, stopping: Callable[[], bool]) -> bool:
        """Return as soon as a job of this cluster is in the window; False when none is before the deadline."""
        looks = {SENDING: self._sending, STARTING: self._starting, ENDING: self._ending}
        look, end, self._stamps = looks[window], time.monotonic() + deadline, {}
        paths, listed = self._paths(window), time.monotonic()
        while time.monotonic() < end and not stopping():
            if time.monotonic() - listed > LIST_EVERY:
                paths, listed = self._paths(window), time.monotonic()
            for path in paths:
                if self._has_changed(path) and look(path, cluster):
                    return True
            time.sleep(LOOK_EVERY)
        return False

    @property
    def _control(self) -> Path:
        name = self.environment.administrator.name
        return State(self.environment.name).efs / "spoolers" / name / ".tandem"

    def _paths(self, window: str) -> list[Path]:
        if window == SENDING:
            return [self._control]
        directories = [self._control] if window == STARTING else list(self.evidence.scratch.values())
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

    def _sending(self, path: Path, cluster: str) -> bool:
        return True

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
