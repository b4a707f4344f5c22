"""The jobs of a drill: of every kind, drawn from a seed, submitted one after the other or some at once."""

import heapq
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tandem.drills.evidence import Evidence
from tandem.drills.portal import Portal
from tandem.drills.promises import Submitted
from tandem.environment import Cluster, Environment


@dataclass(frozen=True)
class Wanted:
    """A job before it is submitted.

    `delay`: it is not to start for so many seconds; `begin`: nor before this time. `cancel_after`: so many
    seconds after it was taken.
    """

    kind: str
    cluster: str = "any"
    elastic: bool = False
    array: str = ""
    tasks: tuple[int, ...] = (0,)
    restartable: bool = False
    delay: int = 0
    begin: str = ""
    seconds: float = 1.0
    code: int = 0
    cancel_after: float | None = None


def draw_jobs(rng: random.Random, environment: Environment, count: int) -> list[Wanted]:
    """So many jobs: single, arrays, restartable, failing, to be cancelled; for any cluster or for a named one."""
    names = [cluster.name for cluster in environment.clusters]
    return [_draw(rng, names) for _ in range(count)]


def _draw(rng: random.Random, names: list[str]) -> Wanted:
    cluster = rng.choice(names) if rng.random() < 0.25 else "any"
    short = round(rng.uniform(0.1, 4.0), 2)
    kind = rng.choices(["single", "array", "restartable", "elastic", "failing", "cancelled"], [46, 12, 18, 10, 7, 7])[0]
    match kind:
        case "array":
            last = rng.randint(1, 4)
            return Wanted(kind, cluster, array=f"0-{last}", tasks=tuple(range(last + 1)), seconds=short)
        case "restartable":
            # Some for so long that they are taken over from a zone that is silent for long.
            seconds = rng.uniform(40.0, 60.0) if rng.random() < 0.3 else rng.uniform(0.5, 12.0)
            return Wanted(kind, cluster, restartable=True, seconds=round(seconds, 2))
        case "elastic":
            return Wanted(kind, cluster, elastic=True, seconds=short)
        case "failing":
            return Wanted(kind, cluster, seconds=short, code=rng.randint(1, 100))
        case "cancelled":
            return Wanted(kind, cluster, seconds=20.0, cancel_after=round(rng.uniform(0.0, 8.0), 2))
    return Wanted(kind, cluster, seconds=short, delay=rng.choice((0, 0, 0, 0, 5, 20)))


@dataclass
class Load:
    """Submits jobs and remembers them. Safe to use from several threads."""

    portal: Portal
    environment: Environment
    evidence: Evidence
    waiting: list[Wanted]
    submitted: dict[str, Submitted] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    _cancels: list[tuple[float, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, seconds: float, stopping: Callable[[], bool]) -> None:
        """Submit what waits, spread over so much time, and cancel what is to be cancelled; returns when all is done."""
        began, total = time.monotonic(), len(self.waiting)
        while not stopping():
            now = time.monotonic()
            self._cancel_due(now)
            with self._lock:
                left = len(self.waiting)
            if not left and not self._cancels:
                return
            if left and total - left <= (now - began) / seconds * total:
                self.submit_next()
            else:
                time.sleep(0.05)

    def burst(self, count: int, cluster: str = "any") -> None:
        """Submit some at once, for this cluster."""
        for _ in range(count):
            self.submit_next(cluster)

    def submit_next(self, cluster: str = "any") -> None:
        """Submit the next one that waits, if any; for this cluster unless it names one."""
        with self._lock:
            if not self.waiting:
                return
            wanted = self.waiting.pop(0)
        self.submit(wanted, cluster)

    def submit(self, wanted: Wanted, cluster: str = "any") -> str:
        """Submit a job; its id. What the portal has taken is expected to be done."""
        key = f"{self.evidence.mark}-{random.getrandbits(64):x}"
        job = self.portal.submit(self._body(wanted, cluster if wanted.cluster == "any" else wanted.cluster), key)
        with self._lock:
            cancelled = wanted.cancel_after is not None
            self.submitted[job] = Submitted(job, wanted.tasks, wanted.restartable, wanted.code, cancelled)
            self.kinds[wanted.kind] = self.kinds.get(wanted.kind, 0) + 1
            if wanted.cancel_after is not None:
                heapq.heappush(self._cancels, (time.monotonic() + wanted.cancel_after, job))
        return job

    def cancel_all(self) -> None:
        """Cancel, now, what is to be cancelled at some time."""
        for job in [one.id for one in self.submitted.values() if one.cancelled]:
            self.portal.cancel(job)

    def _cancel_due(self, now: float) -> None:
        while self._cancels and self._cancels[0][0] <= now:
            with self._lock:
                _, job = heapq.heappop(self._cancels)
            self.portal.cancel(job)

    def _body(self, wanted: Wanted, cluster: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "name": f"{self.evidence.mark}-{wanted.kind}",
            "project": self.evidence.mark,
            "script": self.evidence.payload(wanted.seconds, wanted.code),
            "cluster": cluster,
            "queue": queue_of(self.environment.clusters[0], elastic=wanted.elastic),
            "restartable": wanted.restartable,
        }
        if wanted.array:
            body["array"] = wanted.array
        if wanted.delay or wanted.begin:
            body["additional_options"] = f"--begin={wanted.begin or f'now+{wanted.delay}'}"
        return body


def queue_of(cluster: Cluster, *, elastic: bool) -> str:
    """A queue with elastic nodes, or one whose nodes are always on; any when there is none of the kind."""
    for queue in cluster.queues:
        if (queue.elastic_nodes if elastic else queue.fixed_nodes) > 0:
            return queue.name
    return cluster.queues[0].name
