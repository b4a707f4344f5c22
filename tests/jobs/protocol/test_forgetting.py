"""Schedulers and databases that forget: what they had goes on, or goes out again, and starts once."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from tests.jobs.protocol.world import TIMES, World, state, wait_out

from tandem.accounts.models import Person
from tandem.clusters.models import ClusterState
from tandem.clusters.scheduler import Ending, Phase
from tandem.jobs import actions
from tandem.jobs.models import Followed, Job, Placement, PlacementState, new_job_id, new_placement_id
from tandem.jobs.placements import adopt, mark_lost

pytestmark = pytest.mark.django_db


def test_a_job_that_slurm_forgot_goes_out_again_and_starts_once(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.clusters["cluster1"].forget()
    world.poll()
    world.poll()
    assert world.placement(job).state == PlacementState.LOST
    world.dispatch()
    world.poll()
    assert state(job) == "PENDING"
    world.start(job).finish(0)
    world.poll()
    assert state(job) == "COMPLETED"
    assert len(world.clusters["cluster1"].submissions) == 2


def test_an_id_that_is_handed_out_again_is_not_taken_for_ours(world: World, ada: Person, bob: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    fake = world.clusters["cluster1"]
    fake.forget()
    other = uuid.uuid4()
    assert fake.add("bob", other) == 1
    fake.end(1, Ending.COMPLETED, 0)
    world.poll()
    assert state(job) == "PENDING"
    actions.cancel_job(job, ada)
    world.poll()
    assert other not in [placement for _, placement in fake.cancelled]


def test_a_forged_id_of_somebody_else_does_not_count(world: World, ada: Person, bob: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    fake = world.clusters["cluster1"]
    placement = world.placement(job).pk
    fake.forget()
    forged = fake.add("bob", placement)
    fake.end(forged, Ending.COMPLETED, 0)
    world.poll()
    world.poll()
    assert world.placement(job).state == PlacementState.LOST


def test_no_placement_is_given_up_while_the_cluster_recovers(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.clusters["cluster1"].forget()
    world.set_state("cluster1", ClusterState.RECOVERING)
    for _ in range(4):
        world.poll()
    assert world.placement(job).state == PlacementState.SUBMITTED


def test_a_poll_that_started_before_the_answer_does_not_count(world: World, ada: Person) -> None:
    early = world.start_poll("cluster1")
    job = world.submit(ada)
    world.dispatch()
    world.followers["cluster1"].step(early)
    assert world.placement(job).misses == 0


def test_an_older_poll_does_not_overrule_a_newer_one(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    old = world.start_poll("cluster1")
    run = world.start(job)
    world.poll()
    run.finish(0)
    world.poll()
    world.followers["cluster1"].step(old)
    assert world.placement(job).state == PlacementState.ENDED
    assert state(job) == "COMPLETED"


def test_a_lost_placement_that_turns_up_again_is_followed(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    fake = world.clusters["cluster1"]
    kept = dict(fake.jobs)
    fake.forget()
    world.poll()
    world.poll()
    fake.jobs.update(kept)
    world.poll()
    assert world.placement(job).state == PlacementState.SUBMITTED
    assert state(job) == "PENDING"


def test_a_running_job_that_slurm_forgot_is_unknown_while_its_heart_beats(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.poll()
    world.clusters["cluster1"].forget()
    for _ in range(3):
        world.poll()
    for _ in range(5):
        run.beat()
        wait_out(world, TIMES.take_over - 10)
    assert state(job) == "UNKNOWN"
    run.write_result(0)
    world.poll()
    assert state(job) == "COMPLETED"
    assert len(world.clusters["cluster1"].submissions) == 1


def test_an_accounting_database_that_did_not_answer_is_no_evidence(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.clusters["cluster1"].forget()
    for _ in range(4):
        picture = replace(world.start_poll("cluster1"), ended_since=None)
        world.followers["cluster1"].step(picture)
    assert world.placement(job).misses == 0
    assert world.followers["cluster1"].ask_history_since is not None, "the next poll is to ask it"


def test_a_forgotten_placement_that_waits_is_adopted_and_not_sent_again(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.placement(job).delete()
    world.poll()
    assert job.placements.count() == 1
    world.dispatch()
    assert state(job) == "PENDING"
    assert len(world.clusters["cluster1"].submissions) == 1


def test_a_forgotten_placement_of_a_job_from_long_ago_leads_to_it_too(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.placement(job).delete()
    Job.objects.update(created_at=timezone.now() - timedelta(days=400))
    world.poll()
    assert job.placements.count() == 1


def test_an_unknown_id_costs_one_look_up_by_key(
    world: World, ada: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        world.submit(ada)
    with django_assert_num_queries(1) as asked:
        assert adopt("ada", uuid.uuid4(), "cluster1", PlacementState.SUBMITTED) is None
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]['sql']}")
        plan = " ".join(str(row[3]) for row in cursor.fetchall())
    assert "jobs_job USING INDEX sqlite_autoindex_jobs_job_1 (id=?)" in plan


def test_a_forgotten_run_is_adopted_from_its_claim(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    world.clusters["cluster1"].forget()
    world.placement(job).delete()
    world.poll()
    assert world.placement(job).pk == run.placement
    run.write_result(0)
    world.poll()
    assert state(job) == "COMPLETED"


def test_a_forgotten_cancel_stands_in_the_claim(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    (world.real(job.control_path) / "claim.0.0").symlink_to("closed:cancel:0123456789abcdef")
    world.poll()
    assert state(job) == "CANCELLED"


def test_mariadb_takes_every_id() -> None:
    """It refuses those of which this digit is 8 or more, unless their second half happens to suit it."""
    assert {job.hex[12] for job in (new_job_id() for _ in range(50))} == {"4"}
    assert new_placement_id(new_job_id()).hex[12] == "4"


def test_somebody_elses_id_is_not_adopted(world: World, ada: Person, bob: Person) -> None:
    job = world.submit(ada)
    forged = uuid.UUID(job.pk.hex[:16] + "0" * 16)
    world.clusters["cluster1"].add("bob", forged)
    world.poll()
    assert not Placement.objects.exists()


def test_a_look_up_that_a_later_poll_has_overtaken_changes_nothing(world: World, ada: Person) -> None:
    """Another worker's poll saw it meanwhile, or what has become of its tasks."""
    job = world.submit(ada, array="0-1")
    world.dispatch()
    world.poll()
    Placement.objects.update(misses=2)
    placement = world.placement(job)
    newest = Followed.objects.get(cluster="cluster1").poll_number
    over = replace(world.clusters["cluster1"].jobs[1], task=1, phase=Phase.ENDED, ending=Ending.LOST_NODE)
    assert not mark_lost(placement, (), newest - 1)
    assert not mark_lost(placement, (over,), newest - 1)
    assert world.placement(job).state == PlacementState.SUBMITTED
    assert not world.placement(job).seen_tasks.get(1)
    assert mark_lost(placement, (), newest)
