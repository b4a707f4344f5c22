"""What is done for one person at a time must not take all of a pass: what it costs is partly in that person's hands.

A login shell that sleeps holds up everything that is done as its owner until its deadline, each time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

LONG = 5.0


@dataclass(slots=True)
class Patience:
    """One pass's patience: for whom something took long, the rest is left to later passes."""

    _out: set[int] = field(default_factory=set)

    def is_out_for(self, owner: int) -> bool:
        """Whether this person has taken enough of this pass."""
        return owner in self._out

    @contextmanager
    def spent_on(self, owner: int) -> Iterator[None]:
        """Something is done for this person."""
        began = time.monotonic()
        try:
            yield
        finally:
            if time.monotonic() - began > LONG:
                log.warning("what is done for somebody takes long: the rest is left for later", owner=owner)
                self._out.add(owner)
