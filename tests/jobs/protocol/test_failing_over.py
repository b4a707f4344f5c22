"""A job for any cluster goes to another one when its cluster is lost, lacks nodes, or keeps it waiting for too long."""

from dataclasses import replace
from typing import Any

import pytest
from tests.jobs.protocol.world import ENVIRONMENT, TIMES, World, state

from tandem.accounts.models import Person
from tandem.clusters import watch
from tandem.clusters.models import Cluster, ClusterState
from tandem.clusters.scheduler import Ending, Phase
from tandem.jobs import actions
from tandem.jobs.models import FINAL_STATES, Job, PlacementState

pytestmark = pytest.mark.django_db

BOTH = ("cluster1", "cluster2")
PATIENCE = ENVIRONMENT.clusters[0].queues[0].hedge_after


@pytest.fixture(autouse=True)
def queues(world: World) -> None:
    """What the clusters last said of their queues."""
    queue = {"name": "compute", "is_default": True, "available": True, "nodes": 2, "cpus_per_node": 4}
    Cluster.objects.update(queues=[queue], nodes=[{"name": f"node{n}", "cpus": 4, "cpus_used": 0} for n in (1, 2)])


def place(world: World, owner: Person, **fields: Any) -> tuple[Job, str, str]:
    """A job for any cluster that waits on one; and the names of that and of the other one."""
    job = world.submit(owner, **{"cluster": "any", **fields})
    world.dispatch()
    here = world.placement(job).cluster
    return job, here, next(name for name in BOTH if name != here)


def lack_nodes(cluster: str, reason: str = "InsufficientInstanceCapacity") -> None:
    shortage = {"reason": reason, "node": "compute-dy-1", "since": "", "seen_at": ""}
    Cluster.objects.filter(name=cluster).update(shortages={"compute": shortage})


def clusters_of(job: Job) -> list[str]:
    return list(job.placements.order_by("created_at").values_list("cluster", flat=True))


def lose(world: World, cluster: str) -> None:
    """Silent for long enough to be down, with all that it had."""
    world.clusters[cluster].silent = True
    world.poll(cluster)


def come_back(world: World, cluster: str) -> None:
    world.clusters[cluster].silent = False
    world.set_state(cluster, ClusterState.UP)
    world.poll(cluster)


def test_a_waiting_job_leaves_a_cluster_that_is_down(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    lose(world, here)
    assert state(job) == "UNKNOWN"
    world.poll(there)
    assert (state(job), job.reason) == ("ACCEPTED", f"{here} is down; it goes to another cluster")
    world.dispatch()
    assert clusters_of(job) == [here, there]
    world.poll(there)
    assert (state(job), job.cluster) == ("PENDING", there)
    run = world.start(job, there)
    run.finish()
    world.poll(there)
    assert state(job) == "COMPLETED"


def test_a_cluster_that_is_in_the_environment_no_more_keeps_no_job_and_shows_none_as_running(
    world: World, ada: Person
) -> None:
    runs, waits = world.submit(ada, cluster="cluster2"), world.submit(ada, cluster="any")
    world.dispatch("cluster2")
    world.set_state("cluster1", ClusterState.DOWN)
    world.dispatch("cluster2")
    world.set_state("cluster1", ClusterState.UP)
    world.start(runs, "cluster2")
    world.poll("cluster2")
    assert [state(runs), state(waits)] == ["RUNNING", "PENDING"]
    rest = [one for one in ENVIRONMENT.clusters if one.name == "cluster1"]
    watch.sync_clusters(ENVIRONMENT.model_copy(update={"clusters": rest}))
    world.poll("cluster1")
    assert [state(runs), runs.reason] == ["UNKNOWN", "cluster2 does not answer"]
    world.dispatch("cluster1")
    assert clusters_of(waits) == ["cluster2", "cluster1"]


def test_it_stays_while_its_cluster_is_only_suspect(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    world.clusters[here].silent = True
    world.set_state(here, ClusterState.SUSPECT)
    world.followers[here].step(None)
    world.poll(there)
    world.dispatch(there)
    assert clusters_of(job) == [here]
    assert state(job) == "UNKNOWN"


def test_a_named_cluster_is_never_overruled(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="cluster1")
    world.dispatch()
    lose(world, "cluster1")
    lack_nodes("cluster1")
    for _ in range(3):
        world.poll("cluster2")
        world.dispatch()
    assert clusters_of(job) == ["cluster1"]
    assert state(job) == "UNKNOWN"
    assert "cluster1 does not answer" in job.reason


def test_a_path_on_scratch_keeps_a_job_where_that_is(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="any", execution_directory="/fsx_cluster2/ada")
    world.dispatch()
    lose(world, "cluster2")
    world.poll("cluster1")
    world.dispatch()
    assert clusters_of(job) == ["cluster2"]


def test_a_placement_in_doubt_on_a_lost_cluster_does_not_hold_a_job_up(world: World, ada: Person) -> None:
    for fake in world.clusters.values():
        fake.lose_answers = 1
    job, here, there = place(world, ada)
    assert world.placement(job).state == PlacementState.DOUBT
    lose(world, here)
    world.clusters[there].lose_answers = 0
    world.poll(there)
    world.dispatch()
    assert clusters_of(job) == [here, there]


def test_when_the_lost_cluster_is_back_only_one_of_both_runs_it(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    lose(world, here)
    world.poll(there)
    world.dispatch()
    come_back(world, here)
    world.poll(there)
    assert state(job) == "PENDING"
    assert not world.clusters[here].cancelled, "either may start it until one has claimed it"
    run = world.start(job, there)
    world.poll(there)
    world.poll(here)
    assert [placement for _, placement in world.clusters[here].cancelled] == [
        job.placements.get(cluster=here).pk,
    ]
    run.finish()
    world.poll(there)
    assert state(job) == "COMPLETED"


def test_a_job_that_started_unseen_is_followed_where_it_runs(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    world.start(job, here)
    lose(world, here)
    world.poll(there)
    world.dispatch()
    assert clusters_of(job) == [here], "its claim was read through the other cluster's door"
    assert state(job) == "UNKNOWN"


def test_a_job_without_nodes_is_placed_on_the_other_cluster_too(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    lack_nodes(here)
    world.poll(here)
    assert state(job) == "PENDING"
    assert f"{here} cannot provide nodes for compute (InsufficientInstanceCapacity)" in job.reason
    world.dispatch()
    assert clusters_of(job) == [here, there]
    world.poll(there)
    assert job.is_final is False
    run = world.start(job, there)
    world.poll(there)
    world.poll(here)
    assert world.clusters[here].cancelled
    run.finish()
    world.poll(there)
    assert state(job) == "COMPLETED"
    assert len(clusters_of(job)) == 2


def test_the_page_of_a_job_for_a_named_cluster_says_that_nodes_are_lacking(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="cluster1")
    world.dispatch()
    lack_nodes("cluster1")
    world.poll("cluster1")
    world.dispatch()
    assert state(job) == "PENDING"
    assert job.reason == "cluster1 cannot provide nodes for compute (InsufficientInstanceCapacity)"
    assert clusters_of(job) == ["cluster1"]


def test_all_jobs_that_lack_nodes_are_placed_again_however_many_they_are(world: World, ada: Person) -> None:
    jobs = [world.submit(ada, cluster="any") for _ in range(50)]
    lack_nodes("cluster2")
    world.dispatch()
    Cluster.objects.update(shortages={})
    lack_nodes("cluster1")
    world.poll("cluster1")
    world.dispatch()
    assert {tuple(sorted(clusters_of(job))) for job in jobs} == {BOTH}


def test_new_jobs_go_where_nodes_can_be_had(world: World, ada: Person) -> None:
    lack_nodes("cluster1")
    jobs = [place(world, ada)[0] for _ in range(4)]
    assert [clusters_of(job) for job in jobs] == [["cluster2"]] * 4


def test_new_jobs_go_where_they_can_start_at_once(world: World, ada: Person) -> None:
    Cluster.objects.filter(name="cluster2").update(
        nodes=[{"name": f"node{n}", "cpus": 4, "cpus_used": 4} for n in (1, 2)]
    )
    jobs = [place(world, ada)[0] for _ in range(4)]
    assert [clusters_of(job) for job in jobs] == [["cluster1"]] * 4


def test_a_job_that_waits_for_long_is_placed_on_the_other_cluster_too(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    world.pass_time(PATIENCE - 5)
    world.poll(here)
    world.dispatch()
    assert clusters_of(job) == [here]
    world.pass_time(10)
    world.poll(here)
    world.dispatch()
    assert clusters_of(job) == [here, there]
    assert "waits on" in Job.objects.get(pk=job.pk).reason


@pytest.mark.parametrize("reason", ["BeginTime", "Dependency", "JobHeldUser"])
def test_a_job_that_waits_because_it_is_to_is_not_placed_twice(world: World, ada: Person, reason: str) -> None:
    job, here, _ = place(world, ada)
    job.placements.update(scheduler_reason=reason)
    number = world.scheduler_job(job, here)
    world.clusters[here].jobs[number] = replace(world.clusters[here].jobs[number], reason=reason)
    world.pass_time(PATIENCE + 5)
    world.poll(here)
    world.dispatch()
    assert clusters_of(job) == [here]


def test_a_job_that_its_owner_holds_on_its_cluster_does_not_start_on_another_that_has_nodes(
    world: World, ada: Person
) -> None:
    job, here, _ = place(world, ada)
    number = world.scheduler_job(job, here)
    world.clusters[here].jobs[number] = replace(world.clusters[here].jobs[number], reason="JobHeldUser")
    world.poll(here)
    lack_nodes(here)
    world.poll(here)
    world.dispatch()
    assert clusters_of(job) == [here]


def test_a_wish_for_a_second_placement_ends_when_the_job_starts(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    lack_nodes(here)
    world.poll(here)
    world.set_state(there, ClusterState.SUSPECT)  # so that it cannot go out
    world.start(job, here)
    world.poll(here)
    world.set_state(there, ClusterState.UP)
    world.dispatch()
    assert clusters_of(job) == [here]
    assert state(job) == "RUNNING"


def test_nodes_that_never_come_do_not_use_up_a_jobs_chances(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="cluster1")
    for _ in range(8):
        world.dispatch()
        world.clusters["cluster1"].end(world.scheduler_job(job), Ending.LOST_NODE)
        world.poll()
        world.pass_time(60)
        world.poll()
    assert state(job) not in FINAL_STATES


def test_a_silent_cluster_that_has_it_too_makes_no_job_unknown(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    lack_nodes(here)
    world.poll(here)
    world.dispatch()
    world.poll(there)
    lose(world, there)
    world.poll(here)
    states = []
    for _ in range(3):
        world.poll(there)
        states.append(state(job))
        world.poll(here)
        states.append(state(job))
    assert set(states) == {"PENDING"}


def test_only_unclaimed_tasks_of_an_array_go_to_the_other_cluster(world: World, ada: Person) -> None:
    job, here, there = place(world, ada, array="0-3")
    fake = world.clusters[here]
    claimed = job.placements.get()
    directory = world.real(job.control_path)
    for index in (0, 2):
        (directory / f"claim.{index}.0").symlink_to(f"run:{here}:{claimed.pk}:1:{index:08x}-0000")
    fake.jobs[1] = replace(fake.jobs[1], phase=Phase.RUNNING, state="RUNNING", task=0)
    lose(world, here)
    world.poll(there)
    world.dispatch()
    second = job.placements.get(cluster=there)
    assert second.array == "1,3"


def test_a_cancel_while_its_cluster_is_silent_is_final_only_once_nothing_can_start(world: World, ada: Person) -> None:
    job, here, there = place(world, ada)
    lose(world, here)
    lose(world, there)
    actions.cancel_job(job, ada)
    world.poll(here)
    world.poll(there)
    assert state(job) == "UNKNOWN"
    assert job.is_cancelling
    come_back(world, there)
    world.poll(there)
    assert state(job) == "CANCELLED"
    assert world.claims(job)["claim.0.0"].startswith("closed:cancel:")
    come_back(world, here)
    assert world.clusters[here].cancelled


def test_where_storage_hangs_jobs_are_followed_through_the_other_cluster(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="cluster1")
    world.dispatch()
    run = world.start(job)
    world.poll()
    world.storage_hangs_on = "cluster1"
    run.finish()
    world.poll()
    assert state(job) == "COMPLETED"
    assert world.claims(job)["claim.0.1"].startswith("closed:ended:")


def test_what_one_cluster_refuses_waits_for_the_other_that_is_away(world: World, ada: Person) -> None:
    world.set_state("cluster1", ClusterState.DOWN)
    world.clusters["cluster2"].refusal = "too many jobs of yours"
    job = world.submit(ada, cluster="any")
    world.dispatch()
    world.poll("cluster2")
    assert state(job) == "ACCEPTED"
    world.set_state("cluster1", ClusterState.UP)
    world.dispatch()
    assert clusters_of(job) == ["cluster2", "cluster1"]
    assert state(job) == "PENDING"


def test_what_was_on_its_way_to_a_lost_cluster_is_found_among_many(world: World, ada: Person) -> None:
    jobs = [world.submit(ada, cluster="any") for _ in range(60)]
    world.dispatch()
    here, there = "cluster1", "cluster2"
    theirs = Job.objects.filter(placements__cluster=here)
    for job in theirs:
        job.placements.update(state=PlacementState.SUBMITTING, phase="")
    Job.objects.filter(pk__in=[job.pk for job in theirs]).update(state="ACCEPTED")
    lose(world, here)
    world.poll(there)
    world.dispatch()
    assert all(there in clusters_of(job) for job in jobs)


def in_doubt(world: World, owner: Person, cluster: str) -> Job:
    """A job whose handing over nobody answered, on clusters without their accounting databases."""
    for one in BOTH:
        world.clusters[one].lose_requests, world.clusters[one].history_down = 1, True
    job = world.submit(owner, cluster=cluster)
    world.dispatch()
    world.poll(world.placement(job).cluster)
    assert world.placement(job).state == PlacementState.DOUBT
    return job


def test_what_nobody_can_say_whether_it_arrived_goes_to_another_cluster_too(world: World, ada: Person) -> None:
    job = in_doubt(world, ada, "any")
    here = world.placement(job).cluster
    there = next(name for name in BOTH if name != here)
    world.clusters[there].lose_requests = 0
    world.dispatch()
    assert clusters_of(job) == [here], "mostly the next polls tell"
    world.pass_time(TIMES.down_after + 1)
    world.poll(here)
    assert "it goes to another cluster, too" in Job.objects.get().reason
    world.dispatch()
    assert clusters_of(job) == [here, there]
    world.poll(there)
    world.start(job, there).finish()
    world.poll(there)
    assert state(job) == "COMPLETED"


def test_a_named_clusters_job_in_doubt_says_why_it_waits(world: World, ada: Person) -> None:
    job = in_doubt(world, ada, "cluster1")
    world.pass_time(TIMES.down_after + 1)
    world.poll()
    world.dispatch()
    assert clusters_of(job) == ["cluster1"]
    assert state(job) == "PENDING"
    assert job.reason == "cluster1 did not answer when it was handed over, and cannot say yet whether it arrived"
