"""Round trips to a cluster, several at once, of which nobody's hold up the others'.

How long a round trip takes is partly in the hands of the person that it is made for: a login shell may sleep. So one
that takes long gives its place to others, and its owner's next ones have places of their own for a while.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

AT_ONCE = 6
PATIENCE = 3.0
LATE_FOR = 60.0
THREADS = 24
Cargo = TypeVar("Cargo")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Flight(Generic[Cargo]):
    """A round trip under way. `is_late`: it counts for nobody's turn."""

    owner: int
    cargo: Cargo
    began: float
    is_late: bool


@dataclass(slots=True)
class Flights(Generic[Cargo, Found]):
    """Carries things out, each on a thread, in turn; what came of them is taken by `land`."""

    carry: Callable[[Cargo], Found]
    name: str
    _waiting: deque[tuple[int, Cargo]] = field(default_factory=deque)
    _under_way: dict[Future[Found], Flight[Cargo]] = field(default_factory=dict)
    _late_until: dict[int, float] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix=self.name)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    @property
    def has_room(self) -> bool:
        """Whether more may be taken on: what waits for an owner who is late keeps nobody else from it."""
        waiting = sum(not self.is_late(owner) for owner, _ in self._waiting)
        return waiting + self._prompt() <= AT_ONCE

    @property
    def owners(self) -> set[int]:
        """For whom something waits or is under way."""
        return {owner for owner, _ in self._waiting} | {flight.owner for flight in self._under_way.values()}

    def is_late(self, owner: int) -> bool:
        """Whether something took long that was done for this person a short while ago."""
        return self._late_until.get(owner, 0.0) > time.monotonic()

    def add(self, owner: int, cargo: Cargo) -> None:
        """Send this as soon as there is a place."""
        self._waiting.append((owner, cargo))
        self._start()

    def land(self, seconds: float) -> list[tuple[Future[Found], Cargo]]:
        """What has come back, waiting at most so long for the first."""
        self._start()
        done, _ = wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED)
        return [(future, self._under_way.pop(future).cargo) for future in done]

    def close(self, seconds: float) -> Iterator[tuple[Future[Found], Cargo]]:
        """What still comes back within so long, and no more."""
        until = time.monotonic() + seconds
        while self and time.monotonic() < until:
            yield from self.land(until - time.monotonic())
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        self._note_overdue()
        for _ in range(len(self._waiting)):
            owner, cargo = self._waiting.popleft()
            is_late = self.is_late(owner)
            if len(self._under_way) < THREADS and (is_late or self._prompt() < AT_ONCE):
                flight = Flight(owner, cargo, time.monotonic(), is_late)
                self._under_way[self._pool.submit(self.carry, cargo)] = flight
            else:
                self._waiting.append((owner, cargo))

    def _prompt(self) -> int:
        return sum(not flight.is_late for flight in self._under_way.values())

    def _note_overdue(self) -> None:
        overdue = time.monotonic() - PATIENCE
        for future, flight in self._under_way.items():
            if not flight.is_late and flight.began <= overdue and not future.done():
                self._under_way[future] = Flight(flight.owner, flight.cargo, flight.began, is_late=True)
                self._note_late(flight.owner)

    def _note_late(self, owner: int) -> None:
        log.warning("what is done for somebody takes long: others go first for a while", owner=owner, what=self.name)
        self._late_until[owner] = time.monotonic() + LATE_FOR
