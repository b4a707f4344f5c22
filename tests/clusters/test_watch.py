"""A cluster's state follows from its answers and silences, whichever worker's poll comes back first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tandem.clusters import watch
from tandem.clusters.door import AnswerLost, ClusterRefused, ClusterUnreachable
from tandem.clusters.models import Cluster, ClusterState
from tandem.clusters.scheduler import ClusterPicture, Node, NodeCondition, Phase, Queue, SchedulerJob
from tandem.environment import Failover

pytestmark = pytest.mark.django_db
TIMES = Failover(suspect_after=10, down_after=30)
ANSWER = ClusterPicture(queues=(Queue("main", True, True, None, 2, 8, 16000),), accounts=("physics",))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves time on."""
    now = [datetime(2026, 11, 22, 8, tzinfo=UTC)]
    monkeypatch.setattr(timezone, "now", lambda: now[0])

    def pass_by(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)

    return pass_by


class Scheduler:
    """Answers, or fails, as told."""

    def __init__(self) -> None:
        self.says: ClusterPicture | Exception = ANSWER
        self.asked_since: datetime | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def picture(self, ended_since: datetime | None = None, deadline: float = 0) -> ClusterPicture:
        self.asked_since = ended_since
        self.meanwhile()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    made = Scheduler()
    monkeypatch.setattr(watch, "get_scheduler", lambda name: made)
    Cluster.objects.create(name="cluster1", zone="a")
    return made


def poll() -> ClusterPicture | None:
    return watch.poll_once("cluster1", TIMES)


def state() -> str:
    return Cluster.objects.get(pk="cluster1").state


def test_a_cluster_never_seen_before_is_up_with_its_first_answer(scheduler: Scheduler) -> None:
    picture = poll()
    row = Cluster.objects.get(pk="cluster1")
    assert picture is not None
    assert (picture.poll, row.poll_number, row.answered_poll) == (1, 1, 1)
    assert (row.state, row.error, row.accounts) == (ClusterState.UP, "", ["physics"])
    assert [queue["name"] for queue in row.queues] == ["main"]


@pytest.mark.parametrize("problem", [ClusterUnreachable("gone"), AnswerLost("gone"), ClusterRefused("gone")])
def test_silence_makes_it_suspect_and_then_down(
    scheduler: Scheduler, clock: Callable[[float], None], problem: Exception
) -> None:
    poll()
    scheduler.says = problem
    seen = []
    for _ in range(8):
        clock(5)
        assert poll() is None
        seen.append(state())
    assert seen == ["UP", "UP", "SUSPECT", "SUSPECT", "SUSPECT", "SUSPECT", "DOWN", "DOWN"]
    row = Cluster.objects.get(pk="cluster1")
    assert row.error == "gone"
    assert row.state_since == row.silent_since + timedelta(seconds=30)


def away(scheduler: Scheduler, clock: Callable[[float], None], seconds: float) -> None:
    poll()
    scheduler.says = ClusterUnreachable("gone")
    poll()
    clock(seconds)
    poll()
    scheduler.says = ANSWER


@pytest.mark.parametrize("seconds", [12, 60])
def test_it_recovers_for_two_more_polls_before_what_it_lacks_proves_anything(
    scheduler: Scheduler, clock: Callable[[float], None], seconds: float
) -> None:
    away(scheduler, clock, seconds)
    seen = []
    for _ in range(4):
        clock(2)
        poll()
        seen.append(state())
    assert seen == ["RECOVERING", "RECOVERING", "UP", "UP"]


def test_a_silence_that_nobody_watched_counts_too(scheduler: Scheduler, clock: Callable[[float], None]) -> None:
    poll()
    clock(3600)  # all portal nodes were away
    poll()
    assert state() == "RECOVERING"


def test_a_worker_that_asks_late_takes_no_cluster_for_silent(
    scheduler: Scheduler, clock: Callable[[float], None]
) -> None:
    poll()
    clock(29)
    poll()
    assert state() == "UP"
    clock(29)
    scheduler.says = ClusterUnreachable("gone")
    poll()
    assert state() == "UP"


def test_an_answer_that_took_long_makes_it_recover(scheduler: Scheduler, clock: Callable[[float], None]) -> None:
    poll()
    scheduler.meanwhile = lambda: clock(11)
    poll()
    assert state() == "RECOVERING"


def test_it_stays_recovering_while_slurm_is_behind_but_not_for_ever(
    scheduler: Scheduler, clock: Callable[[float], None]
) -> None:
    away(scheduler, clock, 60)
    scheduler.says = ClusterPicture(drained=False)
    for _ in range(5):
        clock(2)
        poll()
    assert state() == "RECOVERING"
    clock(5)
    scheduler.says = ANSWER
    poll()
    assert state() == "UP"
    away(scheduler, clock, 60)
    scheduler.says = ClusterPicture(drained=False)
    for _ in range(40):
        clock(2)
        poll()
    assert state() == "UP"


def test_one_more_silence_on_the_way_back_starts_the_count_again(
    scheduler: Scheduler, clock: Callable[[float], None]
) -> None:
    away(scheduler, clock, 60)
    seen = []
    for says in (ANSWER, ANSWER, ClusterUnreachable("again"), ANSWER, ANSWER, ANSWER):
        scheduler.says = says
        clock(2)
        poll()
        seen.append(state())
    assert seen == ["RECOVERING"] * 5 + ["UP"]


def test_an_answer_that_is_overtaken_by_a_later_one_changes_nothing(scheduler: Scheduler) -> None:
    def later() -> None:
        scheduler.meanwhile = lambda: None
        poll()

    scheduler.meanwhile = later
    picture = poll()
    row = Cluster.objects.get(pk="cluster1")
    assert picture is not None
    assert (picture.poll, row.answered_poll, row.poll_number) == (1, 2, 2)


def test_a_silence_that_is_overtaken_by_an_answer_changes_nothing(
    scheduler: Scheduler, clock: Callable[[float], None]
) -> None:
    poll()
    clock(60)

    def later() -> None:
        scheduler.meanwhile = lambda: None
        scheduler.says = ANSWER
        poll()
        scheduler.says = ClusterUnreachable("late")

    scheduler.meanwhile = later
    assert poll() is None
    row = Cluster.objects.get(pk="cluster1")
    assert (row.state, row.error) == ("RECOVERING", "")


def test_accounts_stay_as_last_known_when_they_were_not_asked_for(scheduler: Scheduler) -> None:
    poll()
    scheduler.says = ClusterPicture()
    poll()
    assert Cluster.objects.get(pk="cluster1").accounts == ["physics"]


def test_what_is_asked_since_when_is_handed_on(scheduler: Scheduler) -> None:
    since = datetime(2026, 11, 22, tzinfo=UTC)
    watch.poll_once("cluster1", TIMES, since)
    assert scheduler.asked_since == since


def node(name: str, reason: str) -> Node:
    return Node(name, "DOWN", reason, ("compute",), 4, 0, 8000, 0, None, shortage=reason)


def test_the_clouds_reason_outlives_slurms_words_over_it(scheduler: Scheduler, clock: Callable[[float], None]) -> None:
    scheduler.says = replace(ANSWER, nodes=(node("compute-dy-1", "InsufficientInstanceCapacity"),))
    poll()
    since = Cluster.objects.get(pk="cluster1").shortages["compute"]["since"]
    scheduler.says = replace(ANSWER, nodes=(node("compute-dy-1", "ResumeTimeout reached"),))
    clock(5)
    poll()
    shortage = Cluster.objects.get(pk="cluster1").shortages["compute"]
    assert (shortage["reason"], shortage["node"]) == ("InsufficientInstanceCapacity", "compute-dy-1")
    assert shortage["since"] == since


def test_a_shortage_is_believed_for_a_while_and_then_forgotten(
    scheduler: Scheduler, clock: Callable[[float], None]
) -> None:
    scheduler.says = replace(ANSWER, nodes=(node("compute-dy-1", "InsufficientInstanceCapacity"),))
    poll()
    scheduler.says = ANSWER
    clock(59)
    poll()
    assert Cluster.objects.get(pk="cluster1").shortages
    clock(2)
    poll()
    assert Cluster.objects.get(pk="cluster1").shortages == {}


def test_since_when_a_node_is_as_it_is_is_kept_from_poll_to_poll(
    scheduler: Scheduler, clock: Callable[[float], None]
) -> None:
    def seen(condition: NodeCondition) -> tuple[str, str]:
        scheduler.says = replace(ANSWER, nodes=(replace(node("dy-1", ""), condition=condition),))
        poll()
        clock(5)
        (row,) = Cluster.objects.get(pk="cluster1").nodes
        return row["condition"], row["since"]

    first = seen(NodeCondition.STARTING)
    assert first == ("starting", "2026-11-22T08:00:00+00:00")
    assert seen(NodeCondition.STARTING) == first
    assert seen(NodeCondition.IDLE) == ("idle", "2026-11-22T08:00:10+00:00")


def test_jobs_are_counted_by_queue_whoever_submitted_them(scheduler: Scheduler) -> None:
    def job(number: int, phase: Phase, queue: str) -> SchedulerJob:
        return SchedulerJob(str(number), "ada", "a job", None, phase, None, "", "", queue)

    scheduler.says = replace(
        ANSWER,
        jobs=(
            job(1, Phase.RUNNING, "main"),
            job(2, Phase.SUSPENDED, "main"),
            job(3, Phase.WAITING, "main"),
            job(4, Phase.WAITING, "other,main"),
            job(5, Phase.RUNNING, "other"),
            job(6, Phase.ENDED, "main"),
        ),
    )
    poll()
    (queue,) = Cluster.objects.get(pk="cluster1").queues
    assert (queue["jobs_running"], queue["jobs_waiting"]) == (2, 2)
