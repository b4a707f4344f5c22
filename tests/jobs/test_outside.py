"""Jobs that people submit on a cluster itself: followed by polls, cancelled when wanted, forgotten later."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from tests.jobs.protocol.world import ENVIRONMENT

from tandem.accounts.models import Person
from tandem.clusters.errors import ClusterRefused, ClusterUnreachable
from tandem.clusters.models import Cluster
from tandem.clusters.scheduler import ClusterPicture, Ending, Phase, SchedulerJob
from tandem.jobs import outside
from tandem.jobs.actions import ActionRefused, cancel_outside_job
from tandem.jobs.event_reader import events_after
from tandem.jobs.models import Event, Job, OutsideJob, Placement, PlacementState, new_placement_id
from tandem.jobs.placements import apply_picture
from tandem.operations import worker

SUBMITTED = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def seen(user: str = "ada", scheduler_id: str = "17", **fields: Any) -> SchedulerJob:
    """What a poll shows of a job that runs."""
    given: dict[str, Any] = {
        "name": "from a terminal",
        "placement": None,
        "phase": Phase.RUNNING,
        "ending": None,
        "state": "RUNNING",
        "reason": "",
        "queue": "main",
        "nodes": "n1",
        "submitted_at": SUBMITTED,
        "started_at": SUBMITTED + timedelta(seconds=5),
        "raw_id": scheduler_id,
    }
    return SchedulerJob(scheduler_id=scheduler_id, user=user, **(given | fields))


def ended(job: SchedulerJob, ending: Ending = Ending.COMPLETED, **fields: Any) -> SchedulerJob:
    """The same, over."""
    end = {"state": ending.value.upper(), "exit_code": 0, "ended_at": timezone.now()}
    return replace(job, phase=Phase.ENDED, ending=ending, **(end | fields))


class Polls:
    """Polls of cluster1, one after the other."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, *jobs: SchedulerJob, **fields: Any) -> datetime | None:
        self.number += 1
        picture = ClusterPicture(poll=self.number, **fields)
        return outside.take_in("cluster1", jobs, picture)


@pytest.fixture
def poll(two_clusters: list[Cluster]) -> Polls:
    return Polls()


def only() -> OutsideJob:
    return OutsideJob.objects.get()


def test_a_job_is_followed_from_its_first_poll_to_its_end(ada: Person, poll: Polls) -> None:
    waiting = seen(phase=Phase.WAITING, state="PENDING", reason="Resources", nodes="", started_at=None)
    poll(waiting)
    assert (only().state, only().scheduler_reason, only().owner, only().queue) == ("PENDING", "Resources", ada, "main")
    assert only().created_at == SUBMITTED
    poll(seen())
    assert (only().state, only().nodes, only().scheduler_reason) == ("RUNNING", "n1", "")
    poll(ended(seen(), Ending.FAILED, exit_code=3))
    assert (only().state, only().exit_code) == ("FAILED", 3)
    assert only().ended_at is not None


def test_only_jobs_of_people_of_the_environment_are_kept(ada: Person, poll: Polls) -> None:
    poll(seen("root", "1"), seen("slurm", "2"), seen("ada", "3"))
    assert only().scheduler_id == "3"


def test_an_array_is_one_job(ada: Person, poll: Polls) -> None:
    tasks = [seen(raw_id=str(17 + index), task=index) for index in range(3)]
    rest = seen(phase=Phase.WAITING, state="PENDING", started_at=None)
    poll(*tasks, rest)
    assert only().state == "RUNNING"
    poll(*[ended(task) for task in tasks], rest)
    assert only().state == "PENDING"
    poll(*[ended(task) for task in tasks], ended(rest, Ending.FAILED))
    assert only().state == "FAILED"


def test_an_id_that_is_handed_out_again_is_another_job(ada: Person, poll: Polls) -> None:
    poll(ended(seen()))
    poll(seen(submitted_at=SUBMITTED + timedelta(hours=1), name="another"))
    assert set(OutsideJob.objects.values_list("name", "state")) == {
        ("from a terminal", "COMPLETED"),
        ("another", "RUNNING"),
    }


def test_a_requeued_job_stays_the_same_under_its_new_time_of_submission(ada: Person, poll: Polls) -> None:
    poll(seen())
    first = only().pk
    later = SUBMITTED + timedelta(minutes=5)
    poll(seen(phase=Phase.WAITING, state="PENDING", submitted_at=later, started_at=None))
    assert (only().pk, only().created_at, only().state) == (first, later, "PENDING")


def test_a_poll_that_began_earlier_changes_nothing(ada: Person, poll: Polls) -> None:
    poll(seen(phase=Phase.WAITING, state="PENDING", started_at=None))
    poll(seen())
    outside.take_in("cluster1", [seen(phase=Phase.WAITING, state="PENDING", started_at=None)], ClusterPicture(poll=1))
    assert only().state == "RUNNING"


def test_nothing_is_written_while_nothing_changes(ada: Person, poll: Polls, django_assert_num_queries: Any) -> None:
    jobs = [seen(scheduler_id=str(number)) for number in range(30)]
    poll(*jobs)
    events = Event.objects.count()
    # People, those that are open, and those that are over and have an id that was seen.
    with django_assert_num_queries(3):
        poll(*jobs)
    assert Event.objects.count() == events


def test_its_pages_are_told_of_every_change(ada: Person, poll: Polls) -> None:
    poll(seen())
    poll(ended(seen()))
    notices = [notice for notice in events_after(0) if notice.job == only().pk]
    assert [(notice.owner, notice.kind) for notice in notices] == [(ada.pk, "outside.change")] * 2


class TestOutOfSight:
    def test_while_the_cluster_is_silent_its_jobs_are_unknown_and_then_what_they_are(
        self, ada: Person, poll: Polls
    ) -> None:
        poll(seen())
        outside.show_silence("cluster1", " since 12:00:00 UTC")
        outside.show_silence("cluster2", "")
        assert (only().state, only().reason) == ("UNKNOWN", "cluster1 does not answer since 12:00:00 UTC")
        poll(seen())
        assert (only().state, only().reason) == ("RUNNING", "")

    def test_on_a_cluster_that_is_in_the_environment_no_more_none_is_shown_as_running(
        self, ada: Person, poll: Polls
    ) -> None:
        poll(seen())
        rest = [one for one in ENVIRONMENT.clusters if one.name == "cluster2"]
        worker.take_up(ENVIRONMENT.model_copy(update={"clusters": rest}))
        assert (only().state, only().reason) == ("UNKNOWN", "cluster1 does not answer")

    def test_a_silence_changes_nothing_that_is_over(self, ada: Person, poll: Polls) -> None:
        poll(ended(seen()))
        outside.show_silence("cluster1", "")
        assert only().state == "COMPLETED"

    def test_one_that_is_no_longer_seen_is_looked_for_in_the_accounting_database(
        self, ada: Person, poll: Polls
    ) -> None:
        poll(seen())
        since = poll()
        assert since is not None
        assert since < only().seen_at
        assert only().state == "RUNNING"
        poll(ended(seen(), exit_code=0), ended_since=since)
        assert only().state == "COMPLETED"
        assert poll() is None

    def test_one_that_its_cluster_forgot_is_unknown_and_not_failed(self, ada: Person, poll: Polls) -> None:
        poll(seen())
        since = poll()
        poll(ended_since=since)
        assert (only().state, only().gone_at) == ("RUNNING", None)
        poll(ended_since=since)
        assert only().state == "UNKNOWN"
        assert only().gone_at is not None
        assert "how it ended is not known" in only().reason
        assert poll() is None
        poll(seen())
        assert (only().state, only().gone_at) == ("RUNNING", None)

    @pytest.mark.parametrize("fields", [{}, {"drained": False}])
    def test_a_poll_that_did_not_look_everywhere_is_no_evidence(
        self, fields: dict[str, Any], ada: Person, poll: Polls
    ) -> None:
        poll(seen())
        since = poll()
        for _ in range(5):
            poll(**(fields | ({"ended_since": since} if fields else {})))
        assert only().gone_at is None

    def test_a_recovering_cluster_is_no_evidence(self, ada: Person, poll: Polls) -> None:
        poll(seen())
        since = poll()
        Cluster.objects.update(state="RECOVERING")
        for _ in range(5):
            poll(ended_since=since)
        assert only().gone_at is None


class TestWhoseItIs:
    def strangers(self, *jobs: SchedulerJob) -> list[str]:
        applied = apply_picture("cluster1", ClusterPicture(jobs=jobs, poll=1))
        assert applied is not None
        return [job.scheduler_id for job in applied.strangers]

    def test_what_tandem_handed_over_is_no_stranger(
        self, ada: Person, bob: Person, two_clusters: list[Cluster], make_job: Any
    ) -> None:
        job = make_job(ada)
        placement = Placement.objects.create(
            id=new_placement_id(job.pk),
            job=job,
            cluster="cluster1",
            state=PlacementState.SUBMITTED,
            state_since=timezone.now(),
        )
        own = seen("ada", "1", placement=str(placement.pk))
        forged = seen("bob", "2", placement=str(placement.pk))
        invented = seen("bob", "3", placement="00000000-0000-0000-0000-000000000000")
        assert self.strangers(own, forged, invented, seen("bob", "4")) == ["4", "2", "3"]

    def test_a_placement_that_the_database_forgot_is_adopted_and_no_stranger(
        self, ada: Person, two_clusters: list[Cluster], make_job: Any
    ) -> None:
        job: Job = make_job(ada)
        assert self.strangers(seen("ada", "1", placement=str(new_placement_id(job.pk)))) == []


class Answers:
    """A scheduler that answers a cancel as it was told to."""

    def __init__(self, answer: Exception | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[object, ...]] = []

    def cancel_outside(self, *asked: object) -> None:
        self.asked.append(asked)
        if self.answer:
            raise self.answer


class TestCancelling:
    def test_the_scheduler_is_asked_as_the_person_who_wants_it_until_the_job_is_over(
        self, ada: Person, chief: Person, poll: Polls
    ) -> None:
        poll(seen())
        cancel_outside_job(only(), chief)
        cancel_outside_job(only(), ada)
        assert only().is_cancelling
        scheduler = Answers()
        outside.carry_out_cancels("cluster2", scheduler)
        outside.carry_out_cancels("cluster1", scheduler)
        outside.carry_out_cancels("cluster1", scheduler)
        assert scheduler.asked == [("chief", "17", SUBMITTED, "ada")] * 2
        poll(ended(seen(), Ending.CANCELLED))
        outside.carry_out_cancels("cluster1", scheduler)
        assert len(scheduler.asked) == 2
        assert not only().is_cancelling

    def test_what_the_scheduler_refuses_is_told_and_not_asked_again(self, ada: Person, poll: Polls) -> None:
        poll(seen())
        cancel_outside_job(only(), ada)
        outside.carry_out_cancels("cluster1", Answers(ClusterRefused("Access/permission denied")))
        assert (only().is_cancelling, only().reason) == (False, "not cancelled: Access/permission denied")
        poll(seen(nodes="n2"))
        assert "denied" in only().reason
        cancel_outside_job(only(), ada)
        assert only().reason == ""

    def test_a_silence_keeps_the_wish(self, ada: Person, poll: Polls) -> None:
        poll(seen())
        cancel_outside_job(only(), ada)
        outside.carry_out_cancels("cluster1", Answers(ClusterUnreachable("no answer")))
        assert only().is_cancelling

    def test_one_that_is_over_is_left_alone(self, ada: Person, poll: Polls) -> None:
        poll(ended(seen()))
        with pytest.raises(ActionRefused):
            cancel_outside_job(only(), ada)
        assert only().cancel_wanted_at is None


def test_they_are_forgotten_a_week_after_their_end(ada: Person, poll: Polls) -> None:
    poll(seen(scheduler_id="1"), seen(scheduler_id="2"), seen(scheduler_id="3"), ended(seen(scheduler_id="4")))
    long_ago = timezone.now() - outside.KEPT - timedelta(minutes=1)
    OutsideJob.objects.filter(scheduler_id="1").update(state="COMPLETED", ended_at=long_ago)
    OutsideJob.objects.filter(scheduler_id="2").update(state="UNKNOWN", gone_at=long_ago)
    OutsideJob.objects.filter(scheduler_id="3").update(state_since=long_ago, created_at=long_ago)
    assert outside.forget_outside_jobs() == 2
    assert set(OutsideJob.objects.values_list("scheduler_id", flat=True)) == {"3", "4"}


def test_what_ended_before_that_is_not_taken_in(ada: Person, poll: Polls) -> None:
    poll(ended(seen(), ended_at=timezone.now() - outside.KEPT - timedelta(days=1)))
    assert not OutsideJob.objects.exists()
