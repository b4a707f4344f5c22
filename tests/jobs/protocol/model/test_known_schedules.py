"""Schedules of which each needs one safeguard: without it a promise breaks (see test_mutants_are_caught.py)."""

from collections.abc import Iterator

import pytest
from tests.jobs.protocol.model.world import World, a_world, in_its_own_time

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with in_its_own_time(monkeypatch), a_world() as made:
        yield made


def run_of(world: World) -> None:
    """The run that was started last goes as far as it can."""
    run = [run for cluster in world.clusters.values() for run in cluster.runs][-1]
    for _ in range(12):
        run.step()


def test_claim(world: World) -> None:
    """A submission that was given up arrives after all, and both placements are started."""
    cluster = world.clusters["cluster1"]
    cluster.fails.append("late")
    world.submit(cluster="cluster1")
    world.dispatch(0, "cluster1")
    for _ in range(4):
        world.work(4, finish=False)
    assert world.active_runs(), "it was placed again, and runs"
    world.deliver_late(0)
    cluster.start_waiting()
    run_of(world)
    world.heal()


def test_look_up(world: World) -> None:
    """The answer to a submission gets lost."""
    world.clusters["cluster1"].fails.append("answer lost")
    world.submit(cluster="cluster1")
    world.dispatch(0, "cluster1")
    world.ledger.check()
    world.heal()


def test_no_requeue(world: World) -> None:
    """An operator has the scheduler put everything that runs back into the queue."""
    world.submit(cluster="cluster1")
    world.work(4, finish=False)
    assert world.active_runs()
    for entry in world.clusters["cluster1"].entries.values():
        world.clusters["cluster1"].put_back(entry)
    world.heal()


def test_self_fence(world: World) -> None:
    """A restartable run goes on where nothing is seen of it, and its successor takes over."""
    world.submit(cluster="any", restartable=True)
    world.work(4, finish=False)
    (run,) = world.active_runs()
    run.zone.storage_hangs = run.zone.cut = True
    while len(world.ledger.starts[run.key]) == 1:
        world.work(8, finish=False)
        assert world.seconds < 2e9, "nobody takes over"
    world.ledger.check()
    world.heal()


def test_compare_and_swap(world: World) -> None:
    """A worker stands still between looking and writing down, and meanwhile the job ends."""
    world.submit(cluster="cluster1")
    world.dispatch(0, "cluster1")
    world.clusters["cluster1"].start_waiting()
    run_of(world)
    world.poll(0, "cluster1", 0)
    (turn,) = world.turns
    while not turn.where.startswith("the answer to control"):
        world.go_on(turn, 0)
    for run in world.active_runs():
        run.finish(0)
    run_of(world)
    world.poll(1, "cluster1")
    world.ledger.check()
    world.go_on(turn)
    world.ledger.check()
    world.heal()
