"""Reading the control directories of many people's jobs in one pass, with nobody holding up the others.

What lies in a control directory, and what a login shell does first, is its owner's to decide; so is how long reading
it takes. An owner who is *late* is no longer waited for: what comes of it is used in a later pass, as of its beginning.
"""

import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from tandem.jobs.cases import JobCase
from tandem.jobs.control import JOBS_PER_CALL, Reading
from tandem.jobs.models import Job

log = structlog.get_logger()

AT_ONCE = 4
PATIENCE = 2.0
LATE_FOR = 60.0
THREADS = 32

# Jobs of one owner, each with the array tasks that need no reading any more.
Wanted = list[tuple[Job, Sequence[int]]]


@dataclass(frozen=True, slots=True)
class Read:
    """What lay in a control directory, and a time at which reading it had not begun yet."""

    reading: Reading
    looked_at: datetime


@dataclass(slots=True)
class Look:
    """An owner's directories being read."""

    answer: Future[dict[uuid.UUID, Reading]]
    looked_at: datetime
    began: float


@dataclass(slots=True)
class ControlReader:
    """Reads with `look`, which gets jobs of one owner at a time. Of each owner at most one look is under way."""

    look: Callable[[Wanted], dict[uuid.UUID, Reading]]
    cluster: str
    _looks: dict[int, Look] = field(default_factory=dict)
    _late_until: dict[int, float] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix=f"read-{self.cluster}")

    def read(self, cases: Sequence[JobCase], looked_at: datetime) -> dict[uuid.UUID, Read]:
        """Control directories by job: an owner's in one round trip for so many jobs, a few owners at a time.

        Jobs that could not be read, or not in time, are missing. `looked_at` is now, by the database's clock.
        """
        found: dict[uuid.UUID, Read] = {}
        self._take_answers(list(self._looks), found)
        waiting: deque[tuple[int, Wanted]] = deque()
        for owner, wanted in _by_owner(cases).items():
            if owner in self._looks:
                continue
            if self._late_until.get(owner, 0.0) > time.monotonic():
                self._begin(owner, wanted, looked_at)
            else:
                waiting.append((owner, wanted))
        prompt: set[int] = set()
        while waiting or prompt:
            while waiting and len(prompt) < AT_ONCE:
                owner, wanted = waiting.popleft()
                self._begin(owner, wanted, looked_at)
                prompt.add(owner)
            first = min(self._looks[owner].began for owner in prompt)
            left = max(first + PATIENCE - time.monotonic(), 0.0)
            wait([self._looks[owner].answer for owner in prompt], timeout=left, return_when=FIRST_COMPLETED)
            prompt -= self._take_answers(list(prompt), found) | self._give_up(prompt)
        return found

    def _begin(self, owner: int, wanted: Wanted, looked_at: datetime) -> None:
        self._looks[owner] = Look(self._pool.submit(self._look, wanted), looked_at, time.monotonic())

    def _take_answers(self, owners: Sequence[int], found: dict[uuid.UUID, Read]) -> set[int]:
        """Take what has come of these owners' looks; answers whose are over."""
        over = {owner for owner in owners if self._looks[owner].answer.done()}
        for owner in over:
            look = self._looks.pop(owner)
            found |= {job: Read(reading, look.looked_at) for job, reading in look.answer.result().items()}
        return over

    def _give_up(self, owners: set[int]) -> set[int]:
        """Stop waiting for those who are late."""
        now = time.monotonic()
        late = {owner for owner in owners if owner in self._looks and self._looks[owner].began + PATIENCE <= now}
        for owner in late:
            log.warning("reading somebody's control directories takes long", owner=owner, cluster=self.cluster)
            self._late_until[owner] = now + LATE_FOR
        return late

    def _look(self, wanted: Wanted) -> dict[uuid.UUID, Reading]:
        # Runs beside others, on a thread of the pool: no database here.
        readings: dict[uuid.UUID, Reading] = {}
        for start in range(0, len(wanted), JOBS_PER_CALL):
            some = wanted[start : start + JOBS_PER_CALL]
            try:
                readings |= self.look(some)
            except Exception:  # what one owner put there must not keep all others' jobs from being followed
                log.exception("control directories could not be read", owner=some[0][0].owner.username)
        return readings


def _by_owner(cases: Sequence[JobCase]) -> dict[int, Wanted]:
    found: dict[int, Wanted] = defaultdict(list)
    for case in cases:
        known = [index for index, task in case.tasks.items() if task.is_over]
        found[case.job.owner_id].append((case.job, known))
    return found
