"""Leases: one worker does a thing at a time, and another takes over when it no longer can.

They only save duplicate work; nothing is wrong if two workers do the same for a while. By the database's clock.
"""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.models import Q

from tandem.clock import database_now
from tandem.operations.models import Lease

log = structlog.get_logger()

DURATION = timedelta(seconds=6)
RENEW_EVERY = 2.0
# A loop that showed no life for this long is stuck; its leases run out and another worker's loop goes on.
STUCK_AFTER = 90.0
# So many times in a row a node has to be found unfit before its leases are given back: one may have been a hiccup.
UNFIT_AFTER = 2
REAPER = "reaper"
OF_A_CLUSTER = ("watch", "dispatch")
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def lease_names(clusters: Iterable[str]) -> list[str]:
    """Every lease that some worker is to hold."""
    return [f"{kind}:{cluster}" for cluster in clusters for kind in OF_A_CLUSTER] + [REAPER]


def acquire(name: str, holder: str, duration: timedelta = DURATION) -> bool:
    """Take a lease that is free or run out, or renew one's own. One compare-and-swap on its row."""
    now = database_now()
    free = Q(holder=holder) | Q(expires_at__lte=now)
    if Lease.objects.filter(free, pk=name).update(holder=holder, expires_at=now + duration):
        return True
    if Lease.objects.filter(pk=name).exists():
        return False
    Lease.objects.get_or_create(pk=name, defaults={"holder": "", "expires_at": _NEVER})
    return bool(Lease.objects.filter(free, pk=name).update(holder=holder, expires_at=now + duration))


def release(names: Iterable[str], holder: str) -> None:
    """Give leases back at once, so that nobody has to wait for them to run out."""
    Lease.objects.filter(pk__in=list(names), holder=holder).update(holder="", expires_at=_NEVER)


class LeaseKeeper(threading.Thread):
    """Keeps a process's leases on a thread of its own: a loop may take longer for one turn than a lease lasts.

    `fit` says whether this node can do the work at all. While it cannot, its leases are another's to take.
    """

    def __init__(self, holder: str, names: Iterable[str], fit: Callable[[], bool] = lambda: True) -> None:
        super().__init__(name="leases", daemon=True)
        self.holder = holder
        self._fit = fit
        self._unfit = 0
        self._names = list(names)
        self._good_until: dict[str, float] = {}
        self._alive_at: dict[str, float] = dict.fromkeys(self._names, time.monotonic())
        self._stopping = threading.Event()

    def holds(self, name: str) -> bool:
        """Whether the lease is ours at this moment, by our own clock. Asking is the loop's sign of life."""
        self._alive_at[name] = time.monotonic()
        return self._good_until.get(name, 0.0) > time.monotonic()

    def run(self) -> None:
        while not self._stopping.is_set():
            self.turn()
            self._stopping.wait(RENEW_EVERY)
        self._give_back()
        connection.close()

    def turn(self) -> None:
        """Renew while this node is fit to work, else give back."""
        self._unfit = 0 if self._fit() else self._unfit + 1
        close_old_connections()
        if self._unfit < UNFIT_AFTER:
            self.renew()
            return
        if self._unfit == UNFIT_AFTER:
            log.error("this node cannot enter clusters: its leases are given back")
        self._give_back()

    def _give_back(self) -> None:
        self._good_until.clear()
        try:
            release(self._names, self.holder)
        except (DatabaseError, InterfaceError) as problem:
            log.info("leases were not given back, they run out", error=str(problem))
            connection.close()

    def renew(self) -> None:
        """Take or renew every lease whose loop is alive."""
        for name in self._names:
            asked_at = time.monotonic()
            if asked_at - self._alive_at[name] > STUCK_AFTER:
                log.error("a loop is stuck, its lease is let go", lease=name)
                continue
            try:
                ours = acquire(name, self.holder)
            except (DatabaseError, InterfaceError) as problem:
                log.warning("a lease could not be renewed", lease=name, error=str(problem))
                connection.close()
                continue
            was = self._good_until.get(name, 0.0) > asked_at
            # Counted from before asking: by the time the answer is here, part of it is over.
            self._good_until[name] = asked_at + DURATION.total_seconds() if ours else 0.0
            if ours != was:
                log.info("lease", lease=name, ours=ours)

    def stop(self) -> None:
        """Give everything back and end."""
        self._stopping.set()
        self.join(timeout=5)
