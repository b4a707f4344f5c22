"""The one reader of events in a process: it asks the database, and feeds every open page what its viewer may see.

A *gap* is an id that was skipped: its transaction may commit later (ids are given before the commit) or never. Gaps are
asked for again for a while, which is the overlap that append-only tables need; ids already told are not told twice.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import Error as DatabaseProblem
from django.db.models import Max, Q

from tandem.jobs.models import Event
from tandem.jobs.stream_access import Viewer, in_database

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
OVERLAP = 64
BATCH = 2000
GAP_SECONDS = 60.0
PLACE_SECONDS = 10.0
MOST_GAPS = 500
MOST_CHANGES = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """As much of an event as decides who is told. `job` may be one outside the portal as well."""

    id: int
    job: uuid.UUID | None
    owner: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a page is told at once: which jobs changed, whether clusters did, up to which event."""

    last_id: int
    jobs: tuple[uuid.UUID, ...] = ()
    clusters: bool = False
    overflowed: bool = False

    def __bool__(self) -> bool:
        return bool(self.jobs) or self.clusters or self.overflowed


def may_see(viewer: Viewer, notice: Notice) -> bool:
    """Own jobs; administrators all; what belongs to nobody (clusters) everybody."""
    return notice.owner is None or viewer.is_administrator or notice.owner == viewer.person_id


class Subscription:
    """One open page. Changes pile up as a set of jobs, so a slow page costs no more than a fast one."""

    def __init__(self, viewer: Viewer, job: uuid.UUID | None = None) -> None:
        self._viewer = viewer
        self._job = job
        self._jobs: dict[uuid.UUID, None] = {}
        self._clusters = False
        self._overflowed = False
        self._last_id = 0
        self._awake = asyncio.Event()

    def offer(self, notice: Notice) -> None:
        """Take a notice if this page's viewer may see it and the page is about it."""
        if not may_see(self._viewer, notice):
            return
        if notice.job is None:
            self._clusters = True
        elif self._job is not None and notice.job != self._job:
            return
        elif len(self._jobs) < MOST_CHANGES:
            self._jobs[notice.job] = None
        else:
            self._overflowed = True
        self._last_id = max(self._last_id, notice.id)
        self._awake.set()

    def overflow(self, last_id: int) -> None:
        """More happened up to this event than can be told."""
        self._overflowed, self._last_id = True, max(self._last_id, last_id)
        self._awake.set()

    async def changes(self, timeout: float) -> Changes:
        """What changed since the last call; empty after `timeout` seconds without any."""
        try:
            async with asyncio.timeout(timeout):
                await self._awake.wait()
        except TimeoutError:
            pass
        found = Changes(self._last_id, tuple(self._jobs), self._clusters, self._overflowed)
        self._jobs, self._clusters, self._overflowed = {}, False, False
        self._awake.clear()
        return found


def newest_event_id() -> int:
    """The id of the newest event: a page rendered now asks for what comes after it."""
    return Event.objects.aggregate(newest=Max("id"))["newest"] or 0


def events_after(last_id: int, gaps: tuple[int, ...] = ()) -> list[Notice]:
    """Events newer than `last_id`, and those of the gaps that have come since; oldest first."""
    rows = Event.objects.filter(Q(id__gt=last_id) | Q(id__in=gaps)).order_by("id")
    found = rows.values_list("id", "job_id", "outside_job", "owner_id", "kind")[: BATCH + len(gaps)]
    return [Notice(pk, job or outside, owner, kind) for pk, job, outside, owner, kind in found]


class EventReader:
    """Reads while at least one page is open. One per process, on the streams' event loop."""

    def __init__(
        self,
        newest: Callable[[], Awaitable[int]] = lambda: in_database(newest_event_id),
        after: Callable[[int, tuple[int, ...]], Awaitable[list[Notice]]] = lambda last, gaps: in_database(
            events_after, last, gaps
        ),
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._newest = newest
        self._after = after
        self._poll_seconds = poll_seconds
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self._last_id: int | None = None
        self._gaps: dict[int, float] = {}
        self._placed = asyncio.Event()

    @contextmanager
    def subscribe(self, viewer: Viewer, job: uuid.UUID | None = None) -> Iterator[Subscription]:
        """Be told of changes from now on; what happened before is the caller's to ask (`catch_up`)."""
        subscription = Subscription(viewer, job)
        self._subscriptions.add(subscription)
        if not self.is_reading:
            self._placed.clear()
            self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    @property
    def is_reading(self) -> bool:
        """Whether the database is being asked: only while a page is open."""
        return self._task is not None and not self._task.done()

    async def catch_up(self, subscription: Subscription, last_id: int) -> None:
        """Offer what a page missed since it was rendered or last connected, with an overlap.

        Asked once the reader has found its own place, so that nothing falls between the two. Raises TimeoutError.
        """
        async with asyncio.timeout(PLACE_SECONDS):
            await self._placed.wait()
        missed = await self._after(max(0, last_id - OVERLAP), ())
        for notice in missed:
            subscription.offer(notice)
        if len(missed) >= BATCH:
            subscription.overflow(missed[-1].id)

    async def _run(self) -> None:
        self._last_id, self._gaps = None, {}
        while self._subscriptions:
            try:
                await self.read_once()
            except DatabaseProblem as error:
                log.warning("events cannot be read, will try again: %s", error)
            await asyncio.sleep(self._poll_seconds)

    async def read_once(self) -> None:
        """One look at the database; every subscription is offered what is new."""
        if self._last_id is None:
            await self._find_place()
        last_id = self._last_id or 0
        now = asyncio.get_running_loop().time()
        self._gaps = {gap: until for gap, until in self._gaps.items() if until > now}
        notices = await self._after(last_id, tuple(self._gaps))
        for notice in notices:
            if self._gaps.pop(notice.id, None) is None:
                for missing in range(last_id + 1, notice.id)[-MOST_GAPS:]:
                    self._gaps[missing] = now + GAP_SECONDS
                self._last_id = last_id = notice.id
            for subscription in self._subscriptions:
                subscription.offer(notice)
        while len(self._gaps) > MOST_GAPS:
            del self._gaps[next(iter(self._gaps))]

    async def _find_place(self) -> None:
        """Start at the newest event; only ids skipped just before it may still come."""
        start = max(0, await self._newest() - OVERLAP)
        there = {notice.id for notice in await self._after(start, ())}
        newest = max(there, default=start)
        until = asyncio.get_running_loop().time() + GAP_SECONDS
        self._gaps = {missing: until for missing in range(start + 1, newest) if missing not in there}
        self._last_id = newest
        self._placed.set()


_reader: EventReader | None = None


def get_reader() -> EventReader:
    """The reader of this process."""
    global _reader
    if _reader is None:
        _reader = EventReader()
    return _reader
