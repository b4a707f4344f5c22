"""Ending what is already open: streams and connections to clusters of somebody who has just been disabled.

Requests need none of this: each looks the person up. What stays open for longer asks here.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tandem.accounts.models import Person

LOOK_EVERY_SECONDS = 15.0


def is_enabled(username: str) -> bool:
    """Whether somebody of this name may be let in now: one query."""
    return Person.objects.filter(username=username, is_active=True).exists()


@dataclass
class DisabledPeople:
    """Calls `close` once for each person who is newly disabled. Every process that keeps connections has one."""

    close: Callable[[str], object]
    every: float = LOOK_EVERY_SECONDS
    _known: frozenset[str] = field(default=frozenset(), init=False)
    _looked: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def look(self) -> None:
        """Look into the database, unless that was done a moment ago. Raises DatabaseError."""
        # Only one thread needs to look, and no request waits for another one's look.
        if time.monotonic() - self._looked < self.every or not self._lock.acquire(blocking=False):
            return
        try:
            now = frozenset(Person.objects.filter(is_active=False).values_list("username", flat=True))
            for username in now - self._known:
                self.close(username)
            self._known = now
            self._looked = time.monotonic()
        finally:
            self._lock.release()
