"""What was wished for a job and is not done yet is told as it is, also while a cluster is silent."""

from typing import Any

import pytest
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs import actions
from tandem.jobs.models import Event, Job, JobState, Placement, PlacementState, new_placement_id
from tandem.jobs.wish_words import wishes


def told(job: Job, *silent: str) -> list[str]:
    job.refresh_from_db()
    return [str(wish) for wish in wishes(job, list(job.placements.order_by("cluster")), silent)]


@pytest.fixture
def job(ada: Person, make_job: Any) -> Job:
    """One that waits on cluster1."""
    made: Job = make_job(ada, state=JobState.PENDING, cluster="cluster1", restartable=True)
    Placement.objects.create(
        id=new_placement_id(made.pk),
        job=made,
        cluster="cluster1",
        state=PlacementState.SUBMITTED,
        phase="waiting",
        state_since=timezone.now(),
    )
    return made


def running(job: Job, state: str = "RUNNING") -> None:
    Job.objects.update(state=state, started_at=timezone.now())
    Placement.objects.update(phase="running")
    job.refresh_from_db()


def test_nothing_wished_is_nothing_told(job: Job) -> None:
    assert told(job, "cluster1") == []


def test_a_cancel_says_what_may_still_happen_on_a_silent_cluster(job: Job, ada: Person) -> None:
    actions.cancel_job(job, ada)
    assert told(job, "cluster1") == ["Cancelling: may still start while cluster1 is silent"]
    assert told(job)[0].startswith("Cancelling: it counts as cancelled once it is certain")
    running(job)
    assert told(job, "cluster1") == ["Cancelling: may still run while cluster1 is silent"]
    Job.objects.update(state=JobState.CANCELLED)
    assert told(job, "cluster1") == []


def test_a_hold_says_whether_the_cluster_knows_of_it(job: Job, ada: Person) -> None:
    actions.hold_job(job, ada)
    assert told(job, "cluster1") == ["Held: may still start while cluster1 is silent"]
    assert told(job) == ["Held: cluster1 is being told"]
    Placement.objects.update(held=True)
    assert told(job, "cluster1") == ["Held: it does not start before it is released"]


def test_a_release_says_whether_the_cluster_knows_of_it(job: Job, ada: Person) -> None:
    actions.hold_job(job, ada)
    Placement.objects.update(held=True)
    actions.release_job(job, ada)
    assert told(job, "cluster1") == ["Released: cluster1 is silent and will be told"]
    Placement.objects.update(held=False)
    assert told(job, "cluster1") == []


def test_a_requeue_is_taken_while_the_cluster_is_silent(job: Job, ada: Person) -> None:
    running(job, "UNKNOWN")
    actions.requeue_job(job, ada)
    assert told(job, "cluster1") == ["To start again: cluster1 is silent and will be told"]


@pytest.mark.parametrize("verb", [actions.hold_job, actions.requeue_job, actions.cancel_job])
def test_asking_twice_is_asking_once(job: Job, ada: Person, verb: Any) -> None:
    if verb is actions.requeue_job:
        running(job)
    for _ in range(3):
        verb(job, ada)
    assert Event.objects.exclude(kind="job.state").count() == 1


def test_releasing_what_nobody_holds_is_no_event(job: Job, ada: Person) -> None:
    actions.release_job(job, ada)
    assert not Event.objects.exclude(kind="job.state").exists()


@pytest.mark.parametrize("verb", [actions.hold_job, actions.release_job])
def test_what_is_being_cancelled_is_neither_held_nor_released(job: Job, ada: Person, verb: Any) -> None:
    actions.cancel_job(job, ada)
    with pytest.raises(actions.ActionRefused, match="being cancelled"):
        verb(job, ada)
