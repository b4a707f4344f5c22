"""The shared file system, in memory: one truth at the server, and what each zone sees of it.

A zone sees its own writes at once and another zone's up to `lag` seconds later, never less than it saw before. A link
is created at the server, exclusively. What a zone wrote while it was cut off arrives later or never.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tandem.clusters.channel import Answer
from tandem.jobs import control


@dataclass(frozen=True, slots=True)
class Version:
    """What a file held from some moment on."""

    at: float
    zone: str
    text: str


@dataclass(slots=True)
class SharedFiles:
    """Control directories. `clock` is the world's."""

    clock: Callable[[], float]
    directories: dict[str, dict[str, list[Version]]] = field(default_factory=dict)
    lag: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    unreadable: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _seen_until: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    # What runs and doors do

    def make_directory(self, path: str) -> None:
        self.directories.setdefault(path, {})

    def link(self, zone: str, path: str, name: str, text: str) -> bool:
        """`ln -sT`: False when it is there already, or the directory is not."""
        directory = self.directories.get(path)
        if directory is None or name in directory:
            return False
        directory[name] = [Version(self.clock(), zone, text)]
        return True

    def write(self, zone: str, path: str, name: str, text: str) -> bool:
        directory = self.directories.get(path)
        if directory is None:
            return False
        directory.setdefault(name, []).append(Version(self.clock(), zone, text))
        return True

    def read(self, zone: str, path: str, name: str) -> str:
        """What the zone sees there; empty for nothing."""
        horizon = self._horizon(zone)
        for version in reversed(self.directories.get(path, {}).get(name, [])):
            if version.zone == zone or version.at <= horizon:
                return version.text
        return ""

    def read_after_conflict(self, zone: str, path: str, name: str) -> str:
        """What is read where creating has just failed: the server was asked, so nothing is stale; it may fail."""
        if self.unreadable[zone]:
            self.unreadable[zone] -= 1
            return ""
        return self.truth(path, name)

    def truth(self, path: str, name: str) -> str:
        versions = self.directories.get(path, {}).get(name)
        return versions[-1].text if versions else ""

    def names(self, zone: str, path: str) -> list[str]:
        return [name for name in self.directories.get(path, {}) if self.read(zone, path, name)]

    def _horizon(self, zone: str) -> float:
        self._seen_until[zone] = max(self._seen_until[zone], self.clock() - self.lag[zone])
        return self._seen_until[zone]

    # What payload/read_control.sh and payload/seal.sh do

    def carry_out(self, zone: str, script: str, args: Sequence[str]) -> Answer:
        if script == control._script("read_control.sh"):
            return Answer(self._read_control(zone, args[1:]).encode(), b"", 0)
        assert script == control._script("seal.sh")
        return Answer(self._seal(zone, args[1:]).encode(), b"", 0)

    def _read_control(self, zone: str, args: Sequence[str]) -> str:
        lines = []
        for path, skipped in zip(args[::3], args[2::3], strict=True):
            lines.append(f"dir\t{path}")
            known = _numbers(skipped)
            there: dict[tuple[int, str], list[int]] = defaultdict(list)
            for name in self.names(zone, path):
                kind, task, number = name.split(".")
                if int(task) not in known:
                    there[int(task), kind].append(int(number))
            for task in {task for task, kind in there if kind == "claim"}:
                claims = sorted(there[task, "claim"])[-2:]
                beats = [number for number in claims if number in there[task, "hb"]][-1:]
                results = [number for number in claims if number in there[task, "result"]]
                for kind, numbers in (("claim", claims), ("result", results), ("hb", beats)):
                    for number in numbers:
                        text = self.read(zone, path, f"{kind}.{task}.{number}")
                        lines.append(f"{kind}\t{task}\t{number}\t{text}")
            lines.append("end")
        return "\n".join(lines) + "\n"

    def _seal(self, zone: str, args: Sequence[str]) -> str:
        lines = []
        for path, name, text in zip(args[::3], args[1::3], args[2::3], strict=True):
            self.make_directory(path)
            self.link(zone, path, name, text)
            lines.append(self.truth(path, name))
        return "\n".join(lines) + "\n"


def _numbers(ranges: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found
