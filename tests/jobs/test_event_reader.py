"""The one reader of events: nothing is missed, nothing told twice, nobody is told what is not theirs."""

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

import pytest
from django.db import OperationalError

from tandem.jobs import event_reader
from tandem.jobs.event_reader import Changes, EventReader, Notice, Subscription
from tandem.jobs.stream_access import Viewer

ADA = Viewer(1, "ada", False, "a")
BOB = Viewer(2, "bob", False, "b")
CHIEF = Viewer(3, "chief", True, "c")
JOB, OTHER = uuid.uuid4(), uuid.uuid4()


class Log:
    """A table of events, some of which commit out of turn."""

    def __init__(self) -> None:
        self.rows: dict[int, Notice] = {}
        self.broken = 0
        self.asked_gaps: list[tuple[int, ...]] = []

    def add(self, number: int, job: uuid.UUID | None = JOB, owner: int | None = 1) -> None:
        self.rows[number] = Notice(number, job, owner, "job.state")

    async def newest(self) -> int:
        if self.broken:
            self.broken -= 1
            raise OperationalError(2006, "gone away")
        return max(self.rows, default=0)

    async def after(self, last: int, gaps: tuple[int, ...]) -> list[Notice]:
        self.asked_gaps.append(gaps)
        return [self.rows[number] for number in sorted(self.rows) if number > last or number in gaps]

    def reader(self) -> EventReader:
        return EventReader(self.newest, self.after, poll_seconds=0.001)


async def until_told(subscription: Subscription) -> Changes:
    """The next change; a page that is never told fails the test."""
    async with asyncio.timeout(10):
        while not (changes := await subscription.changes(0.05)):
            pass
    return changes


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_page_is_told_of_a_new_event() -> None:
    async def work() -> None:
        log = Log()
        log.add(7)
        reader = log.reader()
        with reader.subscribe(ADA) as page:
            await reader.catch_up(page, 7)
            await page.changes(0)
            log.add(8, OTHER)
            assert (await until_told(page)).jobs == (OTHER,)

    run(work())


def test_an_event_that_commits_after_a_later_one_is_told_once() -> None:
    async def work() -> None:
        log = Log()
        log.add(5)
        reader = log.reader()
        with reader.subscribe(ADA) as page:
            await reader.catch_up(page, 5)
            await page.changes(0)
            log.add(9)
            assert (await until_told(page)).jobs == (JOB,)
            log.add(7, OTHER)
            assert (await until_told(page)).jobs == (OTHER,)
            rounds = len(log.asked_gaps)
            while len(log.asked_gaps) < rounds + 3:
                await asyncio.sleep(0)
            assert not await page.changes(0)
            assert set(log.asked_gaps[-1]) == {1, 2, 3, 4, 6, 8}

    run(work())


def test_a_gap_is_not_asked_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        log = Log()
        reader = log.reader()
        with reader.subscribe(ADA) as page:
            await reader.catch_up(page, 0)
            log.add(4)
            await until_told(page)
            async with asyncio.timeout(10):
                while log.asked_gaps[-1]:
                    await asyncio.sleep(0)

    monkeypatch.setattr(event_reader, "GAP_SECONDS", 0.01)
    run(work())


def test_a_huge_jump_in_ids_costs_a_bounded_number_of_gaps() -> None:
    async def work() -> None:
        log = Log()
        reader = log.reader()
        with reader.subscribe(ADA) as page:
            await reader.catch_up(page, 0)
            log.add(10_000_000)
            await until_told(page)
            rounds = len(log.asked_gaps)
            while len(log.asked_gaps) < rounds + 2:
                await asyncio.sleep(0)
            assert len(log.asked_gaps[-1]) == event_reader.MOST_GAPS

    run(work())


def test_what_happened_between_rendering_and_connecting_is_caught_up_on() -> None:
    async def work() -> None:
        log = Log()
        log.add(100)
        log.add(101, OTHER)
        reader = log.reader()
        with reader.subscribe(ADA, OTHER) as page:
            await reader.catch_up(page, 100)
            assert await page.changes(0) == Changes(101, (OTHER,))

    run(work())


def test_nobody_is_told_of_anybody_elses_job_but_an_administrator() -> None:
    async def work() -> None:
        log = Log()
        reader = log.reader()
        with reader.subscribe(ADA) as adas, reader.subscribe(BOB) as bobs, reader.subscribe(CHIEF) as chiefs:
            await reader.catch_up(adas, 0)
            log.add(1, JOB, owner=1)
            assert (await until_told(adas)).jobs == (JOB,)
            assert (await until_told(chiefs)).jobs == (JOB,)
            assert not await bobs.changes(0.02)

    run(work())


def test_a_change_of_a_cluster_is_told_to_everybody() -> None:
    async def work() -> None:
        log = Log()
        reader = log.reader()
        with reader.subscribe(BOB, JOB) as page:
            await reader.catch_up(page, 0)
            log.add(1, None, owner=None)
            assert (await until_told(page)).clusters

    run(work())


def test_a_page_of_one_job_is_told_of_that_job_alone() -> None:
    async def work() -> None:
        log = Log()
        reader = log.reader()
        with reader.subscribe(ADA, JOB) as page:
            await reader.catch_up(page, 0)
            log.add(1, OTHER)
            log.add(2, JOB)
            assert (await until_told(page)).jobs == (JOB,)

    run(work())


def test_a_page_that_reads_slowly_is_told_that_it_missed_something_instead_of_growing() -> None:
    page = Subscription(CHIEF)
    for number in range(event_reader.MOST_CHANGES + 5):
        page.offer(Notice(number, uuid.uuid4(), 1, "job.state"))
    changes = asyncio.run(page.changes(0))
    assert len(changes.jobs) == event_reader.MOST_CHANGES
    assert changes.overflowed


def test_a_page_that_was_away_for_long_is_told_that_it_missed_something(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        log = Log()
        for number in range(1, 4):
            log.add(number, owner=2)
        reader = log.reader()
        with reader.subscribe(ADA) as page:
            await reader.catch_up(page, 0)
            changes = await page.changes(0)
            assert changes.overflowed
            assert (changes.jobs, changes.last_id) == ((), 3)

    monkeypatch.setattr(event_reader, "BATCH", 3)
    run(work())


def test_a_database_that_fails_over_costs_a_pause_and_no_event() -> None:
    async def work() -> None:
        log = Log()
        log.broken = 3
        reader = log.reader()
        with reader.subscribe(ADA) as page:
            await reader.catch_up(page, 0)
            log.add(1)
            assert (await until_told(page)).jobs == (JOB,)

    run(work())


def test_reading_ends_with_the_last_page_and_begins_with_the_next() -> None:
    async def work() -> None:
        log = Log()
        reader = log.reader()
        with reader.subscribe(ADA) as page:
            await reader.catch_up(page, 0)
        async with asyncio.timeout(10):
            while reader.is_reading:
                await asyncio.sleep(0.001)
        log.add(1)
        with reader.subscribe(ADA) as page:
            await reader.catch_up(page, 0)
            assert (await page.changes(0)).jobs == (JOB,)

    run(work())
