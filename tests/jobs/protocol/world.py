"""Clusters that lose answers, forget jobs, hand ids out again and fall silent, under the real loops.

The schedulers are made up; the control directories are real, read and closed by the scripts that do it on clusters.
Time is the world's own: `pass_time` moves it on.
"""

import subprocess
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from tandem import clock
from tandem.accounts.models import Person
from tandem.clusters.channel import Answer
from tandem.clusters.errors import AnswerLost, ClusterUnreachable, DoorError, SubmissionRefused
from tandem.clusters.models import Cluster, ClusterState
from tandem.clusters.request import BatchJob, Outcome, Request
from tandem.clusters.scheduler import Cancel, ClusterPicture, Ending, Phase, SchedulerJob
from tandem.environment import Environment
from tandem.jobs import actions
from tandem.jobs.dispatch import Dispatcher
from tandem.jobs.follow import Follower
from tandem.jobs.models import Job, Placement
from tandem.jobs.submission import check_submission

ENVIRONMENT = Environment.model_validate(
    {
        "name": "test",
        "region": "eu-central-1",
        "zones": [{"name": "zone1"}, {"name": "zone2"}],
        "clusters": [
            {
                "name": f"cluster{number}",
                "zone": f"zone{number}",
                "queues": [{"name": "compute", "cpus": 4, "memory_gib": 8.0, "fixed_nodes": 2}],
            }
            for number in (1, 2)
        ],
    }
)
TIMES = ENVIRONMENT.failover


@dataclass
class FakeCluster:
    """A scheduler in memory. What goes wrong next is set by the test."""

    name: str
    world: "World"
    jobs: dict[int, SchedulerJob] = field(default_factory=dict)
    next_id: int = 1
    silent: bool = False
    history_down: bool = False
    lose_answers: int = 0
    lose_requests: int = 0
    unreachable: int = 0
    refusal: str = ""
    submissions: list[tuple[uuid.UUID, Request]] = field(default_factory=list)
    round_trips: list[int] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    cancelled: list[tuple[str, uuid.UUID]] = field(default_factory=list)
    verbs: list[tuple[str, str]] = field(default_factory=list)
    look_ups: int = 0
    inquiries: list[tuple[str, int]] = field(default_factory=list)
    cancelled_by_uids: frozenset[int] = frozenset()
    cancels: set[Cancel] = field(default_factory=set)

    # What the loops use

    def submit(self, user: str, jobs: Sequence[BatchJob]) -> list[Outcome]:
        """As the real one: each has an outcome of its own."""
        self.round_trips.append(len(jobs))
        outcomes: list[Outcome] = []
        for job in jobs:
            try:
                outcomes.append(self.submit_one(user, job))
            except DoorError as problem:
                outcomes.append(problem)
        return outcomes

    def submit_one(self, user: str, job: BatchJob) -> str:
        self._reach()
        if self.unreachable:
            self.unreachable -= 1
            raise ClusterUnreachable(f"{self.name}: nothing was sent")
        self.submissions.append((job.placement, job.request))
        self.scripts.append(job.script)
        for directory in (job.request.directory, job.control):
            self.world.real(directory).mkdir(parents=True, exist_ok=True)
        if self.refusal:
            raise SubmissionRefused(self.refusal)
        if self.lose_requests:
            self.lose_requests -= 1
            raise AnswerLost(f"{self.name} did not answer")
        number = self.add(user, job.placement)
        if self.lose_answers:
            self.lose_answers -= 1
            raise AnswerLost(f"{self.name} did not answer")
        return str(number)

    def look_up(self, user: str, placement: uuid.UUID, since: datetime | None = None) -> list[SchedulerJob]:
        self._reach()
        self.look_ups += 1
        return [job for job in self.jobs.values() if job.user == user and job.placement == str(placement)]

    def cancel(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        self._reach()
        self.cancelled.append((user, placement))
        for number, job in self.jobs.items():
            if job.user == (owner or user) and job.placement == str(placement) and job.phase is not Phase.ENDED:
                self.end(number, Ending.CANCELLED)

    def cancel_waiting(self, user: str, placement: uuid.UUID, tasks: Collection[int] = ()) -> None:
        self._reach()
        self.cancelled += [] if tasks else [(user, placement)]
        for number, job in self.jobs.items():
            is_meant = job.placement == str(placement) and (not tasks or job.task in tasks)
            if job.user == user and is_meant and job.phase is Phase.WAITING:
                self.end(number, Ending.CANCELLED)

    def cancelled_by(self, user: str, placements: Mapping[uuid.UUID, str]) -> dict[uuid.UUID, frozenset[Cancel]]:
        self._reach()
        self.inquiries.append((user, len(placements)))
        return dict.fromkeys(placements, frozenset(self.cancels | {Cancel(uid) for uid in self.cancelled_by_uids}))

    def hold(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        self.verbs.append(("hold", user))
        self._give_reason(placement, "JobHeldUser")
        if self.lose_answers:
            self.lose_answers -= 1
            raise AnswerLost(f"{self.name} did not answer")

    def release(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        self.verbs.append(("release", user))
        self._give_reason(placement, "Priority")

    def _give_reason(self, placement: uuid.UUID, reason: str) -> None:
        for number, job in self.jobs.items():
            if job.placement == str(placement) and job.phase is Phase.WAITING:
                self.jobs[number] = replace(job, reason=reason)

    def requeue(
        self, user: str, placement: uuid.UUID, owner: str | None = None, *, until: datetime | None = None
    ) -> None:
        if self.unreachable:
            self.unreachable -= 1
            raise ClusterUnreachable(f"{self.name}: nothing was sent")
        self.verbs.append(("requeue", user))
        if self.lose_requests:
            self.lose_requests -= 1
            raise AnswerLost(f"{self.name} did not answer")
        for number, job in self.jobs.items():
            is_meant = job.started_at and (until is None or job.started_at <= until)
            if job.placement == str(placement) and job.phase is Phase.RUNNING and is_meant:
                self.jobs[number] = replace(job, phase=Phase.WAITING, state="PENDING", started_at=None)
        if self.lose_answers:
            self.lose_answers -= 1
            raise AnswerLost(f"{self.name} did not answer")

    def _reach(self) -> None:
        if self.silent:
            raise ClusterUnreachable(f"{self.name} does not answer")

    # What a test does to it

    def add(self, user: str, placement: uuid.UUID) -> int:
        number, self.next_id = self.next_id, self.next_id + 1
        self.jobs[number] = SchedulerJob(
            scheduler_id=str(number),
            raw_id=str(number),
            user=user,
            name="job",
            placement=str(placement),
            phase=Phase.WAITING,
            ending=None,
            state="PENDING",
            reason="Priority",
            queue="compute",
            submitted_at=timezone.now(),
        )
        return number

    def end(self, number: int, ending: Ending, code: int | None = None, signal: int | None = None) -> None:
        self.jobs[number] = replace(
            self.jobs[number],
            phase=Phase.ENDED,
            ending=ending,
            state=ending.name,
            exit_code=code,
            signal=signal,
            ended_at=timezone.now(),
        )

    def forget(self) -> None:
        """What a kill -9 does: acknowledged jobs are gone, and their ids are handed out again."""
        self.jobs.clear()
        self.next_id = 1

    def picture(self, poll: int) -> ClusterPicture:
        jobs = tuple(job for job in self.jobs.values() if job.phase is not Phase.ENDED)
        ended = tuple(job for job in self.jobs.values() if job.phase is Phase.ENDED)
        long_ago = None if self.history_down else timezone.now() - timedelta(days=2)
        return ClusterPicture(jobs=jobs, ended=ended, poll=poll, ended_since=long_ago)


@dataclass
class World:
    """Two clusters, a shared file system, a worker's loops."""

    root: Path
    passed: timedelta = timedelta(0)
    storage_lost: bool = False
    storage_hangs_on: str = ""
    owner_locked_out: bool = False
    runs: int = 0
    started: dict[uuid.UUID, "Run"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clusters = {name: FakeCluster(name, self) for name in ("cluster1", "cluster2")}
        now = timezone.now()
        for name in self.clusters:
            Cluster.objects.create(
                name=name, zone=name.replace("cluster", "zone"), state="UP", state_since=now, last_answer_at=now
            )
        # Tests look at every job in every pass, the worker at some only every few.
        schedulers = self.clusters.__getitem__
        self.followers = {name: Follower(name, self, schedulers, ENVIRONMENT, sweep_every=1) for name in self.clusters}
        self.dispatchers = {
            name: Dispatcher(name, fake, ENVIRONMENT, self.followers[name].follow_now)
            for name, fake in self.clusters.items()
        }

    # The door of the control directories: the real scripts, on a directory of this machine

    def real(self, path: str) -> Path:
        return self.root / path.removeprefix("/")

    def run(self, user: str, cluster: str, script: str, args: Any = (), **_: Any) -> Answer:
        self.clusters[cluster]._reach()
        if cluster == self.storage_hangs_on:
            raise AnswerLost(f"{cluster} did not answer")
        if self.owner_locked_out:
            raise ClusterUnreachable("the account is disabled")
        if not self.storage_lost:
            self.real(f"/efs/spoolers/{user}").mkdir(parents=True, exist_ok=True)
        root = str(self.root)
        words = [word.replace("/efs/", f"{root}/efs/") for word in args]
        if self.storage_lost:
            words[0] += "-lost"
        done = subprocess.run(["/bin/sh", "-c", script, "sh", *words], capture_output=True, check=False)
        return Answer(done.stdout.replace(root.encode(), b""), done.stderr, done.returncode)

    # What people and time do

    def submit(self, owner: Person, **fields: Any) -> Job:
        data = {"executable": "/bin/true", "cluster": "cluster1", **fields}
        return actions.submit_job(owner, check_submission(data, ENVIRONMENT))

    def pass_time(self, seconds: float) -> None:
        self.passed += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return clock.database_now() + self.passed

    # What the worker does

    def dispatch(self, *names: str) -> None:
        """Turns of the dispatch loops, until nothing is due and all answers are in."""
        Job.objects.filter(place_wanted__isnull=False).update(next_try_at=timezone.now() - timedelta(seconds=1))
        busy = True
        while busy:
            turns = [self.dispatchers[name].step(5) for name in names or self.clusters]
            busy = any(turns)

    def set_state(self, name: str, state: ClusterState) -> None:
        Cluster.objects.filter(name=name).update(state=state, state_since=timezone.now())

    def start_poll(self, name: str) -> ClusterPicture:
        """What a poll that starts now sees; it is taken into account whenever a test likes."""
        row = Cluster.objects.get(name=name)
        row.poll_number += 1
        row.save(update_fields=["poll_number"])
        return self.clusters[name].picture(row.poll_number)

    def poll(self, name: str = "cluster1") -> None:
        """A turn of the watch loop."""
        if self.clusters[name].silent:
            Cluster.objects.filter(name=name).update(state=ClusterState.DOWN)
            self.followers[name].step(None)
            return
        self.followers[name].step(self.start_poll(name))

    def poll_until(self, job: Job, state: str, name: str = "cluster1", turns: int = 6) -> None:
        for _ in range(turns):
            self.poll(name)
            job.refresh_from_db()
            if job.state == state:
                return
        raise AssertionError(f"{job.state} ({job.reason}) instead of {state}")

    # What runs do

    def scheduler_job(self, job: Job, name: str = "cluster1") -> int:
        """The number of the job's newest placement that this cluster has."""
        fake = self.clusters[name]
        ids = {str(pk) for pk in job.placements.values_list("pk", flat=True)}
        return max(number for number, row in fake.jobs.items() if row.placement in ids)

    def start(self, job: Job, name: str = "cluster1", attempt: int = 0, placement: uuid.UUID | None = None) -> "Run":
        """The scheduler starts the job's wrapper there, and it wins the claim."""
        fake = self.clusters[name]
        number = 0
        if placement is None:
            number = self.scheduler_job(job, name)
            placement = uuid.UUID(fake.jobs[number].placement)
            fake.jobs[number] = replace(
                fake.jobs[number], phase=Phase.RUNNING, state="RUNNING", reason="", started_at=timezone.now()
            )
        self.runs += 1
        run = Run(self, job, fake, number, attempt, f"{self.runs:08x}-0000", placement)
        run.path("claim").symlink_to(f"run:{name}:{placement}:{number}:{run.nonce}")
        run.beat()
        self.started[job.pk] = run
        return run

    def start_of(self, job: Job) -> "Run":
        """The job's newest run."""
        return self.started[job.pk]

    def claims(self, job: Job) -> dict[str, str]:
        directory = self.real(job.control_path)
        return {path.name: str(path.readlink()) for path in sorted(directory.glob("claim.*"))}

    def placement(self, job: Job) -> Placement:
        return job.placements.latest("created_at")


@dataclass
class Run:
    """A start of the wrapper that won a claim."""

    world: World
    job: Job
    cluster: FakeCluster
    number: int
    attempt: int
    nonce: str
    placement: uuid.UUID
    count: int = 0

    def path(self, kind: str) -> Path:
        return self.world.real(self.job.control_path) / f"{kind}.0.{self.attempt}"

    def beat(self) -> None:
        self.count += 1
        self.path("hb").write_text(f"{self.nonce} {self.count:09}\n")

    def write_result(self, code: int = 0, signal: str = "-", words: str = "") -> None:
        self.path("result").write_text(f"1 {self.nonce} 1000 1060 {code} {signal}\t{words}\n")

    def end(self, code: int = 0, ending: Ending | None = None) -> None:
        """The scheduler notices that it ended."""
        self.cluster.end(self.number, ending or (Ending.COMPLETED if code == 0 else Ending.FAILED), code)

    def finish(self, code: int = 0, signal: str = "-", words: str = "", ending: Ending | None = None) -> None:
        self.write_result(code, signal, words)
        self.end(code, ending)


def state(job: Job) -> str:
    """The job's state, as the database has it now."""
    job.refresh_from_db()
    return str(job.state)


def wait_out(world: World, seconds: float) -> None:
    """So much time passes, with a poll before and after it."""
    world.poll()
    world.pass_time(seconds)
    world.poll()
