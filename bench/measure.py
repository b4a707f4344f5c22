"""Numbers: how long something took, several times, and what of it is worth a line."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A line of the results: what Tandem took, what stands beside it, and how they compare."""

    what: str
    tandem: str
    beside: str = ""
    ratio: float | None = None
    target: str = ""

    def line(self) -> str:
        """As a line of a Markdown table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return f"| {self.what} | {self.tandem} | {self.beside} | {ratio} | {self.target} |"


class Stopwatch:
    """Seconds since it was made, or until it was stopped."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._end: float | None = None

    def stop(self) -> None:
        """Keep the time as it is now."""
        self._end = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time so far, or when it was stopped."""
        return (time.perf_counter() if self._end is None else self._end) - self._begin


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Time a block."""
    watch = Stopwatch()
    try:
        yield watch
    finally:
        watch.stop()


def seconds_of(work: Callable[[], object]) -> float:
    """How long `work` takes, once."""
    with timed() as watch:
        work()
    return watch.seconds


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def milliseconds(seconds: Sequence[float]) -> str:
    """Median and 95th percentile of many times."""
    ordered = sorted(seconds)
    return f"{1000 * median(ordered):.1f} ms (p95 {1000 * ordered[int(0.95 * (len(ordered) - 1))]:.1f})"
