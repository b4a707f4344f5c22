"""Arrays of which some tasks run and others wait, or are at different attempts: each task is dealt with as it is."""

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone
from tests.jobs.protocol.world import TIMES, World, state, wait_out

from tandem.accounts.models import Person
from tandem.clusters.scheduler import Cancel, Ending, Phase
from tandem.jobs import actions, settle
from tandem.jobs.cases import ASKING_BY_WHOM
from tandem.jobs.models import Job, JobState, Placement, PlacementState, Task, new_placement_id
from tandem.jobs.placed import numbers_wanted, tasks_out
from tandem.jobs.sightings import Sighting, stored
from tandem.jobs.tasks import task_page
from tandem.jobs.wish_words import wishes

pytestmark = pytest.mark.django_db


def show(world: World, number: int, task: int | None, phase: Phase, **fields: Any) -> None:
    """The scheduler shows a task of the array that is its job 1 on its own."""
    fake = world.clusters["cluster1"]
    fake.next_id = max(fake.next_id, number + 1)
    known = {"reason": "", "started_at": timezone.now() if phase is Phase.RUNNING else None, **fields}
    fake.jobs[number] = replace(fake.jobs[1], raw_id=str(number), task=task, phase=phase, state=phase.name, **known)


def claim(world: World, job: Job, task: int, attempt: int = 0) -> None:
    here = world.real(job.control_path)
    owner = job.placements.earliest("created_at")
    (here / f"claim.{task}.{attempt}").symlink_to(f"run:cluster1:{owner.pk}:1:{task:08x}-{attempt:04}")
    (here / f"hb.{task}.{attempt}").write_text(f"{task:08x}-{attempt:04} 000000001\n")


def half_started(world: World, owner: Person, **fields: Any) -> Job:
    """Task 0 runs, the others wait."""
    job = world.submit(owner, **{"array": "0-3", **fields})
    world.dispatch()
    claim(world, job, 0)
    show(world, 2, 0, Phase.RUNNING)
    world.poll()
    assert state(job) == "RUNNING"
    return job


def told(job: Job) -> list[str]:
    job.refresh_from_db()
    return [str(wish) for wish in wishes(job, list(job.placements.all()), ())]


def lines(job: Job) -> list[tuple[str, str]]:
    job.refresh_from_db()
    return [(str(line.state), line.reason) for line in task_page(job, 100).lines]


def test_what_waits_of_a_half_started_array_is_held_and_released(world: World, ada: Person) -> None:
    job, fake = half_started(world, ada), world.clusters["cluster1"]
    actions.hold_job(job, ada)
    assert told(job) == ["Held: cluster1 is being told"]
    world.poll()
    world.poll()
    assert fake.jobs[1].reason == "JobHeldUser"
    assert told(job) == ["Held: none of its tasks that wait starts before it is released"]
    actions.release_job(job, ada)
    assert told(job) == ["Released: cluster1 is being told"]
    world.poll()
    world.poll()
    assert [verb for verb, _ in fake.verbs] == ["hold", "release"]
    assert told(job) == []


def test_an_array_that_was_held_too_late_for_some_tasks_is_released_for_the_others(world: World, ada: Person) -> None:
    job, fake = world.submit(ada, array="0-3"), world.clusters["cluster1"]
    world.dispatch()
    actions.hold_job(job, ada)
    world.poll()
    claim(world, job, 0)
    show(world, 2, 0, Phase.RUNNING)
    world.poll()
    actions.release_job(job, ada)
    world.poll()
    assert [verb for verb, _ in fake.verbs] == ["hold", "release"]
    assert fake.jobs[1].reason == "Priority"


def test_an_array_of_which_nothing_waits_is_not_held(world: World, ada: Person) -> None:
    job = half_started(world, ada, array="0-1")
    claim(world, job, 1)
    show(world, 1, 1, Phase.RUNNING)
    world.poll()
    job.refresh_from_db()
    with pytest.raises(actions.ActionRefused, match="running"):
        actions.hold_job(job, ada)


def test_a_task_of_which_is_asked_who_cancelled_it_is_shown_so(world: World, ada: Person) -> None:
    job = half_started(world, ada, array="0-2")
    show(world, 3, 2, Phase.ENDED, ending=Ending.CANCELLED)
    world.poll()
    assert lines(job) == [("RUNNING", ""), ("PENDING", ""), ("PENDING", ASKING_BY_WHOM)]


def test_the_owners_cancel_of_one_task_counts_after_the_schedulers_own_of_another(world: World, ada: Person) -> None:
    job, fake = half_started(world, ada, array="0-2"), world.clusters["cluster1"]
    show(world, 3, 2, Phase.ENDED, ending=Ending.CANCELLED)
    fake.cancels = {Cancel(0, "2")}
    world.poll()
    world.pass_time(TIMES.visibility + 1)
    world.poll()
    world.dispatch()
    assert Placement.objects.latest("created_at").array == "2", "nobody wished that it does not run"
    show(world, 1, 1, Phase.ENDED, ending=Ending.CANCELLED)
    fake.cancels |= {Cancel(ada.uid or 0, "1")}
    world.poll()
    world.poll()
    assert lines(job)[1][0] == "CANCELLED"
    assert lines(job)[2] == ("PENDING", "")


def test_one_task_that_slurm_holds_because_it_could_not_launch_it_goes_out_again_alone(
    world: World, ada: Person
) -> None:
    half_started(world, ada)
    fake = world.clusters["cluster1"]
    show(world, 3, 2, Phase.WAITING, reason="launch failed requeued held")
    world.poll()
    world.poll()
    assert fake.jobs[3].phase is Phase.ENDED
    assert (fake.jobs[1].phase, fake.jobs[2].phase) == (Phase.WAITING, Phase.RUNNING)
    world.pass_time(TIMES.visibility + 1)
    world.poll()
    world.dispatch()
    assert Placement.objects.latest("created_at").array == "2"


def test_a_task_whose_placement_went_out_for_anothers_later_attempt_still_gets_a_successor(
    world: World, ada: Person
) -> None:
    job = world.submit(ada, array="0-1", restartable=True)
    world.dispatch()
    Placement.objects.update(attempt=3)
    claim(world, job, 0)
    show(world, 2, 0, Phase.RUNNING)
    show(world, 1, 1, Phase.RUNNING)
    wait_out(world, TIMES.take_over + 1)
    job.refresh_from_db()
    assert (job.place_wanted, job.place_tasks) == (1, "0")


def a_placement(job: Job, cluster: str, array: str, attempt: int = 0, **fields: Any) -> Placement:
    known = {"state": PlacementState.SUBMITTED, "phase": "waiting", "state_since": timezone.now(), **fields}
    return Placement.objects.create(
        id=new_placement_id(job.pk), job=job, cluster=cluster, array=array, attempt=attempt, **known
    )


def test_each_task_stays_away_from_where_it_is_for_its_own_attempt(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="any", array="0-3", restartable=True)
    first = a_placement(job, "cluster1", "0-3")
    Task.objects.create(job=job, index=0, attempt=0, owner=first, claim="run:")
    Job.objects.update(place_wanted=1, place_tasks="0-1")
    job.refresh_from_db()
    numbers = numbers_wanted([job])[job.pk]
    assert tasks_out(job, [first], numbers) == {"cluster1": {1}}, "the run of task 0 is over, task 1 waits there"
    lost = Sighting(misses=2)
    second = a_placement(job, "cluster2", "1-3", sightings=stored({1: lost, 2: Sighting(Phase.WAITING)}))
    assert not tasks_out(job, [second], numbers)["cluster2"], "it is not there any more"


def test_tasks_that_wait_on_different_clusters_do_not_keep_each_other_from_the_other_one(
    world: World, ada: Person
) -> None:
    job = world.submit(ada, cluster="any", array="0-3%2")
    a_placement(job, "cluster1", "0-1%2")
    a_placement(job, "cluster2", "2-3%2")
    Job.objects.update(place_wanted=0, place_tasks="1-2")
    world.dispatch()
    newest = {one.cluster: one.array for one in Placement.objects.order_by("-created_at")[:2]}
    assert newest == {"cluster1": "2%2", "cluster2": "1%2"}
    assert Job.objects.get().place_wanted is None


def test_a_part_that_could_not_be_sent_keeps_the_arrays_limit_once(world: World, ada: Person) -> None:
    world.submit(ada, array="0-3%2")
    Job.objects.update(place_tasks="1-2")
    world.clusters["cluster1"].unreachable = 1
    world.dispatch()
    world.dispatch()
    (sent,) = world.clusters["cluster1"].submissions
    assert sent[1].array == "1-2%2"


def test_what_comes_to_want_a_placement_meanwhile_joins_what_waits_for_one(world: World, ada: Person) -> None:
    job = half_started(world, ada)
    show(world, 3, 2, Phase.ENDED, ending=Ending.LOST_NODE)
    world.poll()
    world.pass_time(TIMES.visibility + 1)
    world.poll()
    job.refresh_from_db()
    assert (job.place_wanted, job.place_tasks) == (0, "2")
    show(world, 4, 3, Phase.ENDED, ending=Ending.LOST_NODE)
    world.poll()
    world.pass_time(TIMES.visibility + 1)
    world.poll()
    job.refresh_from_db()
    assert (job.place_wanted, job.place_tasks) == (0, "2-3")


def test_many_tasks_are_written_down_in_a_few_statements(
    world: World, ada: Person, django_assert_max_num_queries: Any
) -> None:
    job = world.submit(ada, array="0-249")
    Task.objects.bulk_create(Task(job=job, index=index, state=JobState.RUNNING) for index in range(250))
    Task.objects.filter(index=7).update(state=JobState.CANCELLED)
    tasks = list(Task.objects.order_by("index"))
    for task in tasks:
        over = task.index % 2 == 1
        task.state = JobState.FAILED if over else JobState.UNKNOWN
        task.exit_code = task.index % 3 if over else None
        task.claim = f"run:cluster1:{task.index}"
        task.heartbeat_seen_at = timezone.now()
    with django_assert_max_num_queries(6):
        settle._save_tasks(tasks)
    written = {task.index: task for task in Task.objects.all()}
    assert written.pop(7).state == JobState.CANCELLED, "what is over stays so"
    expected = {task.index: (task.state, task.exit_code, task.claim, task.heartbeat_seen_at) for task in tasks}
    assert all(
        (task.state, task.exit_code, task.claim, task.heartbeat_seen_at) == expected[index]
        for index, task in written.items()
    )
