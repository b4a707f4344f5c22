"""What the evidence shows is judged: a storm must be able to fail, and the truth must not be called broken."""

from collections.abc import Sequence

import pytest

from tandem.drills.evidence import Run
from tandem.drills.promises import (
    LOST,
    OVERLAP,
    TWICE,
    WATCHDOG_PERIOD,
    WRONG,
    Broken,
    Court,
    Judgement,
    Outage,
    Shown,
    Submitted,
    Told,
)


def run(
    cluster: str = "cluster1",
    *,
    first: float = 100.0,
    last: float = 110.0,
    code: int | None = 0,
    result_at: float | None = None,
) -> Run:
    times = [first, (first + last) / 2, last]
    return Run(f"{cluster}-{first}", cluster, 0, times, first, None if code is None else last, code, result_at)


def judged(
    runs: Sequence[Run],
    state: str,
    *,
    since: float = 200.0,
    restartable: bool = False,
    cancelled: bool = False,
    outages: Sequence[Outage] = (),
    history: Sequence[Shown] = (),
) -> Judgement:
    court = Court(outages)
    job = Submitted("job", (0,), restartable, 0, cancelled)
    court.judge(job, Told(state, "", since, {0: state}, history), {("job", 0): list(runs)})
    return court.judgement


def promises(broken: Sequence[Broken]) -> list[str]:
    return [one.promise for one in broken]


def lost_at(at: float, cluster: str = "cluster1") -> Outage:
    return Outage("lost", frozenset({cluster}), at, at + 20)


@pytest.mark.parametrize("state", ["PENDING", "UNKNOWN", "RUNNING", "missing"])
def test_a_job_that_never_comes_to_an_end_is_lost(state: str) -> None:
    assert promises(judged([], state).broken) == [LOST]


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED"])
def test_a_job_that_never_started_is_lost_unless_its_person_cancelled_it(state: str) -> None:
    assert promises(judged([], state).broken) == [LOST]


def test_a_cancelled_job_need_not_have_started() -> None:
    assert not judged([], "CANCELLED", cancelled=True).broken


def test_two_starts_are_one_too_many() -> None:
    found = judged([run(), run("cluster2", first=130, last=140)], "COMPLETED")
    assert promises(found.broken) == [TWICE]


def test_a_restartable_job_starts_again_when_its_zone_was_lost() -> None:
    runs = [run(code=None), run("cluster2", first=130, last=140)]
    found = judged(runs, "COMPLETED", restartable=True, outages=[lost_at(110.2)])
    assert (found.broken, found.restarted) == ([], 1)


def test_a_restartable_job_does_not_start_again_once_it_has_ended() -> None:
    runs = [run(code=0), run("cluster2", first=130, last=140)]
    assert promises(judged(runs, "COMPLETED", restartable=True).broken) == [TWICE]


def test_an_end_that_nobody_could_be_told_of_does_not_count() -> None:
    runs = [run(code=0), run("cluster2", first=130, last=140)]
    assert not judged(runs, "COMPLETED", restartable=True, outages=[lost_at(110.1)]).broken


@pytest.mark.parametrize(
    ("kind", "began", "ended"), [("hung", 105.0, 130.0), ("hung", 112.0, 130.0), ("frozen", 111.0, 130.0)]
)
def test_an_end_whose_result_could_not_be_written_does_not_count(kind: str, began: float, ended: float) -> None:
    runs = [run(code=0), run("cluster2", first=130, last=140)]
    outage = Outage(kind, frozenset({"cluster1"}), began, ended)
    assert not judged(runs, "COMPLETED", restartable=True, outages=[outage]).broken
    assert promises(judged([run(code=0)], "FAILED", outages=[outage]).broken) == [WRONG]


def test_runs_that_live_beside_each_other_are_seen() -> None:
    runs = [run(last=140, code=None), run("cluster2", first=130, last=150)]
    assert promises(judged(runs, "COMPLETED", restartable=True).broken) == [OVERLAP]


def test_a_thawed_run_may_live_on_until_its_watchdog_has_looked() -> None:
    frozen = Outage("frozen", frozenset({"cluster1"}), 110.0, 160.0)
    thawed = Run("a", "cluster1", 0, [100.0, 109.5, 160.2, 161.0], 100.0)
    found = judged([thawed, run("cluster2", first=150, last=170)], "COMPLETED", restartable=True, outages=[frozen])
    assert not found.broken
    assert found.thawed == [pytest.approx(1.0)]


def test_a_frozen_run_that_lives_on_for_longer_is_an_overlap() -> None:
    frozen = Outage("frozen", frozenset({"cluster1"}), 110.0, 160.0)
    thawed = Run("a", "cluster1", 0, [100.0, 109.5, 160.2, 160.1 + WATCHDOG_PERIOD], 100.0)
    found = judged([thawed, run("cluster2", first=150, last=170)], "COMPLETED", restartable=True, outages=[frozen])
    assert promises(found.broken) == [OVERLAP]


@pytest.mark.parametrize(
    ("code", "state"), [(0, "FAILED"), (0, "CANCELLED"), (0, "TIMEOUT"), (3, "COMPLETED"), (None, "COMPLETED")]
)
def test_a_state_that_is_not_the_truth_is_wrong(code: int | None, state: str) -> None:
    assert promises(judged([run(code=code)], state).broken) == [WRONG]


@pytest.mark.parametrize(("code", "state"), [(0, "COMPLETED"), (3, "FAILED")])
def test_the_truth_is_right(code: int | None, state: str) -> None:
    assert not judged([run(code=code)], state).broken


def test_failed_is_the_truth_of_what_something_took_along() -> None:
    found = judged([run(code=None)], "FAILED", outages=[lost_at(110.2)])
    assert (found.broken, found.interrupted) == ([], 1)
    forgot = Outage("forgot", frozenset({"cluster1"}), 101.0, 102.0)
    assert not judged([run(code=None)], "FAILED", outages=[forgot]).broken
    too_late = Outage("forgot", frozenset({"cluster1"}), 108.0, 109.0)
    assert promises(judged([run(code=None)], "FAILED", outages=[too_late]).broken) == [LOST], "it was saved long before"


def test_work_that_nothing_took_along_is_lost() -> None:
    assert promises(judged([run(code=None)], "FAILED").broken) == [LOST]
    assert promises(judged([run(code=None)], "FAILED", outages=[lost_at(110.2, "cluster2")]).broken) == [LOST]


def test_failed_is_the_truth_of_an_end_whose_zone_was_lost_at_once() -> None:
    assert not judged([run(code=0)], "FAILED", outages=[lost_at(111.0)]).broken
    assert promises(judged([run(code=0)], "FAILED", outages=[lost_at(150.0)]).broken) == [WRONG]
    assert promises(judged([run(code=0)], "FAILED", outages=[lost_at(111.0, "cluster2")]).broken) == [WRONG]


def test_a_restartable_job_does_not_fail_for_being_interrupted() -> None:
    found = judged([run(code=None)], "FAILED", restartable=True, outages=[lost_at(110.2)])
    assert promises(found.broken) == [WRONG]


def test_what_is_called_over_may_not_live_on() -> None:
    found = judged([run(code=None)], "FAILED", since=105.0, outages=[lost_at(110.2)])
    assert promises(found.broken) == [WRONG]
    assert promises(judged([run(code=None)], "CANCELLED", since=105.0, cancelled=True).broken) == [WRONG]


def test_each_task_of_an_array_is_judged_by_its_own_evidence() -> None:
    job = Submitted("job", (0, 1, 2), restartable=False, code=0)
    runs = {("job", 0): [run(last=101)], ("job", 1): [run(code=None)], ("job", 2): [run(last=101)]}

    def said(state: str, *tasks: str) -> list[tuple[str, int | None]]:
        court = Court([lost_at(110.2)])
        court.judge(job, Told(state, "", 200.0, dict(enumerate(tasks))), runs)
        return [(one.promise, one.task) for one in court.judgement.broken]

    assert said("FAILED", "COMPLETED", "FAILED", "COMPLETED") == []
    assert said("FAILED", "FAILED", "COMPLETED", "COMPLETED") == [(WRONG, 0), (WRONG, 1)], "the numbers are right"
    assert said("COMPLETED", "COMPLETED", "COMPLETED", "COMPLETED") == [(WRONG, 1)]
    assert said("COMPLETED", "COMPLETED", "FAILED", "COMPLETED") == [(WRONG, None)]
    assert said("FAILED", "COMPLETED", "FAILED", "RUNNING") == [(LOST, 2)]


def test_what_was_final_stays_so() -> None:
    def said(*states: tuple[str, str]) -> list[str]:
        return promises(judged([run()], "COMPLETED", history=[Shown(*one) for one in states]).broken)

    assert said(("RUNNING", ""), ("COMPLETED", ""), ("RUNNING", ""), ("COMPLETED", "")) == [WRONG]
    assert said(("FAILED", "exit code 1"), ("COMPLETED", "")) == [WRONG]
    assert said(("RUNNING", ""), ("UNKNOWN", ""), ("RUNNING", ""), ("COMPLETED", "")) == []


def test_one_that_was_called_interrupted_may_be_found_complete() -> None:
    history = [Shown("RUNNING", ""), Shown("FAILED", "interrupted: it left no result"), Shown("COMPLETED", "")]
    found = judged([run()], "COMPLETED", history=history)
    assert (found.broken, found.corrected) == ([], 1)


def test_an_end_whose_result_was_on_the_disk_is_never_unheard() -> None:
    """Nothing that strikes later excuses that it is not believed."""
    struck = [lost_at(111.0)]
    assert not judged([run(code=0)], "FAILED", outages=struck).broken
    assert promises(judged([run(code=0, result_at=110.5)], "FAILED", outages=struck).broken) == [WRONG]
    again = [run(code=0, result_at=110.5), run("cluster2", first=130, last=140)]
    assert promises(judged(again, "COMPLETED", restartable=True, outages=struck).broken) == [TWICE]


def test_a_result_that_came_after_the_restart_does_not_count() -> None:
    hung = Outage("hung", frozenset({"cluster1"}), 105.0, 150.0)
    again = [run(code=0, result_at=150.5), run("cluster2", first=130, last=140)]
    assert not judged(again, "COMPLETED", restartable=True, outages=[hung]).broken


def test_a_cancelled_one_whose_end_was_written_down_is_complete() -> None:
    assert promises(judged([run(result_at=110.2)], "CANCELLED", cancelled=True).broken) == [WRONG]
    assert not judged([run(result_at=110.2)], "COMPLETED", cancelled=True).broken
    assert not judged([run()], "CANCELLED", cancelled=True).broken, "it was killed before it could write it"
    killed = run(code=None, result_at=110.2)
    assert not judged([killed], "CANCELLED", cancelled=True).broken, "what its wrapper wrote is that it was killed"


def test_one_that_nobody_cancelled_is_not_cancelled() -> None:
    assert promises(judged([run(code=None)], "CANCELLED", outages=[lost_at(110.2)]).broken) == [WRONG]


def test_a_run_that_stood_still_before_its_zone_was_lost_was_not_ended_by_that() -> None:
    assert promises(judged([run(code=None)], "FAILED", outages=[lost_at(120.0)]).broken) == [LOST]


def test_a_slow_zone_is_no_frozen_one() -> None:
    """Only a freeze excuses that two live beside each other."""
    hung = Outage("hung", frozenset({"cluster1"}), 110.0, 160.0)
    thawed = Run("a", "cluster1", 0, [100.0, 109.5, 160.2, 161.0], 100.0)
    found = judged([thawed, run("cluster2", first=150, last=170)], "COMPLETED", restartable=True, outages=[hung])
    assert promises(found.broken) == [OVERLAP]
