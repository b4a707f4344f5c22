"""Jobs that are on a cluster twice, or may start again."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from tests.jobs.protocol.world import TIMES, World, state, wait_out

from tandem.accounts.models import Person
from tandem.clusters.scheduler import Ending, Phase
from tandem.clusters.slurm_submit import sbatch_options
from tandem.jobs import actions, settle
from tandem.jobs.models import Job, JobState, Placement, PlacementState, Task
from tandem.jobs.wish_words import wishes

pytestmark = pytest.mark.django_db


def twice(world: World, ada: Person) -> Job:
    """Handed over twice: the first sending was given up and came through after all."""
    job = world.submit(ada)
    fake = world.clusters["cluster1"]
    fake.lose_requests = 1
    world.dispatch()
    world.poll()
    world.poll()
    world.dispatch()
    fake.add("ada", fake.submissions[0][0])
    world.poll()
    return job


def test_the_loser_is_cancelled_only_once_the_others_claim_is_read(world: World, ada: Person) -> None:
    job = twice(world, ada)
    fake = world.clusters["cluster1"]
    assert not fake.cancelled, "which of them will start, nobody knows yet"
    winner = world.start(job)
    world.poll()
    assert [placement for _, placement in fake.cancelled] == [
        placement for placement, _ in fake.submissions if placement != winner.placement
    ]
    winner.finish(0)
    world.poll()
    assert state(job) == "COMPLETED"


def test_the_losers_end_is_not_the_jobs(world: World, ada: Person) -> None:
    job = twice(world, ada)
    fake = world.clusters["cluster1"]
    world.start(job)
    loser = min(fake.jobs)
    other = max(fake.jobs)
    ended = loser if fake.jobs[loser].phase == "waiting" else other
    fake.end(ended, Ending.COMPLETED, 113)
    world.poll()
    assert state(job) == "RUNNING"


def test_a_final_jobs_leftover_is_ended(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatch()
    run = world.start(job)
    run.finish(0)
    world.poll()
    late = Placement.objects.create(
        id=uuid.uuid4(), job=job, cluster="cluster1", state=PlacementState.DOUBT, state_since=timezone.now()
    )
    world.clusters["cluster1"].add("ada", late.pk)
    world.poll()
    world.poll()
    assert late.pk in [placement for _, placement in world.clusters["cluster1"].cancelled]
    assert state(job) == "COMPLETED"


def test_a_final_jobs_leftover_that_runs_is_ended_whatever_tasks_nobody_ran(world: World, ada: Person) -> None:
    Task.objects.create(job=world.submit(ada, cluster="cluster2"), state=JobState.CANCELLED)
    job = world.submit(ada)
    world.dispatch("cluster1")
    world.start(job).finish(0)
    world.poll()
    late = Placement.objects.create(
        id=uuid.uuid4(), job=job, cluster="cluster1", state=PlacementState.DOUBT, state_since=timezone.now()
    )
    fake = world.clusters["cluster1"]
    number = fake.add("ada", late.pk)
    fake.jobs[number] = replace(fake.jobs[number], phase=Phase.RUNNING, state="RUNNING")
    world.poll()
    assert fake.jobs[number].phase is Phase.ENDED
    assert state(job) == "COMPLETED"


def test_a_worker_that_was_late_places_no_job_that_is_over(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit(ada)
    world.dispatch()
    world.clusters["cluster1"].forget()
    Placement.objects.update(state=PlacementState.LOST)

    def another_worker(_: object) -> None:
        Job.objects.update(state=JobState.COMPLETED)

    monkeypatch.setattr(settle, "_save_tasks", another_worker)
    world.poll()
    job.refresh_from_db()
    assert (job.state, job.place_wanted) == ("COMPLETED", None)


def test_a_final_jobs_leftover_does_not_wait_for_ever(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    run = world.start(job)
    run.finish(0)
    world.poll()
    late = Placement.objects.create(
        id=uuid.uuid4(), job=job, cluster="cluster1", state=PlacementState.DOUBT, state_since=timezone.now()
    )
    fake = world.clusters["cluster1"]
    number = fake.add("ada", late.pk)
    fake.jobs[number] = replace(fake.jobs[number], reason="BeginTime")
    world.poll()
    world.poll()
    assert fake.jobs[number].phase is Phase.ENDED
    assert state(job) == "COMPLETED"


def test_what_slurm_holds_because_it_could_not_launch_it_goes_out_again(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    world.poll()
    fake = world.clusters["cluster1"]
    (number,) = fake.jobs
    fake.jobs[number] = replace(fake.jobs[number], reason="launch failed requeued held")
    for _ in range(3):
        world.poll()
        wait_out(world, 10)
        world.dispatch()
    assert len(fake.submissions) == 2
    assert fake.submissions[0][0] != fake.submissions[1][0]
    world.start(job).finish(0)
    world.poll()
    assert state(job) == "COMPLETED"


def test_a_silent_attempt_gets_a_successor_and_no_second_one(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    first = world.start(job)
    world.poll()
    first.end(ending=Ending.LOST_NODE)
    wait_out(world, TIMES.take_over + 1)
    world.dispatch()
    world.poll()
    world.dispatch()
    assert [placement.attempt for placement in job.placements.order_by("created_at")] == [0, 1]
    second = world.start(job, attempt=1)
    world.poll()
    assert state(job) == "RUNNING"
    second.finish(0)
    world.poll()
    assert state(job) == "COMPLETED"


def test_a_dead_attempt_that_the_scheduler_still_shows_running_gets_a_successor(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    run = world.start(job)
    for _ in range(3):
        run.beat()
        world.pass_time(TIMES.heartbeat)
        world.poll()
    wait_out(world, TIMES.take_over - 10)
    world.dispatch()
    assert len(world.clusters["cluster1"].submissions) == 1
    world.pass_time(11)
    world.poll()
    world.dispatch()
    assert [placement.attempt for placement in job.placements.order_by("created_at")] == [0, 1]


def test_the_first_attempts_late_result_is_not_the_jobs(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    first = world.start(job)
    world.poll()
    first.end(ending=Ending.LOST_NODE)
    wait_out(world, TIMES.take_over + 1)
    world.dispatch()
    world.start(job, attempt=1)
    first.write_result(1)
    world.poll()
    assert state(job) == "RUNNING"


def test_a_suspended_job_is_left_alone_however_still(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    run = world.start(job)
    fake = world.clusters["cluster1"]
    fake.jobs[run.number] = replace(fake.jobs[run.number], phase=Phase.SUSPENDED, state="SUSPENDED")
    wait_out(world, TIMES.take_over * 5)
    world.dispatch()
    assert state(job) == "SUSPENDED"
    assert len(fake.submissions) == 1


def test_a_job_that_slurm_requeued_waits_for_its_own_next_run(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    run = world.start(job)
    world.poll()
    fake = world.clusters["cluster1"]
    fake.jobs[run.number] = replace(fake.jobs[run.number], phase=Phase.WAITING, state="PENDING")
    wait_out(world, TIMES.take_over + 1)
    world.dispatch()
    assert len(fake.submissions) == 1
    assert state(job) == "PENDING"


def test_what_slurm_started_anew_has_its_time_to_watch_before_another_is_sent(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    run = world.start(job)
    world.poll()
    fake = world.clusters["cluster1"]
    fake.jobs[run.number] = replace(fake.jobs[run.number], started_at=timezone.now() + timedelta(seconds=5))
    wait_out(world, TIMES.take_over + 1)
    world.dispatch()
    assert len(fake.submissions) == 1
    wait_out(world, TIMES.take_over)
    world.dispatch()
    assert len(fake.submissions) == 2


def test_only_restartable_jobs_may_be_requeued(world: World, ada: Person) -> None:
    job, other = world.submit(ada, restartable=True), world.submit(ada)
    world.dispatch()
    world.start(job)
    world.poll()
    job.refresh_from_db()
    actions.requeue_job(job, ada)
    world.poll()
    assert world.clusters["cluster1"].verbs == [("requeue", "ada")]
    with pytest.raises(actions.ActionRefused):
        actions.requeue_job(other, ada)


def wish_a_requeue(world: World, owner: Person) -> None:
    """Of a job that runs."""
    job = world.submit(owner, restartable=True)
    world.dispatch()
    world.start(job)
    world.poll()
    actions.requeue_job(job, owner)


def test_a_requeue_whose_answer_was_lost_is_not_asked_for_again(world: World, ada: Person) -> None:
    wish_a_requeue(world, ada)
    world.clusters["cluster1"].lose_answers = 1
    world.poll()
    world.poll()
    assert world.clusters["cluster1"].verbs == [("requeue", "ada")]


def test_a_requeue_whose_request_was_lost_is_asked_for_until_the_run_is_stopped(world: World, ada: Person) -> None:
    wish_a_requeue(world, ada)
    world.clusters["cluster1"].lose_requests = 2
    for _ in range(5):
        world.poll()
    assert world.clusters["cluster1"].verbs == [("requeue", "ada")] * 3
    assert Job.objects.get().requeue_wanted_at is None


def test_a_requeue_outlives_the_worker_that_was_about_to_ask_for_it(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish_a_requeue(world, ada)

    def dies(*args: object, **kwargs: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(world.clusters["cluster1"], "requeue", dies)
        with pytest.raises(SystemExit):
            world.poll()
    world.poll()
    assert world.clusters["cluster1"].verbs == [("requeue", "ada")]


def test_a_requeue_stops_no_run_that_started_since(world: World, ada: Person) -> None:
    """Its answer was lost, and the scheduler has started the job again before anybody looked."""
    wish_a_requeue(world, ada)
    cluster = world.clusters["cluster1"]
    cluster.lose_answers = 1
    world.poll()
    (number,) = cluster.jobs
    later = timezone.now() + timedelta(seconds=5)
    cluster.jobs[number] = replace(cluster.jobs[number], phase=Phase.RUNNING, state="RUNNING", started_at=later)
    for _ in range(3):
        world.poll()
    assert cluster.verbs == [("requeue", "ada")]
    assert Job.objects.get().requeue_wanted_at is None
    assert world.placement(Job.objects.get()).requeue_until is None, "the next wish means the next run"


def test_a_requeue_that_was_never_sent_is_asked_for_again(world: World, ada: Person) -> None:
    wish_a_requeue(world, ada)
    world.clusters["cluster1"].unreachable = 1
    world.poll()
    assert not world.clusters["cluster1"].verbs
    world.poll()
    world.poll()
    assert world.clusters["cluster1"].verbs == [("requeue", "ada")]


def test_slurm_may_requeue_only_restartable_jobs_and_they_use_one_node(world: World, ada: Person) -> None:
    world.submit(ada, restartable=True)
    world.submit(ada)
    world.dispatch()
    options = [set(sbatch_options(request)) for _, request in world.clusters["cluster1"].submissions]
    restartable = next(words for words in options if "--requeue" in words)
    assert "--nodes=1" in restartable
    assert any("--no-requeue" in words for words in options)


def test_a_requeue_of_a_run_that_its_cluster_lost_is_wanted_until_it_has_started_again(
    world: World, ada: Person
) -> None:
    job = world.submit(ada, restartable=True)
    world.dispatch()
    run = world.start(job)
    world.poll()
    world.clusters["cluster1"].forget()
    for _ in range(4):
        run.beat()
        world.poll()
    assert world.placement(job).state == PlacementState.LOST
    actions.requeue_job(Job.objects.get(), ada)
    for _ in range(3):
        run.beat()
        world.poll()
    job.refresh_from_db()
    assert job.requeue_wanted_at is not None
    (wish,) = wishes(job, list(job.placements.all()), ())
    assert wish.words.startswith("cluster1 no longer knows it and cannot be told")
    wait_out(world, TIMES.take_over + 1)
    world.dispatch()
    world.start(job, attempt=1)
    world.poll()
    world.poll()
    job.refresh_from_db()
    assert (job.state, job.requeue_wanted_at) == ("RUNNING", None)


def test_a_requeue_waits_until_it_is_known_whether_the_placement_arrived(world: World, ada: Person) -> None:
    wish_a_requeue(world, ada)
    fake = world.clusters["cluster1"]
    known = dict(fake.jobs)
    fake.jobs.clear()
    fake.history_down = True
    Placement.objects.update(state=PlacementState.DOUBT)
    world.poll()
    assert Job.objects.get().requeue_wanted_at is not None
    fake.jobs.update(known)
    world.poll()
    assert fake.verbs == [("requeue", "ada")]
