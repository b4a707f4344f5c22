"""Arrays with tasks on both clusters: each is judged by what the very cluster says that has it."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.jobs.protocol.model.cluster import FakeCluster
from tests.jobs.protocol.model.machine import TROUBLES
from tests.jobs.protocol.model.world import NAMES, World, a_world, in_its_own_time
from tests.jobs.protocol.world import ENVIRONMENT

from tandem.jobs.models import Job, Placement
from tandem.jobs.tasks import task_counts, task_page

pytestmark = pytest.mark.django_db

PATIENCE = ENVIRONMENT.clusters[0].queues[0].hedge_after
Places = tuple[Job, FakeCluster, FakeCluster]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with in_its_own_time(monkeypatch), a_world() as made:
        yield made


def watch(world: World, seconds: float) -> None:
    """So much time passes, with polls every few seconds; nothing shown meanwhile is untrue."""
    period = 4 if seconds < 40 else 8
    for _ in range(int(seconds / period)):
        world.pass_time(period)
        for name in NAMES:
            world.poll(0, name)
        world.ledger.check()


def step(world: World) -> None:
    for _ in range(12):
        for run in world.all_runs():
            run.step()


def place(world: World, **fields: Any) -> Places:
    """An array on one cluster; that and the other one."""
    job = world.submit(**{"cluster": "any", **fields})
    dispatch(world)
    here = world.clusters[Placement.objects.get().cluster]
    return job, here, next(one for one in world.clusters.values() if one is not here)


def dispatch(world: World) -> None:
    for name in NAMES:
        world.dispatch(0, name)


def split(world: World) -> Places:
    """Of three tasks one runs on one cluster, which is cut off, and two on the other."""
    job, here, there = place(world, array="0-2")
    here.start_waiting(1)
    step(world)
    watch(world, 4)
    here.cut = True
    watch(world, 48)
    dispatch(world)
    there.start_waiting(2)
    step(world)
    watch(world, 8)
    return job, here, there


def states(job: Job) -> list[str]:
    job.refresh_from_db()
    return [str(line.state) for line in task_page(job, 100).lines]


def test_what_one_cluster_says_of_its_tasks_counts_while_the_job_is_the_others(world: World) -> None:
    job, here, there = split(world)
    here.cut = False
    watch(world, 40)
    assert states(job) == ["RUNNING"] * 3
    limited, other = there.runs[-2:]
    there.reach_limit(limited)
    step(world)
    watch(world, 12)
    assert states(job)[limited.task] == "TIMEOUT"
    TROUBLES["a run is out of memory"](world, there, there.runs.index(other))
    watch(world, 60)
    assert states(job)[other.task] == "FAILED"
    assert "signal 9" in task_page(job, 100).lines[other.task].reason
    assert Job.objects.get().state == "RUNNING"
    world.heal()
    assert Job.objects.get().state == "FAILED"


def test_only_what_a_silent_cluster_has_is_unknown(world: World) -> None:
    job, here, there = split(world)
    for _ in range(4):
        for name in (here.name, there.name, here.name):
            world.poll(0, name)
            assert states(job) == ["UNKNOWN", "RUNNING", "RUNNING"]
            assert job.state == "RUNNING"
        world.pass_time(4)
    for run in there.runs:
        run.finish(0)
    step(world)
    watch(world, 8)
    assert states(job) == ["UNKNOWN", "COMPLETED", "COMPLETED"]
    assert (job.state, job.reason) == ("UNKNOWN", f"{here.name} does not answer")
    world.heal()
    assert states(job) == ["COMPLETED"] * 3


def test_no_running_task_is_shown_as_such_when_nobody_answers(world: World) -> None:
    job, _, there = split(world)
    there.cut = True
    watch(world, 20)
    assert states(job) == ["UNKNOWN"] * 3
    assert job.state == "UNKNOWN"


def test_a_task_that_waits_on_a_silent_cluster_is_unknown_and_others_wait(world: World) -> None:
    job, here, _ = place(world, cluster="cluster1", array="0-2")
    here.start_waiting(1)
    step(world)
    watch(world, 8)
    assert states(job) == ["RUNNING", "PENDING", "PENDING"]
    assert task_counts(job) == {"PENDING": 2, "RUNNING": 1}
    here.cut = True
    watch(world, 20)
    assert task_counts(job) == {"UNKNOWN": 3}


def test_a_late_result_corrects_an_interrupted_task_while_others_run(world: World) -> None:
    job, here, _ = split(world)
    here.cut = False
    watch(world, 40)
    (run,) = here.runs[:1]
    here.storage_hangs = True
    here.node_fails(run, lives_on=True)
    run.finish(0)
    watch(world, 120)
    assert states(job)[run.task] == "FAILED"
    assert "interrupted" in task_page(job, 100).lines[run.task].reason
    here.storage_is_back(deliver=True)
    step(world)
    watch(world, 12)
    assert states(job) == ["COMPLETED", "RUNNING", "RUNNING"]
    assert task_page(job, 100).lines[run.task].reason == ""
    world.heal()
    assert Job.objects.get().state == "COMPLETED"


def test_an_interrupted_task_is_corrected_after_the_job_was_over(world: World) -> None:
    job, here, there = split(world)
    here.cut = False
    watch(world, 40)
    (run,) = here.runs[:1]
    here.storage_hangs = True
    here.node_fails(run, lives_on=True)
    run.finish(0)
    for other in list(there.runs):
        other.finish(0)
        step(world)
    watch(world, 300)
    assert states(job) == ["FAILED", "COMPLETED", "COMPLETED"]
    assert job.state == "FAILED"
    here.storage_is_back(deliver=True)
    step(world)
    watch(world, 120)
    assert states(job) == ["COMPLETED"] * 3
    assert job.state == "COMPLETED"


def test_looking_in_vain_does_not_end_the_wait_for_a_late_result(world: World) -> None:
    job = world.submit(cluster="cluster1")
    world.work(4, finish=False)
    (run,) = world.active_runs()
    cluster = world.clusters["cluster1"]
    cluster.storage_hangs = True
    cluster.node_fails(run, lives_on=True)
    run.finish(0)
    watch(world, 400)
    job.refresh_from_db()
    assert job.state == "FAILED"
    cluster.storage_is_back(deliver=True)
    step(world)
    watch(world, 120)
    job.refresh_from_db()
    assert job.state == "COMPLETED"


@pytest.mark.parametrize("running", [0, 1])
@pytest.mark.parametrize("trouble", ["lacks nodes", "takes long"])
def test_the_tasks_that_wait_get_a_second_placement_also_when_others_run(
    world: World, running: int, trouble: str
) -> None:
    job, here, there = place(world, array="0-3")
    here.start_waiting(running)
    step(world)
    watch(world, 8)
    here.no_capacity = trouble == "lacks nodes"
    if trouble == "takes long":
        world.pass_time(PATIENCE)
        watch(world, 40)
    watch(world, 12)
    dispatch(world)
    second = Placement.objects.get(cluster=there.name)
    assert second.array == ("1-3" if running else "0-3")
    there.start_waiting(4)
    step(world)
    watch(world, 8)
    assert states(job) == ["RUNNING"] * 4
    world.heal()
    assert states(job) == ["COMPLETED"] * 4
    assert Placement.objects.count() == 2


def test_a_task_that_could_not_start_goes_out_again_while_others_run(world: World) -> None:
    job, here, _ = place(world, cluster="cluster1", array="0-1")
    here.start_waiting(2)
    first, second = here.runs
    first.leave(114)  # its node has lost the storage
    for _ in range(8):
        second.step()
    for _ in range(20):
        watch(world, 4)
        dispatch(world)
    assert Placement.objects.count() == 2
    here.start_waiting(1)
    step(world)
    watch(world, 8)
    assert states(job) == ["RUNNING", "RUNNING"]
    world.heal()


def test_a_task_that_ended_unseen_is_found_in_the_history(world: World) -> None:
    """The scheduler has forgotten it by the time that somebody looks again, and still has other tasks."""
    job, here, _ = place(world, cluster="cluster1", array="0-1")
    here.start_waiting(2)
    step(world)
    watch(world, 8)
    here.cut = True
    watch(world, 60)
    TROUBLES["a node fails"](world, here, 0)
    world.pass_time(400)
    here.cut = False
    watch(world, 200)
    assert states(job) == ["FAILED", "RUNNING"]
    world.heal()


def test_who_cancels_one_waiting_task_cancels_no_other(world: World) -> None:
    job, here, _ = place(world, cluster="cluster1", array="0-2")
    here.start_waiting(1)
    step(world)
    watch(world, 8)
    (entry,) = here.entries.values()
    world.ledger.wished_tasks.add((str(job.pk), 2))
    here.cancel_task(entry, 2)
    watch(world, 12)
    assert states(job) == ["RUNNING", "PENDING", "CANCELLED"]
    assert job.cancel_wanted_at is None
    world.heal()
    assert states(job) == ["COMPLETED", "COMPLETED", "CANCELLED"]
    assert job.state == "CANCELLED"


def test_a_task_that_the_scheduler_cancels_goes_out_again(world: World) -> None:
    job, here, _ = place(world, cluster="cluster1", array="0-2")
    here.start_waiting(1)
    step(world)
    watch(world, 8)
    (entry,) = here.entries.values()
    here.cancel_task(entry, 2, by_root=True)
    for _ in range(10):
        watch(world, 4)
        dispatch(world)
    assert Placement.objects.latest("created_at").array == "2"
    world.heal()
    assert states(job) == ["COMPLETED"] * 3


def test_a_task_is_not_over_before_its_claims_are_closed(world: World) -> None:
    job, here, there = place(world, cluster="cluster1", array="0-1")
    here.start_waiting(2)
    step(world)
    watch(world, 8)
    here.runs[0].finish(0)
    step(world)
    world.poll(0, here.name, 0)
    (turn,) = world.turns
    while not turn.where.startswith("the answer to control"):
        world.go_on(turn, 0)
    here.storage_lost = there.storage_lost = True
    world.go_on(turn)
    assert states(job) == ["RUNNING", "RUNNING"]
    here.storage_lost = there.storage_lost = False
    watch(world, 8)
    assert states(job) == ["COMPLETED", "RUNNING"]
    assert world.files.truth(job.control_path, "claim.0.1").startswith("closed:")


def test_by_whom_a_task_was_cancelled_is_asked_however_long_its_array_has_gone_on(world: World) -> None:
    """The accounting database learns of a cancel later than the scheduler, and may be away."""
    job, here, _ = place(world, cluster="cluster1", array="0-2")
    here.start_waiting(1)
    step(world)
    world.pass_time(2 * 3600)
    watch(world, 12)
    (entry,) = here.entries.values()
    world.ledger.wished_tasks.add((str(job.pk), 2))
    here.history_down = True
    here.cancel_task(entry, 2)
    watch(world, 40)
    assert Job.objects.get().place_wanted is None
    here.history_down = False
    watch(world, 12)
    assert states(job) == ["RUNNING", "PENDING", "CANCELLED"]
