"""Two clusters, a shared file system, a database, and two workers whose loops can be stopped at any point.

A worker's turn (a poll with all that follows from it, a turn of dispatch) runs in a greenlet of its own: it can be left
standing before any request, answer or statement to the database outside a transaction, and go on later, or never.
"""

import random
import secrets
import sys
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import greenlet
import structlog
from django.db import connection, transaction
from django.utils import timezone
from tests.jobs.protocol.model.cluster import FakeCluster
from tests.jobs.protocol.model.files import SharedFiles
from tests.jobs.protocol.model.ledger import Broken, Ledger
from tests.jobs.protocol.world import ENVIRONMENT

from tandem.accounts.models import Person
from tandem.clusters import watch
from tandem.clusters.channel import Answer
from tandem.clusters.errors import AnswerLost, DoorError
from tandem.clusters.models import Cluster
from tandem.jobs import actions, reading, who_cancelled
from tandem.jobs.dispatch import Dispatcher
from tandem.jobs.follow import Follower
from tandem.jobs.models import FINAL_STATES, Followed, Job, Placement, Spooler, Task
from tandem.jobs.submission import check_submission

BEGIN = 1_900_000_000.0
CHUNK = 5.0
HEALED_WITHIN = 90  # rounds of some seconds
NAMES = ("cluster1", "cluster2")


@dataclass(eq=False)
class Turn:
    """One turn of a worker's loop. `left`: how many more points it passes before it stands still; None: all."""

    worker: int
    what: str
    greenlet: greenlet.greenlet
    left: int | None = None
    where: str = ""


class Worker:
    """A worker's loops, with what they remember."""

    def __init__(self, world: "World") -> None:
        schedulers = world.clusters.__getitem__
        self.followers = {name: Follower(name, world, schedulers, ENVIRONMENT) for name in NAMES}
        self.dispatchers = {}
        for name in NAMES:
            follower = Follower(name, world, schedulers, ENVIRONMENT)
            self.dispatchers[name] = Dispatcher(name, world.clusters[name], ENVIRONMENT, follower.follow_now)


@dataclass
class World:
    """All of it. Make it with `a_world`."""

    current: ClassVar["World"]
    seconds: float = BEGIN
    late: list[tuple[FakeCluster, Callable[[], Any]]] = field(default_factory=list)
    late_answers: list[tuple["Future[Any]", Any]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    skews: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _running: Turn | None = None
    _backup: dict[type[Any], list[dict[str, Any]]] | None = None

    def __post_init__(self) -> None:
        World.current = self
        self.files = SharedFiles(lambda: self.seconds)
        self.ledger = Ledger(self)
        self.clusters = {name: FakeCluster(name, self) for name in NAMES}
        self.depth = len(connection.savepoint_ids)
        self.owner, is_first = Person.objects.get_or_create(username="ada", uid=2001)
        self.workers = [Worker(self), Worker(self)]
        if is_first:
            watch.sync_clusters(ENVIRONMENT)
            for name in NAMES:
                self.poll(0, name)

    def now(self) -> datetime:
        """By the database's clock."""
        return datetime.fromtimestamp(self.seconds, UTC)

    def workers_now(self) -> datetime:
        """By the clock of the worker whose turn it is."""
        skew = self.skews[self._running.worker] if self._running else 0.0
        return datetime.fromtimestamp(self.seconds + skew, UTC)

    def new_id(self) -> uuid.UUID:
        return uuid.UUID(int=self.chance.getrandbits(128), version=4)

    # The door to control directories

    def run(self, user: str, cluster: str, script: str, args: Sequence[str] = (), **_: Any) -> Answer:
        through = self.clusters[cluster]

        def act() -> Answer:
            if through.storage_lost:
                return Answer(b"", b"", 3)
            if through.storage_hangs:
                self.late.append((through, act))
                raise AnswerLost(f"{cluster} did not answer in time")
            if args[2].startswith("claim."):
                for path, name, text in zip(args[1::3], args[2::3], args[3::3], strict=True):
                    if not self.files.truth(path, name):
                        self.ledger.closing(path, name, text)
            return self.files.carry_out(cluster, script, args)

        return through.request("control", act)  # type: ignore[no-any-return]

    # Workers' turns

    def pause(self, where: str) -> None:
        """A point at which a turn may stand still."""
        turn = self._running
        if turn is None or turn.left is None or len(connection.savepoint_ids) != self.depth:
            return
        if turn.left:
            turn.left -= 1
            return
        turn.where = where
        self.log.append(f"    worker {turn.worker} stands still: {where}")
        turn.greenlet.parent.switch()

    def _start(self, worker: int, what: str, act: Callable[[], Any], points: int | None) -> None:
        turn = Turn(worker, what, greenlet.greenlet(act))
        self.turns.append(turn)
        self.go_on(turn, points)

    def go_on(self, turn: Turn, points: int | None = None) -> None:
        assert self._running is None
        turn.left, self._running = points, turn
        try:
            turn.greenlet.switch()
        finally:
            self._running = None
            if turn.greenlet.dead:
                self.turns.remove(turn)

    def dispatch(self, worker: int, name: str, points: int | None = None) -> None:
        dispatcher = self.workers[worker].dispatchers[name]
        self._start(worker, f"dispatch {name}", lambda: dispatcher.step(0), points)

    def poll(self, worker: int, name: str, points: int | None = None) -> None:
        follower = self.workers[worker].followers[name]

        def act() -> None:
            follower.step(watch.poll_once(name, ENVIRONMENT.failover, follower.ask_history_since))

        self._start(worker, f"poll {name}", act, points)

    def is_busy(self, worker: int, what: str) -> bool:
        """Whether that loop of the worker stands still in a turn: it has one at a time."""
        return any(turn.worker == worker and turn.what == what for turn in self.turns)

    def kill_worker(self, worker: int) -> None:
        """With whatever it was in the middle of; another is started at once."""
        for turn in [turn for turn in self.turns if turn.worker == worker]:
            turn.greenlet.throw(greenlet.GreenletExit)
            self.turns.remove(turn)
        self.workers[worker] = Worker(self)

    # People and time

    def submit(self, **fields: Any) -> Job:
        data = {"executable": "/bin/true", **fields}
        job = actions.submit_job(self.owner, check_submission(data, ENVIRONMENT))
        self.jobs.append(job)
        self._backup = None
        return job

    def wish(self, verb: Callable[[Job, Person], None], job: Job) -> None:
        job.refresh_from_db()
        if verb is actions.cancel_job and job.state not in FINAL_STATES:
            self.ledger.wished.add(str(job.pk))
        try:
            verb(job, self.owner)
        except actions.ActionRefused as refused:
            self.log.append(f"    {refused}")

    def pass_time(self, seconds: float) -> None:
        self._answer_late()
        until = self.seconds + seconds
        while self.seconds < until:
            self.seconds = min(self.seconds + CHUNK, until)
            for cluster in self.clusters.values():
                if cluster.frozen or cluster.lost:
                    continue
                for run in list(cluster.runs):
                    run.pass_time()
                cluster.save()

    def _answer_late(self) -> None:
        for future, found in self.late_answers:
            future.set_result(found)
        self.late_answers.clear()

    # Faults that are more than a flag of a cluster

    def deliver_late(self, index: int) -> None:
        """A request that nobody waits for any more is carried out after all."""
        cluster, act = self.late.pop(index % len(self.late))
        if cluster.lost or cluster.frozen or cluster.storage_hangs:
            return
        try:
            act()
        except DoorError as problem:
            self.log.append(f"    {problem}")

    def thaw(self, cluster: FakeCluster) -> None:
        """A run that is no longer to run ends itself at its first breath: its watchdog's period is not counted."""
        cluster.frozen = False
        slow, cluster.slow_kill = cluster.slow_kill, False
        for run in list(cluster.runs):
            run.pass_time()
        cluster.slow_kill = slow

    def back_up(self) -> None:
        kinds = (Job, Placement, Task, Followed, Cluster)
        self._backup = {kind: list(kind.objects.values()) for kind in kinds}

    @property
    def has_backup(self) -> bool:
        return self._backup is not None

    def restore(self) -> None:
        """The database as it was at the backup. Workers are started anew; what they had sent is under way."""
        assert self._backup is not None
        for worker in range(len(self.workers)):
            self.kill_worker(worker)
        Task.objects.all().delete()
        Placement.objects.all().delete()
        Followed.objects.all().delete()
        for kind, rows in self._backup.items():
            if kind in (Job, Cluster):
                for row in rows:
                    kind.objects.filter(pk=row.get("id", row.get("name"))).update(**row)
            else:
                kind.objects.bulk_create(kind(**row) for row in rows)
        self.ledger.seen.clear()
        self.ledger.seen_tasks.clear()
        for cluster in self.clusters.values():
            self.ledger.forgotten |= {entry.values.placement for entry in cluster.entries.values()}

    # The end

    def heal(self) -> None:
        """Everything works again: all jobs come to an end, and what they end as is true."""
        self.skews = [0.0, 0.0]
        for turn in list(self.turns):
            self.go_on(turn)
        self._answer_late()
        for cluster in self.clusters.values():
            self.mend(cluster)
        while self.late:
            self.deliver_late(0)
        for job in Job.objects.filter(hold_wanted=True):
            self.wish(actions.release_job, job)
        for _ in range(HEALED_WITHIN):
            if self._is_at_rest():
                break
            self.work(8.0)
            self.ledger.check()
        for job in self.jobs:
            job.refresh_from_db()
            self.ledger.check_end(job)

    def mend(self, cluster: FakeCluster) -> None:
        """All that is wrong with a cluster comes right."""
        if cluster.lost:
            cluster.come_back()
        if cluster.frozen:
            self.thaw(cluster)
        cluster.resume()
        cluster.storage_is_back(deliver=True)
        cluster.start_scheduler()
        cluster.cut = cluster.history_down = cluster.no_capacity = cluster.slow_kill = cluster.busy = False
        cluster.reads_late = cluster.payloads_ignore_term = False
        cluster.refuses = ""
        cluster.fails.clear()
        self.files.lag[cluster.name] = 0.0
        self.files.unreadable[cluster.name] = 0

    def work(self, seconds: float, worker: int = 0, *, finish: bool = True) -> None:
        """A round in which everything does what it should, as far as it can."""
        for name, cluster in self.clusters.items():
            if not self.is_busy(worker, f"dispatch {name}"):
                self.dispatch(worker, name)
            cluster.start_waiting(4)
            cluster.end_orphans()
        self._step_all(8)
        self.pass_time(seconds)
        for run in self.active_runs() if finish else ():
            run.finish(0)
        self._step_all(3)
        # After a long silence it takes some polls until what a cluster says counts again.
        for _ in range(2 if seconds >= ENVIRONMENT.failover.suspect_after else 0):
            for name in NAMES:
                watch.poll_once(name, ENVIRONMENT.failover)
        for name in NAMES:
            if not self.is_busy(worker, f"poll {name}"):
                self.poll(worker, name)

    def _step_all(self, steps: int) -> None:
        for _ in range(steps):
            for run in self.all_runs():
                run.step()

    def active_runs(self) -> list[Any]:
        return [run for run in self.all_runs() if run.active and not run.is_ending_itself and not run.is_suspended]

    def all_runs(self) -> list[Any]:
        clusters = self.clusters.values()
        return [run for cluster in clusters if not (cluster.frozen or cluster.lost) for run in cluster.runs]

    def _is_at_rest(self) -> bool:
        jobs = list(Job.objects.all())
        return all(job.is_final for job in jobs) and not any(job.correctable_until for job in jobs if self._owes(job))

    def _owes(self, job: Job) -> bool:
        """Whether the job's result lies there, and is still to be found."""
        starts = self.ledger.starts
        return any(run.wrote_result for key in list(starts) if key[0] == str(job.pk) for run in starts[key])


class Inline:
    """An executor that does it at once: which thread does it is not what is examined."""

    def __init__(self, thread_name_prefix: str = "", **_: Any) -> None:
        self._name = thread_name_prefix

    def __enter__(self) -> "Inline":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, act: Callable[..., Any], *args: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            found = act(*args)
            if self._name.startswith("read-") and World.current.clusters[self._name.removeprefix("read-")].reads_late:
                World.current.late_answers.append((future, found))
            else:
                future.set_result(found)
        except Exception as problem:  # noqa: BLE001 as executors do
            future.set_exception(problem)
        return future

    def map(self, act: Callable[[Any], Any], over: Iterable[Any]) -> Iterator[Any]:
        return map(act, list(over))

    def shutdown(self, **_: Any) -> None:
        pass


class Time:
    """Of the module `time`, what the loops use."""

    @staticmethod
    def monotonic() -> float:
        return World.current.seconds

    @staticmethod
    def sleep(seconds: float) -> None:
        World.current.seconds += seconds


def _wait(futures: Iterable["Future[Any]"], timeout: float, **_: Any) -> None:
    """For control directories that are read: nobody answers sooner because he is waited for."""
    if not any(future.done() for future in futures):
        Time.sleep(timeout)


class Log(structlog.make_filtering_bound_logger("critical")):  # type: ignore[misc]
    """The loops outlive errors that nobody foresaw, and log them; here such an error is one."""

    def exception(self, event: str, **_: Any) -> None:
        problem = sys.exc_info()[1]
        raise problem if isinstance(problem, Broken) else Broken(f"{event}: {traceback.format_exc()}")


def _statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    # The end of a transaction belongs to it.
    if not sql.startswith(("RELEASE", "ROLLBACK")):
        World.current.pause(sql[:60])
    return execute(sql, params, many, context)


@contextmanager
def in_its_own_time(monkeypatch: Any) -> Iterator[None]:
    """The loops' clock, schedulers, threads and chance are the current world's: a schedule says all that happens."""
    monkeypatch.setattr(timezone, "now", lambda: World.current.workers_now())
    for name, module in list(sys.modules.items()):
        if name.startswith("tandem.") and hasattr(module, "database_now"):
            monkeypatch.setattr(module, "database_now", lambda: World.current.now())
        if name.startswith("tandem.jobs.") and hasattr(module, "ThreadPoolExecutor"):
            monkeypatch.setattr(module, "ThreadPoolExecutor", Inline)
        if name.startswith("tandem.jobs.") and hasattr(module, "time"):
            monkeypatch.setattr(module, "time", Time)
    monkeypatch.setattr(uuid, "uuid4", lambda: World.current.new_id())
    monkeypatch.setattr(secrets, "token_hex", lambda size: World.current.new_id().hex[: 2 * size])
    for kind in (Job, Spooler):
        monkeypatch.setattr(kind._meta.get_field("id"), "_get_default", lambda: World.current.new_id())
    monkeypatch.setattr(watch, "get_scheduler", lambda name: World.current.clusters[name])
    monkeypatch.setattr(reading, "wait", _wait)
    monkeypatch.setattr(who_cancelled, "SystemRandom", lambda: World.current.chance)
    kept = structlog.get_config()
    # Not kept by loggers that are used here for the first time: other tests use them too.
    structlog.configure(wrapper_class=Log, cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**kept)


@contextmanager
def a_world() -> Iterator[World]:
    """A world whose rows are gone afterwards."""
    with transaction.atomic():
        world = World()
        with connection.execute_wrapper(_statement):
            try:
                yield world
            finally:
                for worker in range(len(world.workers)):
                    world.kill_worker(worker)
        transaction.set_rollback(True)
