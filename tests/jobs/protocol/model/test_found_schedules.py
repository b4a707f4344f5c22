"""Schedules that once broke a promise."""

from collections.abc import Iterator

import pytest
from tests.jobs.protocol.model.world import World, a_world, in_its_own_time

from tandem.jobs import actions
from tandem.jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with in_its_own_time(monkeypatch), a_world() as made:
        yield made


def stand_still_at(world: World, where: str) -> None:
    """The one turn goes on until it is there."""
    (turn,) = world.turns
    while not turn.where.startswith(where):
        world.go_on(turn, 0)


def test_a_worker_that_stood_still_before_it_looked_does_not_take_its_own_sleep_for_the_jobs(world: World) -> None:
    """The scheduler lost sight of a run that lives; of what a sleepy worker saw, another concluded that it was dead."""
    world.submit(cluster="cluster1")
    world.work(4, finish=False)
    (run,) = world.active_runs()
    world.clusters["cluster1"].node_fails(run, lives_on=True)
    world.poll(0, "cluster1", 0)
    stand_still_at(world, "control is on its way")
    world.pass_time(75)
    world.go_on(world.turns[0])
    for _ in range(2):
        world.pass_time(1)
        for _ in range(3):
            world.poll(1, "cluster1")
    world.ledger.check()
    assert run.active
    world.heal()


def test_a_cancelled_run_on_a_node_that_is_cut_off_is_not_over(world: World) -> None:
    """Neither its scheduler nor the storage sees it; its own result says in the end that it was cancelled."""
    job = world.submit(cluster="cluster1")
    world.work(4, finish=False)
    (run,) = world.active_runs()
    cluster = world.clusters["cluster1"]
    cluster.node_fails(run, lives_on=True)
    cluster.storage_hangs = True
    world.poll(0, "cluster1")
    world.wish(actions.cancel_job, job)
    for _ in range(25):
        world.pass_time(4)
        world.poll(0, "cluster1")
        world.poll(0, "cluster2")
        world.ledger.check()
    assert run.active
    assert "interrupted while it was being cancelled" in Job.objects.get().reason
    world.mend(cluster)
    for _ in range(40):
        world.work(4, finish=False)
        world.ledger.check()
    assert Job.objects.get().state == "CANCELLED"


def test_a_deaf_run_that_was_cancelled_out_of_its_schedulers_sight_says_so(world: World) -> None:
    job = world.submit(cluster="cluster1")
    world.work(4, finish=False)
    (run,) = world.active_runs()
    run.ignores_term = True
    world.clusters["cluster1"].node_fails(run, lives_on=True)
    world.wish(actions.cancel_job, job)
    for _ in range(10):
        world.work(4, finish=False)
        world.ledger.check()
    assert Job.objects.get().state == "CANCELLED"


def test_a_hold_that_arrives_after_its_release_is_undone(world: World) -> None:
    """A worker stood still with it, while another saw nothing that was to be released."""
    job = world.submit(cluster="cluster1")
    world.dispatch(0, "cluster1")
    world.poll(0, "cluster1")
    world.wish(actions.hold_job, job)
    world.poll(0, "cluster1", 0)
    stand_still_at(world, "hold is on its way")
    world.wish(actions.release_job, job)
    world.poll(1, "cluster1")
    world.go_on(world.turns[0])
    world.heal()
    assert Job.objects.get().state == "COMPLETED"
