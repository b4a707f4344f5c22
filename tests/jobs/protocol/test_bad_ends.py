"""Runs that end badly or fall silent: nothing is called failed or completed without evidence."""

import pytest
from tests.jobs.protocol.world import TIMES, World, state, wait_out

from tandem.accounts.models import Person
from tandem.clusters.models import ClusterState
from tandem.clusters.scheduler import Ending
from tandem.jobs.control import parse_result

pytestmark = pytest.mark.django_db


def test_an_interrupted_job_fails_only_after_its_heart_was_still_long_enough(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    run.end(ending=Ending.LOST_NODE)
    wait_out(world, TIMES.take_over - 10)
    assert state(job) == "RUNNING"
    world.pass_time(11)
    world.poll()
    assert state(job) == "FAILED"
    assert "interrupted" in job.reason
    assert world.claims(job)["claim.0.1"].startswith("closed:interrupted:")


def test_a_lost_job_whose_heart_went_on_for_a_while_is_noticed_when_it_stops(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    world.clusters["cluster1"].forget()
    for _ in range(4):
        run.beat()
        world.pass_time(TIMES.heartbeat)
        world.poll()
    assert state(job) == "UNKNOWN", "its heartbeat moves"
    wait_out(world, TIMES.take_over + 1)
    assert state(job) == "FAILED"
    assert "interrupted" in job.reason


def test_a_late_result_corrects_an_interrupted_job(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    run.end(ending=Ending.LOST_NODE)
    wait_out(world, TIMES.take_over + 1)
    assert state(job) == "FAILED"
    run.write_result(0)
    world.poll_until(job, "COMPLETED", turns=40)
    assert "interrupted" not in job.reason


def test_another_runs_result_does_not_count(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    run.nonce = "ffffffff-0000"
    run.write_result(0)
    world.poll()
    assert state(job) == "RUNNING"


def test_times_that_no_clock_shows_are_no_result() -> None:
    assert parse_result("1 00000001-0000 1000 999999999999 0 -\t") is None
    assert parse_result("1 00000001-0000 1000 9999999999 0 -\t") is not None


def test_a_second_start_of_the_same_placement_that_gave_way_says_nothing_of_the_first(
    world: World, ada: Person
) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    run.end(113)  # superseded: the scheduler started the wrapper again, and it found the claim taken
    run.beat()
    wait_out(world, TIMES.self_fence + 1)
    assert state(job) == "RUNNING"


def test_what_the_scheduler_says_of_a_run_without_result_counts_once_its_heart_is_still(
    world: World, ada: Person
) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    run.end(137)
    world.poll()
    assert state(job) == "RUNNING"
    wait_out(world, TIMES.self_fence + 1)
    assert (state(job), job.exit_code) == ("FAILED", 137)


def test_a_reading_that_slept_does_not_take_its_own_sleep_for_the_jobs(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    run.end(ending=Ending.LOST_NODE)
    world.poll()
    follower = world.followers["cluster1"]
    read = follower.door.run

    def slow(*args: object, **kwargs: object) -> object:
        answer = read(*args, **kwargs)  # type: ignore[arg-type]
        world.pass_time(TIMES.take_over * 3)
        return answer

    monkeypatch.setattr(follower, "door", type("Slow", (), {"run": staticmethod(slow)})())
    world.poll()
    assert state(job) == "RUNNING"


def test_a_job_that_never_gets_to_start_is_given_up_in_the_end(world: World, ada: Person) -> None:
    job = world.submit(ada)
    for _ in range(5):
        world.dispatch()
        world.clusters["cluster1"].end(world.scheduler_job(job), Ending.FAILED, 1)
        wait_out(world, TIMES.visibility + 1)
    assert state(job) == "FAILED"
    assert "5 times" in job.reason


def test_storage_that_is_away_for_long_uses_up_no_jobs_chances(world: World, ada: Person) -> None:
    job = world.submit(ada)
    for _ in range(8):
        world.dispatch()
        world.clusters["cluster1"].end(world.scheduler_job(job), Ending.FAILED, 114)
        world.poll()
    assert state(job) == "ACCEPTED"


def test_after_a_start_that_came_to_nothing_another_cluster_has_its_turn(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="any")
    seen = []
    for _ in range(3):
        world.dispatch()
        seen.append(world.placement(job).cluster)
        world.clusters[seen[-1]].end(world.scheduler_job(job, seen[-1]), Ending.FAILED, 114)
        world.poll(seen[-1])
    assert seen[0] != seen[1] != seen[2]


def test_an_end_that_is_seen_before_the_claim_is_not_taken_for_a_job_that_never_ran(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    hidden = run.path("claim").rename(run.path("claim").with_name("not-yet-visible"))
    run.finish(0)
    world.poll()
    world.dispatch()
    assert len(world.clusters["cluster1"].submissions) == 1
    hidden.rename(run.path("claim"))
    world.poll()
    assert state(job) == "COMPLETED"


def test_a_silent_clusters_jobs_are_unknown_and_not_dead(world: World, ada: Person) -> None:
    waiting, running = world.submit(ada), world.submit(ada)
    world.dispatch()
    world.start(running)
    world.poll()
    world.clusters["cluster1"].silent = True
    world.poll()
    assert {state(waiting), state(running)} == {"UNKNOWN"}
    assert "cluster1 does not answer" in running.reason
    world.clusters["cluster1"].silent = False
    world.set_state("cluster1", ClusterState.UP)
    world.poll()
    assert (state(waiting), state(running)) == ("PENDING", "RUNNING")


def test_a_job_that_ends_on_a_silent_cluster_is_completed_by_its_result(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    world.clusters["cluster1"].silent = True
    world.poll()
    run.write_result(0)
    world.poll("cluster2")
    assert state(job) == "COMPLETED"


def test_without_the_storage_nothing_is_said_and_nothing_goes_out_again(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.start(job)
    world.poll()
    world.storage_lost = True
    world.clusters["cluster1"].forget()
    for _ in range(4):
        wait_out(world, 600)
    world.dispatch()
    assert state(job) == "RUNNING"
    assert len(world.clusters["cluster1"].submissions) == 1


def test_a_disabled_persons_job_that_ended_is_unknown_until_it_can_be_read(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    Person.objects.update(is_active=False)
    world.owner_locked_out = True
    run.finish(0)
    world.poll()
    assert state(job) == "UNKNOWN"
    assert "account is disabled: how it ended is seen when that is enabled again" in job.reason
    Person.objects.update(is_active=True)
    world.owner_locked_out = False
    world.poll()
    assert state(job) == "COMPLETED"
