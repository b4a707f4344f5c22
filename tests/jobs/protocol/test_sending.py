"""Handing a job over: whatever answer comes or does not come, nothing is sent twice or lost."""

import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from tests.jobs.protocol.world import ENVIRONMENT, World, state

from tandem.accounts.models import Person
from tandem.clusters.models import ClusterState
from tandem.clusters.request import BatchJob, Outcome
from tandem.clusters.scheduler import Ending
from tandem.clusters.slurm_submit import EACH_FURTHER, TRANSFER_TIME
from tandem.clusters.slurm_words import COMMAND_TIME
from tandem.jobs import actions, flights, refusals
from tandem.jobs.dispatch import SENT_WITHIN, TOGETHER, TRIPS_EACH, Dispatcher
from tandem.jobs.models import Job, Placement, PlacementState
from tandem.jobs.placements import SUBMITTING_AT_MOST
from tandem.jobs.submission import SubmissionInvalid, check_submission, stored_submission

pytestmark = pytest.mark.django_db


def test_nothing_is_sent_while_the_cluster_is_not_up(world: World, ada: Person) -> None:
    for down in (ClusterState.DOWN, ClusterState.SUSPECT, ClusterState.RECOVERING):
        world.set_state("cluster1", down)
        job = world.submit(ada)
        world.dispatchers["cluster1"].step(1)
        assert state(job) == "ACCEPTED"
        assert "cluster1" in job.reason
    assert not world.clusters["cluster1"].submissions


def test_a_stored_submission_that_is_not_valid_fails_and_holds_nobody_up(world: World, ada: Person) -> None:
    bad, good = world.submit(ada), world.submit(ada)
    Job.objects.filter(pk=bad.pk).update(submission={**bad.submission, "memory": "plenty"})
    world.dispatch()
    assert state(good) == "PENDING"
    world.poll()
    assert state(bad) == "FAILED"
    assert "memory" in bad.reason
    assert world.claims(bad)["claim.0.0"].startswith("closed:refused:")
    assert len(world.clusters["cluster1"].submissions) == 1


def test_a_refused_job_that_became_invalid_meanwhile_does_not_stop_the_following_of_others(
    world: World, ada: Person
) -> None:
    bad, good = world.submit(ada), world.submit(ada)
    world.dispatch()
    run = world.start(good)
    Job.objects.filter(pk=bad.pk).update(submission={**bad.submission, "memory": "plenty"})
    Placement.objects.filter(job=bad).update(state=PlacementState.REFUSED, message="no")
    world.clusters["cluster1"].end(world.scheduler_job(bad), Ending.FAILED)
    run.finish(0)
    world.poll()
    assert state(good) == "COMPLETED"


def test_an_unforeseen_error_with_one_persons_jobs_loses_no_other_answer(
    world: World, ada: Person, bob: Person
) -> None:
    broken, fine = world.submit(bob), world.submit(ada)
    fake = world.clusters["cluster1"]
    submit = fake.submit

    def sometimes(user: str, jobs: Sequence[BatchJob]) -> list[Outcome]:
        if user == "bob":
            raise RuntimeError("nobody thought of this")
        return submit(user, jobs)

    fake.submit = sometimes  # type: ignore[method-assign]
    world.dispatch()
    assert world.placement(broken).state == PlacementState.DOUBT
    assert world.placement(fine).state == PlacementState.SUBMITTED


def test_what_a_person_has_due_goes_out_together_and_each_has_an_outcome_of_its_own(world: World, ada: Person) -> None:
    fake = world.clusters["cluster1"]
    fake.unreachable, fake.lose_answers = 1, 1
    jobs = [world.submit(ada) for _ in range(3)]
    world.dispatch()
    assert fake.round_trips == [3]
    placements = [job.placements.get() for job in jobs]
    assert [row.state for row in placements] == ["NOT_SENT", "DOUBT", "SUBMITTED"]
    assert placements[2].scheduler_id == "2"


def test_while_one_persons_jobs_are_handed_over_others_go_out_and_more_of_the_same_go_together(
    world: World, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, dispatcher = world.clusters["cluster1"], world.dispatchers["cluster1"]
    go_on = threading.Event()
    submit = fake.submit

    def slowly(user: str, jobs: Sequence[BatchJob]) -> list[Outcome]:
        assert user == "bob" or go_on.wait(60)
        return submit(user, jobs)

    monkeypatch.setattr(fake, "submit", slowly)
    world.submit(ada)
    dispatcher.step(0)
    late = [world.submit(ada), world.submit(ada)]
    other = world.submit(bob)
    for _ in range(200):
        dispatcher.step(0.05)
        if state(other) == "PENDING":
            break
    assert [state(job) for job in (other, *late)] == ["PENDING", "ACCEPTED", "ACCEPTED"]
    go_on.set()
    world.dispatch()
    assert sorted(fake.round_trips) == [1, 1, 2]


def hang_for(world: World, names: set[str], monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The login shells of these people sleep until the event."""
    go_on, fake = threading.Event(), world.clusters["cluster1"]
    submit = fake.submit

    def sleepy(user: str, jobs: Sequence[BatchJob]) -> list[Outcome]:
        assert user not in names or go_on.wait(60)
        return submit(user, jobs)

    monkeypatch.setattr(fake, "submit", sleepy)
    return go_on


def with_input(owner: Person) -> Job:
    """A job that goes in a round trip of its own."""
    checked = check_submission({"executable": "cat", "cluster": "cluster1"}, None, upload_name="in.txt")
    return actions.submit_job(owner, checked, upload=actions.Upload("in.txt", b"42\n"))


def goes_out(world: World, job: Job) -> bool:
    for _ in range(200):
        world.dispatchers["cluster1"].step(0.05)
        if state(job) == "PENDING":
            return True
    return False


def test_many_jobs_of_one_whose_shell_hangs_hold_up_nobody(
    world: World, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = hang_for(world, {"bob"}, monkeypatch)
    for _ in range(30):
        with_input(bob)
    world.dispatchers["cluster1"].step(0)
    others = world.submit(ada)
    try:
        assert goes_out(world, others)
        assert Placement.objects.filter(job__owner=bob).count() == TRIPS_EACH
    finally:
        go_on.set()
    world.dispatch()
    assert Placement.objects.filter(job__owner=bob, state=PlacementState.SUBMITTED).count() == 30


def test_many_whose_shells_hang_hold_up_nobody(
    world: World, ada: Person, person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "PATIENCE", 0.2)
    sleepy = [person(f"sleepy{number}") for number in range(flights.AT_ONCE + 2)]
    go_on = hang_for(world, {one.username for one in sleepy}, monkeypatch)
    for one in sleepy:
        world.submit(one)
    world.dispatchers["cluster1"].step(0)
    try:
        assert goes_out(world, world.submit(ada))
    finally:
        go_on.set()


def test_a_refusal_whose_settling_takes_long_is_left_to_the_polls_for_a_while_and_no_other_is(
    world: World, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing claims is done as the owner, whose shell may hang. Dispatch only hands them over."""
    settled: list[Job] = []
    clock = [0.0]
    monkeypatch.setattr(refusals.time, "monotonic", lambda: clock[0])

    def slowly(job: Job) -> None:
        settled.append(job)
        clock[0] += 10 if job.owner == ada else 0

    beside = refusals.Refusals(slowly)
    dispatcher = world.dispatchers["cluster1"]
    dispatcher.settle_refused = beside.put
    world.clusters["cluster1"].refusal = "no"
    for owner in (ada, ada, ada, bob, bob):
        world.submit(owner)
    world.dispatch()
    assert settled == [], "it does not wait for that"
    for _ in range(5):
        beside.step(0.01)
    assert sorted(job.owner.username for job in settled) == ["ada", "bob", "bob"]


def test_round_trips_are_one_persons_and_bounded_and_input_files_go_alone(
    world: World, ada: Person, bob: Person
) -> None:
    for _ in range(TOGETHER + 1):
        world.submit(ada)
    world.submit(bob)
    checked = check_submission({"executable": "cat", "cluster": "cluster1"}, None, upload_name="in.txt")
    actions.submit_job(ada, checked, upload=actions.Upload("in.txt", b"42\n"))
    world.dispatch()
    assert sorted(world.clusters["cluster1"].round_trips) == [1, 1, 1, TOGETHER]


def test_a_lost_answer_is_looked_up_and_not_sent_again(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.clusters["cluster1"].lose_answers = 1
    world.dispatch()
    assert world.placement(job).state == PlacementState.DOUBT
    world.poll()
    world.dispatch()
    assert world.placement(job).state == PlacementState.SUBMITTED
    assert len(world.clusters["cluster1"].submissions) == 1
    assert state(job) == "PENDING"


def test_what_never_arrived_goes_out_again_under_another_id_after_two_polls(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.clusters["cluster1"].lose_requests = 1
    world.dispatch()
    world.poll()
    world.dispatch()
    assert len(world.clusters["cluster1"].submissions) == 1, "one poll is not enough"
    world.poll()
    assert world.clusters["cluster1"].look_ups == 1, "looked up once more before it is given up"
    world.dispatch()
    ids = [placement for placement, _ in world.clusters["cluster1"].submissions]
    assert len(ids) == 2
    assert ids[0] != ids[1]
    assert state(job) == "PENDING"


def test_a_failed_connection_is_tried_again_without_a_look_up(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.clusters["cluster1"].unreachable = 1
    world.dispatchers["cluster1"].step(5)
    job.refresh_from_db()
    assert (job.state, job.place_wanted) == ("ACCEPTED", 0)
    assert job.next_try_at > timezone.now()
    assert "nothing was sent" in job.reason
    world.dispatch()
    assert state(job) == "PENDING"
    assert job.reason == ""
    assert job.placements.count() == 1, "what was never sent leaves nothing behind"


def test_a_refusal_fails_the_job_with_the_schedulers_own_words_at_once(world: World, ada: Person) -> None:
    job = world.submit(ada, queue="nowhere")
    world.clusters["cluster1"].refusal = "invalid partition specified: nowhere"
    world.dispatch()
    assert state(job) == "FAILED"
    assert "invalid partition specified: nowhere" in job.reason
    assert world.claims(job)["claim.0.0"].startswith("closed:refused:")


def test_a_no_of_a_scheduler_that_took_it_all_the_same_is_no_refusal(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit(ada)
    fake = world.clusters["cluster1"]
    fake.refusal = "no"
    fake_look_up = fake.look_up

    def took_it(user: str, placement: uuid.UUID, since: object = None) -> object:
        fake.add(user, placement)
        return fake_look_up(user, placement)

    monkeypatch.setattr(fake, "look_up", took_it)
    world.dispatch("cluster1")
    assert world.placement(job).state == PlacementState.SUBMITTED
    assert state(job) == "PENDING"


def test_for_any_cluster_a_refusal_leaves_the_other_one(world: World, ada: Person) -> None:
    job = world.submit(ada, cluster="any")
    world.clusters["cluster1"].refusal = world.clusters["cluster2"].refusal = "too many processors"
    world.dispatch()
    assert state(job) == "FAILED"
    assert {placement.cluster for placement in job.placements.all()} == {"cluster1", "cluster2"}


def test_a_worker_that_died_while_sending_leaves_doubt_and_no_second_sending(world: World, ada: Person) -> None:
    job = world.submit(ada)
    taken = world.dispatchers["cluster1"]._take(5)
    placement = taken[0].placement
    world.clusters["cluster1"].add("ada", placement.pk)  # it got so far
    world.dispatch()
    assert not world.clusters["cluster1"].submissions
    world.poll()
    assert world.placement(job).state == PlacementState.SUBMITTED
    assert state(job) == "PENDING"


def test_a_worker_that_died_before_sending_delays_the_job_only(world: World, ada: Person) -> None:
    job = world.submit(ada)
    world.dispatchers["cluster1"]._take(5)
    world.poll()
    assert world.placement(job).state == PlacementState.SUBMITTING, "it may still be on its way"
    Placement.objects.update(state_since=timezone.now() - timedelta(minutes=2))
    for _ in range(3):
        world.poll()
    world.dispatch()
    assert len(world.clusters["cluster1"].submissions) == 1
    assert state(job) == "PENDING"


def test_what_waited_long_for_its_turn_is_not_sent_any_more(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit(ada)
    dispatcher = world.dispatchers["cluster1"]
    outgoing = dispatcher._take(5)
    monkeypatch.setattr("tandem.jobs.dispatch.SENT_WITHIN", -1)
    dispatcher._record_answers(dispatcher._send(outgoing))
    assert not world.clusters["cluster1"].submissions
    assert world.placement(job).state == PlacementState.NOT_SENT
    job.refresh_from_db()
    assert job.place_wanted == 0


def test_no_round_trip_lasts_until_a_poll_gives_its_placements_up() -> None:
    longest = COMMAND_TIME + EACH_FURTHER * (TOGETHER - 1) + TRANSFER_TIME
    assert SENT_WITHIN + longest <= SUBMITTING_AT_MOST.total_seconds() - 1


def test_an_answer_that_comes_late_is_still_good(world: World, ada: Person) -> None:
    job = world.submit(ada)
    dispatcher = world.dispatchers["cluster1"]
    outgoing = dispatcher._take(5)[0]
    Placement.objects.update(state=PlacementState.DOUBT)
    dispatcher._record_answers(dispatcher._send([outgoing]))
    assert world.placement(job).state == PlacementState.SUBMITTED


def test_two_workers_take_a_job_once(world: World, ada: Person) -> None:
    world.submit(ada)
    first = world.dispatchers["cluster1"]._take(5)
    second = world.dispatchers["cluster1"]._take(5)
    assert (len(first), len(second)) == (1, 0)


def test_a_worker_that_was_late_sends_nothing_for_the_next_wish_where_the_job_is_already(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it decided, the job went out here, and now wants another cluster, too."""
    job = world.submit(ada)
    late, route = world.dispatchers["cluster1"], Dispatcher._route

    def slowly(dispatcher: Dispatcher, waiting: Sequence[Job], most: int) -> Any:
        chosen = route(dispatcher, waiting, most)
        if dispatcher is late:
            other = Dispatcher(
                "cluster1", world.clusters["cluster1"], ENVIRONMENT, world.followers["cluster1"].follow_now
            )
            while other.step(5):
                pass
            other.drain(5)
            assert state(job) == "PENDING"
            Job.objects.update(place_wanted=0, next_try_at=timezone.now())
        return chosen

    monkeypatch.setattr(Dispatcher, "_route", slowly)
    late.step(5)
    assert len(world.clusters["cluster1"].submissions) == 1
    assert Job.objects.get().place_wanted == 0


def test_a_disabled_persons_jobs_get_no_new_placement(world: World, ada: Person) -> None:
    job = world.submit(ada)
    Person.objects.update(is_active=False)
    world.dispatch()
    assert not world.clusters["cluster1"].submissions
    Person.objects.update(is_active=True)
    world.dispatch()
    assert state(job) == "PENDING"


def test_an_upload_whose_name_ends_with_a_blank_goes_out_under_the_name_it_is_known_by(
    world: World, ada: Person
) -> None:
    checked = check_submission({"executable": "cat", "cluster": "cluster1"}, None, upload_name="a.txt ")
    job = actions.submit_job(ada, checked, upload=actions.Upload("a.txt ", b"42\n"))
    assert stored_submission(job.submission).input_file == job.submission["input_file"]
    assert job.upload.name == "a.txt"


def test_an_uploads_name_is_no_longer_than_file_systems_take() -> None:
    assert actions._checked_upload(actions.Upload("é" * 127, b"")).name == "é" * 127
    for name in ("é" * 128, "x" * 256, " ", ". "):
        with pytest.raises(SubmissionInvalid):
            actions._checked_upload(actions.Upload(name, b""))


@pytest.mark.parametrize(
    "name", ["output.txt ", "error.txt", "output.3.txt", "error.12.txt", "attempt.0", "attempt.3.1"]
)
def test_an_upload_takes_the_name_of_nothing_that_runs_leave(name: str) -> None:
    with pytest.raises(SubmissionInvalid):
        actions._checked_upload(actions.Upload(name, b""))


@pytest.mark.parametrize("name", ["output.dat", "my output.txt", "output.3.txt.gz", "attempt.txt", "attempt"])
def test_other_names_of_uploads_stay_as_they_are(name: str) -> None:
    assert actions._checked_upload(actions.Upload(name, b"")).name == name


def test_an_uploaded_input_file_travels_with_the_job(world: World, ada: Person) -> None:
    checked = check_submission({"executable": "cat", "cluster": "cluster1"}, None, upload_name="in put.txt")
    job = actions.submit_job(ada, checked, upload=actions.Upload("in put.txt", b"42\n"))
    seen: list[object] = []
    fake = world.clusters["cluster1"]
    submit = fake.submit
    fake.submit = lambda u, jobs: seen.append(jobs[0].files) or submit(u, jobs)  # type: ignore[method-assign,assignment]
    world.dispatch()
    assert seen == [{"in put.txt": b"42\n"}]
    assert f"tandem_input='{job.spooler.path}/in put.txt'" in fake.scripts[0]


def test_an_answer_that_the_database_did_not_take_is_kept(
    world: World, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit(ada)
    dispatcher = world.dispatchers["cluster1"]
    record = Dispatcher._record_ids

    def gone(*_: object) -> list[uuid.UUID]:
        raise OperationalError(2006, "gone away")

    monkeypatch.setattr(Dispatcher, "_record_ids", gone)
    with pytest.raises(OperationalError):
        dispatcher.step(10)
    assert world.placement(job).state == PlacementState.SUBMITTING
    monkeypatch.setattr(Dispatcher, "_record_ids", record)
    dispatcher.step(10)
    assert world.placement(job).state == PlacementState.SUBMITTED
    assert len(world.clusters["cluster1"].submissions) == 1
