"""An array's own state from its tasks', and what one record of the scheduler for many tasks says of each."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from tests.jobs.protocol.world import World, state

from tandem.accounts.models import Person
from tandem.clusters.models import ClusterState
from tandem.clusters.scheduler import Ending, Phase
from tandem.jobs.models import FINAL_STATES, Job, JobState, Placement, Task, new_placement_id
from tandem.jobs.tasks import task_counts
from tandem.jobs.verdict import merge

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ("COMPLETED COMPLETED", "COMPLETED"),
        ("COMPLETED FAILED CANCELLED TIMEOUT", "FAILED"),
        ("COMPLETED CANCELLED TIMEOUT", "TIMEOUT"),
        ("COMPLETED CANCELLED", "CANCELLED"),
        ("FAILED PENDING", "PENDING"),
        ("FAILED ACCEPTED", "ACCEPTED"),
        ("COMPLETED UNKNOWN PENDING ACCEPTED", "UNKNOWN"),
        ("COMPLETED SUSPENDED PENDING", "SUSPENDED"),
        ("FAILED CANCELLED UNKNOWN RUNNING", "RUNNING"),
    ],
)
def test_a_job_is_over_when_all_its_tasks_are_and_as_bad_as_the_worst(tasks: str, expected: str) -> None:
    states = [JobState(one) for one in tasks.split()]
    assert merge(states) == merge(states[::-1]) == expected
    assert (expected in FINAL_STATES) is all(one in FINAL_STATES for one in states)


def run_of(world: World, job: Job, task: int) -> str:
    """Where a task's run says what it is, once it has claimed it."""
    placement = world.placement(job)
    nonce = f"{task:08x}-0000"
    directory = world.real(job.control_path)
    (directory / f"claim.{task}.0").symlink_to(f"run:cluster1:{placement.pk}:1:{nonce}")
    return nonce


def end(world: World, job: Job, task: int, nonce: str, code: int) -> None:
    (world.real(job.control_path) / f"result.{task}.0").write_text(f"1 {nonce} 1000 1060 {code} -\t\n")


def test_a_running_array_has_no_exit_code_yet_and_tells_of_what_runs_first(world: World, ada: Person) -> None:
    job = world.submit(ada, array="0-1")
    world.dispatch()
    waits = world.clusters["cluster1"].jobs[1]
    world.clusters["cluster1"].jobs[2] = replace(waits, raw_id="2", task=0, phase=Phase.RUNNING)
    nonces = [run_of(world, job, task) for task in (0, 1)]
    end(world, job, 0, nonces[0], 3)
    world.poll()
    assert state(job) == "RUNNING"
    assert job.exit_code is None
    end(world, job, 1, nonces[1], 0)
    world.poll()
    assert (state(job), job.exit_code, job.reason) == ("FAILED", 3, "exit code 3")
    assert all(Task.objects.values_list("ended_at", flat=True))


def test_an_array_that_its_owner_cancelled_as_a_whole_while_it_waited_is_cancelled(world: World, ada: Person) -> None:
    """The scheduler keeps one record for all its tasks."""
    job = world.submit(ada, array="0-2")
    world.dispatch()
    world.poll()
    world.clusters["cluster1"].cancelled_by_uids = frozenset({ada.uid or 0})
    world.clusters["cluster1"].end(1, Ending.CANCELLED)
    world.pass_time(60)
    world.poll_until(job, "CANCELLED")
    assert all(claim.startswith("closed:cancel:") for claim in world.claims(job).values())
    assert len(world.claims(job)) == 3


def test_where_each_task_waits_is_told_cluster_by_cluster(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="any", array="0-3")
    world.dispatch()
    world.poll()
    job.placements.update(cluster="cluster1", array="0-1")
    second = world.placement(job)
    second.pk, second.cluster, second.array = new_placement_id(job.pk), "cluster2", "2-3"
    second.save(force_insert=True)
    Job.objects.update(state=JobState.RUNNING)
    job.refresh_from_db()
    assert task_counts(job) == {"PENDING": 4}
    world.set_state("cluster2", ClusterState.SUSPECT)
    assert task_counts(job) == {"PENDING": 2, "UNKNOWN": 2}


def test_what_a_completed_task_left_is_looked_for_before_it_goes_out_again(world: World, ada: Person) -> None:
    """One zone sees what another wrote some seconds later; the rest of the array has waited for long meanwhile."""
    job, fake = world.submit(ada, array="0-1"), world.clusters["cluster1"]
    world.dispatch()
    world.poll()
    Placement.objects.update(state_since=timezone.now() - timedelta(hours=1))
    fake.jobs[2] = replace(
        fake.jobs[1], raw_id="2", task=0, phase=Phase.ENDED, ending=Ending.COMPLETED, state="COMPLETED", exit_code=0
    )
    world.poll()
    job.refresh_from_db()
    assert job.place_wanted is None
    end(world, job, 0, run_of(world, job, 0), 0)
    world.poll()
    assert [(task.index, task.state) for task in job.tasks.all()] == [(0, "COMPLETED")]
