"""What a cluster last showed of an array's tasks outlasts polls that show less."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tandem.clusters.scheduler import Ending, Phase, SchedulerJob
from tandem.jobs.sightings import (
    LONG_COMPLETED,
    Sighting,
    Sightings,
    after_poll,
    parsed,
    stored,
    waiting_reasons,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def record(task: int | None, phase: Phase, ending: Ending | None = None, code: int | None = None) -> SchedulerJob:
    return SchedulerJob(
        "7", "ada", "job", "", phase, ending, phase.name, "Priority", "compute", task, exit_code=code, started_at=NOON
    )


def after(
    before: Sightings,
    *records: SchedulerJob,
    claimed: set[int] = frozenset(),
    evidence: bool = True,
    now: datetime = NOON,
) -> Sightings:
    return after_poll(before, records, range(3), claimed, is_evidence=evidence, now=now)[0]


WAITS, RUNS = record(None, Phase.WAITING), record(0, Phase.RUNNING)


def test_it_is_stored_as_it_is() -> None:
    seen = after({}, WAITS, RUNS, record(1, Phase.ENDED, Ending.FAILED, 3))
    assert parsed(stored(seen)) == seen
    assert parsed(stored({})) == {}


def test_tasks_of_which_the_same_can_be_said_take_no_more_room_than_one() -> None:
    seen = after_poll(
        {}, [record(n, Phase.ENDED, Ending.COMPLETED, 0) for n in range(50_000)], (), (), is_evidence=False, now=NOON
    )
    assert len(stored(seen[0])) == 1
    assert len(parsed(stored(seen[0]))) == 50_000


def test_since_when_a_task_is_completed_is_known_for_a_while_whether_or_not_it_is_shown_again() -> None:
    done = [record(n, Phase.ENDED, Ending.COMPLETED, 0) for n in (0, 1)]
    seen = after(after({}, WAITS, done[0]), WAITS, *done, now=NOON + timedelta(seconds=4))
    assert [seen[n].over_since for n in (0, 1)] == [NOON, NOON + timedelta(seconds=4)]
    later = after(parsed(stored(seen)), WAITS, done[0], now=NOON + LONG_COMPLETED + timedelta(minutes=1))
    assert later[0] == later[1] == Sighting(Phase.ENDED, Ending.COMPLETED, 0)
    assert after(later, WAITS, *done, now=NOON + 2 * LONG_COMPLETED) == later


def test_what_ended_is_kept_when_the_scheduler_no_longer_shows_it() -> None:
    seen = after({}, WAITS, record(0, Phase.ENDED, Ending.TIMEOUT))
    assert after(seen, WAITS)[0].ending is Ending.TIMEOUT


def test_an_exit_code_that_was_said_once_stays() -> None:
    seen = after({}, WAITS, record(0, Phase.ENDED, Ending.FAILED, 3))
    assert after(seen, WAITS, record(0, Phase.ENDED, Ending.FAILED))[0].exit_code == 3


def test_since_when_a_task_is_over_is_told_by_our_clock_and_not_the_clusters() -> None:
    """The cluster's may be minutes off: what is measured from it would be too early, or never."""
    later = NOON + timedelta(seconds=30)
    fast = replace(record(0, Phase.ENDED, Ending.CANCELLED), ended_at=NOON + timedelta(hours=1))
    seen = parsed(stored(after({}, WAITS, fast, now=NOON)))
    assert after(seen, WAITS, fast, now=later)[0].over_since == NOON
    assert after({}, WAITS, RUNS, now=later)[0].over_since is None


def test_what_lives_again_is_not_over() -> None:
    seen = after({}, WAITS, record(0, Phase.ENDED, Ending.LOST_NODE))
    assert after(seen, WAITS, RUNS)[0].phase is Phase.RUNNING


def test_a_task_that_nobody_claimed_waits_again_with_the_rest() -> None:
    assert 0 not in after(after({}, WAITS, RUNS), WAITS)


@pytest.mark.parametrize(("shown", "phase"), [([WAITS], Phase.WAITING), ([record(1, Phase.RUNNING)], None)])
def test_what_is_missing_is_asked_for_in_the_history_before_it_counts_as_lost(
    shown: list[SchedulerJob], phase: Phase | None
) -> None:
    seen: Sightings = after({}, WAITS, RUNS)
    for misses in (0, 1, 2):
        assert seen.get(0, Sighting()).misses == misses
        if misses < 2:
            assert seen[0].phase is Phase.RUNNING
            assert after(seen, *shown, claimed={0}, evidence=False)[0].misses == misses
            assert after_poll(seen, shown, range(3), {0}, is_evidence=False, now=NOON)[1]
            seen = after(seen, *shown, claimed={0})
    assert seen[0].phase is phase
    assert seen[0].is_lost is (phase is None)
    assert not after_poll(seen, shown, (0, 1), {0}, is_evidence=True, now=NOON)[1], "it is not looked for for ever"
    assert after(seen, *shown, RUNS, claimed={0})[0].phase is Phase.RUNNING


def test_why_the_rest_waits_is_known_while_others_run() -> None:
    assert waiting_reasons(after({}, WAITS, RUNS)) == ["Priority"]
    assert waiting_reasons(after({}, RUNS)) == []


def test_tasks_that_were_cancelled_while_they_waited_are_told_from_those_that_wait_on() -> None:
    cancelled = replace(record(None, Phase.ENDED, Ending.CANCELLED), tasks="1-2")
    seen = after({}, WAITS, cancelled)
    assert {index: one.ending for index, one in seen.items()} == {None: None, 1: Ending.CANCELLED, 2: Ending.CANCELLED}
    assert after({}, replace(cancelled, tasks="9-1"))[None].ending is Ending.CANCELLED
