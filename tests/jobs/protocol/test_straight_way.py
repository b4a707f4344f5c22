"""A job's way to a cluster and back when nothing goes wrong, and what is shown on it."""

import pytest
from tests.jobs.protocol.world import World, state

from tandem.accounts.models import Person
from tandem.clusters.models import ClusterState
from tandem.clusters.scheduler import Ending
from tandem.jobs.models import Event, JobState, Placement, Task

pytestmark = pytest.mark.django_db


def test_a_job_goes_from_accepted_to_completed(world: World, ada: Person) -> None:
    job = world.submit(ada)
    assert state(job) == "ACCEPTED"
    world.dispatch()
    assert state(job) == "PENDING"
    run = world.start(job)
    world.poll()
    assert state(job) == "RUNNING"
    run.finish(0)
    world.poll()
    assert state(job) == "COMPLETED"
    assert (job.exit_code, job.cluster) == (0, "cluster1")
    assert job.sealed_at is not None


def test_every_change_of_state_is_told(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    run.finish(0)
    world.poll()
    told = Event.objects.filter(job=job, kind="job.state").order_by("pk")
    assert [event.data["state"] for event in told] == ["ACCEPTED", "PENDING", "RUNNING", "COMPLETED"]


def test_a_failed_job_tells_its_last_words(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.start(job).finish(127, words="tandem: command not found on node1: nope\x1f")
    world.poll()
    assert state(job) == "FAILED"
    assert job.exit_code == 127
    assert "command not found on node1: nope" in job.reason


def test_a_final_state_is_said_only_when_no_run_can_start_any_more(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.start(job).finish(0)
    world.poll()
    assert world.claims(job)["claim.0.1"].startswith("closed:ended:")


def test_a_time_limit_is_told_from_a_failure(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    run.write_result(143, "TERM")
    world.poll()
    assert state(job) == "RUNNING", "who ended it, the scheduler has not said yet"
    run.end(143, Ending.TIMEOUT)
    world.poll()
    assert state(job) == "TIMEOUT"


def test_what_the_scheduler_says_of_a_waiting_job_is_shown(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.poll()
    assert state(job) == "PENDING"
    assert (job.scheduler_state, job.scheduler_reason) == ("PENDING", "Priority")


def test_a_polls_quiet_repetition_writes_nothing(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.poll()
    before = Event.objects.count(), Placement.objects.get(job=job).state_since
    world.poll()
    assert (Event.objects.count(), Placement.objects.get(job=job).state_since) == before


def test_for_any_cluster_equal_ones_take_turns(world: World, ada: Person) -> None:
    for _ in range(6):
        world.submit(ada, cluster="any")
    world.dispatch()
    sent = {name: len(fake.submissions) for name, fake in world.clusters.items()}
    assert sent == {"cluster1": 3, "cluster2": 3}


def test_any_takes_what_is_up(world: World, ada: Person) -> None:
    world.set_state("cluster1", ClusterState.DOWN)
    job = world.submit(ada, cluster="any")
    world.dispatch()
    assert (state(job), job.cluster) == ("PENDING", "cluster2")


def test_a_path_on_one_clusters_scratch_decides(world: World, ada: Person) -> None:
    for _ in range(3):
        world.submit(ada, cluster="any", executable="/fsx_cluster2/run")
    world.dispatch()
    assert not world.clusters["cluster1"].submissions
    assert len(world.clusters["cluster2"].submissions) == 3


@pytest.mark.parametrize(
    ("options", "is_there"),
    [
        ("/fsx_cluster2", True),
        ("--data=/fsx_cluster2/set,/efs/other", True),
        ("-o out >/fsx_cluster2/log", True),
        ("'/fsx_cluster2/a b'", True),
        ("/efs/fsx_cluster2 /fsx_cluster2x --name=fsx_cluster2", False),
    ],
)
def test_a_path_among_the_options_decides_too(world: World, ada: Person, options: str, is_there: bool) -> None:
    for _ in range(3):
        world.submit(ada, cluster="any", executable="run", options=options)
    world.dispatch()
    assert (not world.clusters["cluster1"].submissions) is is_there


def test_task_rows_tell_who_runs_what(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    task = Task.objects.get(job=job)
    assert (task.index, task.owner_id, task.state) == (0, run.placement, JobState.RUNNING)
