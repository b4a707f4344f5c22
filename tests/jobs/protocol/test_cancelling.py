"""Cancelling, holding, releasing: wishes that are kept until they are true."""

import uuid

import pytest
from tests.jobs.protocol.world import TIMES, World, state, wait_out

from tandem.accounts.models import Person
from tandem.clusters.errors import ClusterUnreachable
from tandem.clusters.models import ClusterState
from tandem.clusters.scheduler import Ending
from tandem.jobs import actions, who_cancelled
from tandem.jobs.models import Job
from tandem.jobs.who_cancelled import ASK_FOR

pytestmark = pytest.mark.django_db


def test_a_job_on_no_cluster_yet_is_cancelled_and_never_goes_out(world: World, ada: Person) -> None:
    job = world.submit(ada)
    actions.cancel_job(job, ada)
    assert job.is_cancelling
    world.dispatch()
    world.poll()
    assert state(job) == "CANCELLED"
    assert world.claims(job)["claim.0.0"].startswith("closed:cancel:")
    assert not world.clusters["cluster1"].submissions


def test_a_waiting_job_is_cancelled_on_its_cluster_too(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.poll()
    actions.cancel_job(job, ada)
    world.poll()
    assert state(job) == "CANCELLED"
    assert [placement for _, placement in world.clusters["cluster1"].cancelled] == [world.placement(job).pk]


def test_cancel_leaves_a_claim_when_the_cluster_is_silent(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.poll()
    world.clusters["cluster1"].silent = True
    world.poll()
    assert state(job) == "UNKNOWN"
    actions.cancel_job(job, ada)
    world.poll("cluster2")
    assert state(job) == "CANCELLED", "no run of it can start any more, wherever its cluster is"
    assert world.claims(job)["claim.0.0"].startswith("closed:cancel:")
    assert not world.clusters["cluster1"].cancelled
    world.clusters["cluster1"].silent = False
    world.set_state("cluster1", ClusterState.UP)
    world.poll()
    assert world.clusters["cluster1"].cancelled, "and what is left of it there is ended as soon as it answers"


def test_a_running_job_is_cancelled_only_once_it_is_gone(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    world.clusters["cluster1"].silent = True
    world.poll()
    actions.cancel_job(job, ada)
    world.poll("cluster2")
    world.pass_time(3600)
    world.poll("cluster2")
    assert state(job) == "UNKNOWN", "its claim is closed, and yet it may run"
    assert world.claims(job)["claim.0.1"].startswith("closed:cancel:")
    world.clusters["cluster1"].silent = False
    world.set_state("cluster1", ClusterState.UP)
    world.poll()
    run.write_result(143, "TERM")
    world.poll()
    assert state(job) == "CANCELLED"


def test_a_run_that_its_heartbeat_ended_leaves_no_result_and_is_gone_after_a_while(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.start(job)
    world.poll()
    actions.cancel_job(job, ada)
    world.poll()
    assert state(job) == "RUNNING"
    assert job.is_cancelling
    wait_out(world, TIMES.self_fence + 1)
    assert state(job) == "CANCELLED"


@pytest.mark.parametrize("forgets", [False, True])
def test_a_run_that_its_cluster_lost_sight_of_is_not_cancelled_before_it_says_so(
    world: World, ada: Person, forgets: bool
) -> None:
    """Its node is cut off, and it may live there: neither the scheduler's word nor its silence is evidence."""
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    if forgets:
        world.clusters["cluster1"].forget()
    else:
        run.end(ending=Ending.LOST_NODE)
    actions.cancel_job(job, ada)
    for _ in range(3):
        world.poll()
    wait_out(world, TIMES.self_fence + 1)
    assert state(job) in ("RUNNING", "UNKNOWN")
    wait_out(world, TIMES.take_over + 1)
    assert state(job) == "FAILED"
    assert "interrupted while it was being cancelled" in job.reason
    run.write_result(143, "TERM")
    world.poll_until(job, "CANCELLED", turns=40)


def test_a_restartable_run_is_cancelled_once_it_has_fenced_itself(world: World, ada: Person) -> None:
    """The scheduler had put it back into the queue, and speaks of that: the run itself may still be there."""
    job = world.submit(ada, restartable=True)
    world.dispatch()
    run = world.start(job)
    world.poll()
    actions.cancel_job(job, ada)
    world.poll()
    run.end(ending=Ending.CANCELLED)
    wait_out(world, TIMES.self_fence + 1)
    assert state(job) == "RUNNING"
    wait_out(world, TIMES.take_over + 1)
    assert state(job) == "CANCELLED"


def test_a_restartable_payload_that_calls_it_a_success_to_have_saved_its_state_is_cancelled(
    world: World, ada: Person
) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    run = world.start(job)
    world.poll()
    actions.cancel_job(job, ada)
    world.poll()
    run.write_result(0, "TERM")
    world.poll()
    assert state(job) == "CANCELLED"


def test_a_cancel_that_a_restored_database_forgot_is_still_one(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    actions.cancel_job(job, ada)
    world.poll()
    Job.objects.filter(pk=job.pk).update(cancel_wanted_at=None, cancel_wanted_by=None)
    run.finish(143, "TERM")
    world.poll()
    assert state(job) == "CANCELLED"


def test_a_job_that_completed_before_the_cancel_reached_it_is_completed(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    run.finish(0)
    actions.cancel_job(job, ada)
    world.poll()
    assert state(job) == "COMPLETED"


def test_a_refused_scancel_is_asked_for_at_every_poll(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.start(job)
    world.poll()
    fake = world.clusters["cluster1"]
    fake.cancel = lambda user, placement, owner=None: fake.cancelled.append((user, placement))  # type: ignore[method-assign]
    actions.cancel_job(job, ada)
    for _ in range(3):
        world.poll()
    assert len(fake.cancelled) == 3


def test_an_administrator_cancels_as_administrator(world: World, ada: Person, chief: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.start(job)
    world.poll()
    actions.cancel_job(job, chief)
    world.poll()
    assert world.clusters["cluster1"].cancelled[0][0] == "chief"


def test_what_a_person_ends_on_the_cluster_itself_does_not_go_out_again(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.poll()
    world.clusters["cluster1"].end(world.scheduler_job(job), Ending.CANCELLED)
    world.poll()
    world.dispatch()
    assert state(job) == "PENDING", "the accounting database does not know yet by whom"
    world.clusters["cluster1"].cancelled_by_uids = frozenset({ada.uid})
    world.poll()
    world.poll()
    world.dispatch()
    assert state(job) == "CANCELLED"
    assert len(world.clusters["cluster1"].submissions) == 1


def test_what_the_scheduler_itself_cancels_before_it_started_goes_out_again(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.poll()
    fake = world.clusters["cluster1"]
    fake.end(world.scheduler_job(job), Ending.CANCELLED)
    fake.cancelled_by_uids = frozenset({0})  # a node said that it has a job of the same id already
    world.poll()
    world.pass_time(TIMES.visibility + 1)
    world.poll()
    world.dispatch()
    assert state(job) == "PENDING"
    assert len(fake.submissions) == 2


def test_a_cancel_of_which_nobody_says_by_whom_is_taken_for_nobodys_wish_in_the_end(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.poll()
    fake = world.clusters["cluster1"]
    fake.end(world.scheduler_job(job), Ending.CANCELLED)
    world.poll()
    world.pass_time(ASK_FOR.total_seconds() - 60)
    world.poll()
    world.dispatch()
    assert len(fake.submissions) == 1
    world.pass_time(120)
    world.poll()
    world.poll()
    world.dispatch()
    assert len(fake.submissions) == 2
    assert state(job) == "PENDING"


def test_by_whom_many_were_cancelled_is_asked_once_for_each_owner(world: World, ada: Person, bob: Person) -> None:
    jobs = [world.submit(ada) for _ in range(5)] + [world.submit(bob) for _ in range(3)]
    world.dispatch()
    world.poll()
    fake = world.clusters["cluster1"]
    for job in jobs:
        fake.end(world.scheduler_job(job), Ending.CANCELLED)
    fake.cancelled_by_uids = frozenset({ada.uid})
    world.poll()
    assert sorted(fake.inquiries) == [("ada", 5), ("bob", 3)]
    world.poll()
    assert [state(job) for job in jobs[:5]] == ["CANCELLED"] * 5
    assert [state(job) for job in jobs[5:]] == ["PENDING"] * 3, "what ada ends is no wish of bob's"


def test_a_pass_asks_only_so_often_and_leaves_the_others_for_later(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(who_cancelled, "PLACEMENTS_PER_CALL", 2)
    monkeypatch.setattr(who_cancelled, "CALLS", 1)
    jobs = [world.submit(ada) for _ in range(6)]
    world.dispatch()
    world.poll()
    fake = world.clusters["cluster1"]
    fake.cancelled_by_uids = frozenset({ada.uid})
    for job in jobs:
        fake.end(world.scheduler_job(job), Ending.CANCELLED)
    for turn in range(1, 4):
        world.poll()
        assert fake.inquiries == [("ada", 2)] * turn
    world.poll()
    assert {state(job) for job in jobs} == {"CANCELLED"}


def test_an_accounting_database_that_is_silent_is_asked_once_a_pass(
    world: World, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(who_cancelled, "AT_ONCE", 1)
    jobs = [world.submit(ada), world.submit(bob)]
    world.dispatch()
    world.poll()
    fake = world.clusters["cluster1"]
    asked = []

    def no_answer(user: str, placements: object) -> dict[uuid.UUID, frozenset[int]]:
        asked.append(user)
        raise ClusterUnreachable("the accounting database does not answer")

    monkeypatch.setattr(fake, "cancelled_by", no_answer)
    for job in jobs:
        fake.end(world.scheduler_job(job), Ending.CANCELLED)
    world.poll()
    assert len(asked) == 1
    assert [state(job) for job in jobs] == ["PENDING"] * 2


def test_a_job_that_is_over_cannot_be_cancelled(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.start(job).finish(0)
    world.poll()
    job.refresh_from_db()
    with pytest.raises(actions.ActionRefused):
        actions.cancel_job(job, ada)


def test_a_hold_whose_answer_was_lost_is_released_again(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    actions.hold_job(job, ada)
    world.clusters["cluster1"].lose_answers = 1
    world.poll()
    actions.release_job(job, ada)
    world.poll()
    assert [verb for verb, _ in world.clusters["cluster1"].verbs] == ["hold", "release"]


def test_a_held_job_does_not_go_out_and_a_waiting_one_is_held(world: World, ada: Person) -> None:
    held, waiting = world.submit(ada), world.submit(ada)
    actions.hold_job(held, ada)
    world.dispatch()
    assert state(held) == "ACCEPTED"
    actions.hold_job(waiting, ada)
    world.poll()
    actions.release_job(waiting, ada)
    world.poll()
    assert [verb for verb, _ in world.clusters["cluster1"].verbs] == ["hold", "release"]
    actions.release_job(held, ada)
    world.dispatch()
    assert state(held) == "PENDING"


def test_a_requeue_that_is_wished_while_the_cluster_is_silent_is_asked_for_when_it_answers(
    world: World, ada: Person
) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    world.start(job)
    world.poll()
    cluster = world.clusters["cluster1"]
    cluster.silent = True
    world.poll()
    assert state(job) == "UNKNOWN"
    actions.requeue_job(job, ada)
    world.poll()
    world.poll("cluster2")
    assert not cluster.verbs
    assert job.requeue_wanted_at is not None
    cluster.silent = False
    world.set_state("cluster1", ClusterState.UP)
    world.poll()
    world.poll()
    assert cluster.verbs == [("requeue", "ada")]
    job.refresh_from_db()
    assert job.requeue_wanted_at is None
