"""Processes of zones, found by what the kernel says of them and not by PID files."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# The place that is no zone.
CORE = "core"
# What an init is before and after it has built its root.
_INIT_MODULES = (b"tandem.local.init", b"supervisor.supervisord")


class NotRunningError(Exception):
    """There is no such zone, host or service running."""


def identifier(environment: str, place: str) -> str:
    """How the init of `place` (a zone or `core`) is called in the list of processes."""
    return f"{environment}/{place}"


@dataclass(frozen=True)
class Init:
    """The first process of a zone or of the core, by its number on the machine."""

    environment: str
    place: str
    pid: int

    @property
    def root(self) -> Path:
        """Its root directory, as the machine can reach it."""
        return PROC / str(self.pid) / "root"


def numbers() -> list[int]:
    """All processes of this machine."""
    with os.scandir(PROC) as entries:
        return [int(entry.name) for entry in entries if entry.name.isdigit()]


def inits(environment: str | None = None) -> Iterator[Init]:
    """All inits that are running, of one environment or of all."""
    own = (PROC / "self/ns/pid").stat().st_ino
    for pid in numbers():
        try:
            words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
            if not words[2:3] or words[2] not in _INIT_MODULES or b"-i" not in words:
                continue
            status = (PROC / str(pid) / "status").read_text()
            namespace = (PROC / str(pid) / "ns/pid").stat().st_ino
        except OSError:
            continue  # it ended meanwhile
        inner = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
        name, _, place = words[words.index(b"-i") + 1].decode().partition("/")
        if inner == "1" and namespace != own and place and environment in (None, name):
            yield Init(name, place, pid)


def find_init(environment: str, place: str) -> Init | None:
    """The init of a zone or of the core, if it runs."""
    return next((init for init in inits(environment) if init.place == place), None)


def require_init(environment: str, place: str) -> Init:
    """The init of a zone or of the core. Raises NotRunningError."""
    if init := find_init(environment, place):
        return init
    raise NotRunningError(f"{place} of the environment {environment!r} is not running")


def parents() -> dict[int, int]:
    """Every process's parent."""
    found = {}
    for pid in numbers():
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[pid] = int(fields[1])
    return found


def children(pid: int) -> list[int]:
    """The children of a process."""
    return [child for child, parent in parents().items() if parent == pid]


def descendants(pid: int) -> set[int]:
    """A process and all below it. Orphans inside a zone belong to its init, so for an init this is the whole zone."""
    by_parent: dict[int, list[int]] = {}
    for child, parent in parents().items():
        by_parent.setdefault(parent, []).append(child)
    found, waiting = {pid}, [pid]
    while waiting:
        for child in by_parent.get(waiting.pop(), []):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def outer_number(init: Init, inner: int) -> int | None:
    """The number on the machine of a child of this init that has the number `inner` in the init's own namespace."""
    for pid in children(init.pid):
        try:
            status = (PROC / str(pid) / "status").read_text()
        except OSError:
            continue
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if int(numbers[-1]) == inner:
            return pid
    return None


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def gone(pid: int, deadline: float = 10) -> bool:
    """Wait until a process has ended. False when it has not within the deadline."""
    end = time.monotonic() + deadline
    while (PROC / str(pid)).exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def kill(pid: int) -> None:
    """SIGKILL, and wait until it is gone. An init takes all in its namespaces along."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    if not gone(pid):
        raise TimeoutError(f"process {pid} does not end")


def send_all(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all below it, until no new ones appear meanwhile."""
    done: set[int] = set()
    while fresh := descendants(pid) - done:
        for one in fresh:
            try:
                os.kill(one, number)
            except ProcessLookupError:
                continue
        done |= fresh
