"""The reaper: gives spoolers their expiry when their last job has ended, says beforehand that they go, removes them.

One worker does it, under a lease. Only spoolers whose jobs are all final and sealed, and never the control directories:
claims are kept longer than any backup. Whoever wants to keep a spooler can until the moment in which it is taken here,
by compare-and-swap on its row.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from tandem.clusters.door import Door
from tandem.environment import Environment
from tandem.jobs.models import Spooler
from tandem.jobs.outputs import answering_clusters
from tandem.jobs.spoolers.actions import tell
from tandem.jobs.spoolers.queries import not_over, still_written
from tandem.jobs.spoolers.removal import OVER_AFTER, Outcome, remove
from tandem.jobs.transactions import done_again

log = structlog.get_logger(__name__)

EXPIRE_AFTER = timedelta(days=7)  # without an environment: on a development server
LONGEST_NOTICE = timedelta(days=1)
SILENCE = timedelta(seconds=15)
FIRST_BACK_OFF, LONGEST_BACK_OFF = timedelta(minutes=1), timedelta(hours=6)
BATCH = 200
IDLE = 5.0


def expire_after(environment: Environment | None) -> timedelta:
    """How long a spooler stays after the end of its last job."""
    return timedelta(seconds=environment.spoolers.expire_after) if environment else EXPIRE_AFTER


def notice(expire_after: timedelta) -> timedelta:
    """How long before it expires a spooler's owner is told."""
    return min(LONGEST_NOTICE, expire_after / 4)


class Reaper:
    """One turn of it is `step`."""

    def __init__(self, door: Door, expire_after: timedelta) -> None:
        self._door = door
        self._expire_after = expire_after
        self._notice = notice(expire_after)

    def step(self) -> float:
        """Do what is due, of removals the first; seconds until the next turn."""
        self.set_expiries()
        self.tell_owners()
        return 0.0 if self.remove_next() else IDLE

    def set_expiries(self) -> None:
        """Where the last job has ended, begin to count. Compare-and-swap on each row: a person may have come first."""
        now = timezone.now()
        ended = Spooler.objects.filter(~not_over(), removed_at=None, kept=False, expires_at=None)
        for spooler in ended.annotate(last_end=Max("jobs__ended_at"))[:BATCH]:
            # Nobody worked for a while, or this was switched on late: there is time to be told all the same.
            expires_at = max((spooler.last_end or spooler.created_at) + self._expire_after, now + self._notice)
            rows = Spooler.objects.filter(pk=spooler.pk, removed_at=None, kept=False, expires_at=None)
            rows.update(expires_at=expires_at)

    def tell_owners(self) -> None:
        """Tell of what expires soon. Who could not be told in time gets the time."""
        now = timezone.now()
        soon = Spooler.objects.filter(
            removed_at=None, kept=False, expires_at__lte=now + self._notice, expiry_told_at=None, delete_wanted_at=None
        )
        for spooler in soon.order_by("expires_at")[:BATCH]:
            self._tell(spooler, now)

    @done_again
    def _tell(self, spooler: Spooler, now: datetime) -> None:
        late = spooler.expires_at is None or spooler.expires_at < now + self._notice / 2
        until = now + self._notice if late else spooler.expires_at
        rows = Spooler.objects.filter(pk=spooler.pk, expires_at=spooler.expires_at, expiry_told_at=None, kept=False)
        with transaction.atomic():
            if rows.update(expiry_told_at=now, expires_at=until):
                tell(spooler, "spooler.expiring", None, until=until.isoformat() if until else "")

    def remove_next(self) -> bool:
        """Remove one that is due; whether there may be more."""
        # A disabled person cannot enter the clusters, not even to have something removed: that waits.
        candidates = due().filter(owner__is_active=True).select_related("owner")
        spooler = candidates.order_by("remove_not_before", "expires_at").first()
        jobs = list(spooler.jobs.select_related("owner")) if spooler else []
        clusters = answering_clusters(jobs[0]) if jobs else []
        if spooler is None or not clusters:
            return False  # nothing to do, or nobody to do it: it waits
        if not due().filter(pk=spooler.pk).update(removing_until=timezone.now() + timedelta(seconds=OVER_AFTER)):
            return True  # its owner, or another worker, got there first
        self.note(spooler, remove(self._door, spooler, jobs, clusters))
        return True

    @done_again
    def note(self, spooler: Spooler, outcome: Outcome) -> None:
        """Write down what came of a removal that was begun. One transaction, on the spooler's row."""
        now = timezone.now()
        rows = Spooler.objects.filter(pk=spooler.pk, removed_at=None)
        if outcome.done:
            with transaction.atomic():
                if rows.update(removed_at=now, removing_until=None, remove_problem=""):
                    tell(spooler, "spooler.removed", spooler.owner if spooler.delete_wanted_at else None)
            log.info("spooler removed", spooler=str(spooler.pk), owner=spooler.owner.username)
            return
        if outcome.more:
            rows.update(removing_until=now, remove_not_before=now)
        elif outcome.unknown:
            # It may be going on: nobody is told that he can keep it, and it is taken up again when that is over.
            rows.update(remove_problem=outcome.problem)
        elif outcome.silent:
            rows.update(removing_until=None, remove_not_before=now + SILENCE, remove_problem=outcome.problem)
        else:
            pause = min(FIRST_BACK_OFF * 2.0 ** min(spooler.remove_tries, 20), LONGEST_BACK_OFF)
            rows.update(
                removing_until=None,
                remove_not_before=now + pause,
                remove_tries=F("remove_tries") + 1,
                remove_problem=outcome.problem,
            )
        if outcome.problem:
            log.warning("spooler not removed", spooler=str(spooler.pk), problem=outcome.problem)


def due() -> QuerySet[Spooler]:
    """Expired, its owner told or the one who wants it, nothing writes there, and nobody is at it."""
    now = timezone.now()
    free = Q(removing_until=None) | Q(removing_until__lte=now)
    told = Q(expiry_told_at__isnull=False) | Q(delete_wanted_at__isnull=False)
    rested = Q(remove_not_before=None) | Q(remove_not_before__lte=now)
    return Spooler.objects.filter(
        ~still_written(), free, told, rested, removed_at=None, kept=False, expires_at__lte=now
    )
