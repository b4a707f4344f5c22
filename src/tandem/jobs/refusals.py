"""Jobs that a scheduler refused: settled at once, and not at the next poll, since their owners may still be waiting for
the page. Beside dispatch, on a thread of their own: how long it takes is partly in the hands of the person whose job it
is, and nobody's submission waits for that. What is left undone here is done at the next poll.
"""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from tandem.jobs.models import Job

log = structlog.get_logger()

PATIENCE = 3.0
LATE_FOR = 60.0
MOST_WAITING = 200


@dataclass(slots=True)
class Refusals:
    """Refused jobs of one cluster, each settled with `settle`; whose took long are left to the polls for a while."""

    settle: Callable[[Job], None]
    _waiting: "queue.Queue[Job]" = field(default_factory=lambda: queue.Queue(MOST_WAITING))
    _late_until: dict[int, float] = field(default_factory=dict)

    def put(self, job: Job) -> None:
        """Have a job settled soon. Never waits: what there is no room for is left to the polls."""
        try:
            self._waiting.put_nowait(job)
        except queue.Full:
            log.info("a refusal is left to the next poll", job=str(job.pk))

    def step(self, seconds: float) -> None:
        """Settle the next one, if one comes within `seconds`."""
        try:
            job = self._waiting.get(timeout=seconds)
        except queue.Empty:
            return
        began = time.monotonic()
        if self._late_until.get(job.owner_id, 0.0) > began:
            return
        try:
            self.settle(job)
        finally:
            if time.monotonic() - began >= PATIENCE:
                log.warning("settling somebody's refusals takes long", owner=job.owner_id)
                self._late_until[job.owner_id] = time.monotonic() + LATE_FOR
