"""Which cluster a job goes to, and whether it may go to another one as well."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Max, Sum

from tandem.clusters.models import Cluster, ClusterState
from tandem.clusters.scheduler import Wait, wait_of
from tandem.environment import Environment
from tandem.environment.durations import duration_text
from tandem.jobs.models import Job, JobState, Placement, PlacementState
from tandem.jobs.submission import ANY_CLUSTER, Submission, SubmissionInvalid, stored_submission

_WAITING = (JobState.PENDING, JobState.ACCEPTED)
_NEVER = datetime.min.replace(tzinfo=UTC)
# In options a path may be a word, or part of one: --data=/fsx_cluster1/set,/efs/other or >/fsx_cluster1/log.
_BEFORE_A_PATH = r"""(?<![^\s'"=:,;|&<>(])"""
_BEHIND_A_DIRECTORY = r"""(?![^\s'"=:,;|&<>)/])"""


@dataclass(slots=True)
class Candidate:
    """A cluster as routing sees it.

    `waiting` counts processors that jobs wait for, `used` those that run jobs; `turn` is when it last got a job;
    `shortages` are the queues that lack nodes, with the cloud's reason.
    """

    name: str
    is_up: bool
    queues: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    cores: int = 1
    waiting: int = 0
    used: int = 0
    turn: tuple[datetime, int] = (_NEVER, 0)
    shortages: Mapping[str, str] = field(default_factory=dict)

    def rank(self, queue: str, processors: int) -> tuple[bool, float, tuple[datetime, int], str]:
        """Smaller is better: can provide nodes, has least work beyond its cores, has waited longest for its turn."""
        excess = max(self.waiting + self.used + processors - self.cores, 0)
        return self.shortage(queue) != "", excess / max(self.cores, 1), self.turn, self.name

    def queue_of(self, queue: str) -> dict[str, Any] | None:
        """What it said of a queue; of its default queue for an empty name."""
        if queue:
            return self.queues.get(queue)
        return next((found for found in self.queues.values() if found.get("is_default")), None)

    def shortage(self, queue: str) -> str:
        """Why the queue lacks nodes; empty when it does not."""
        found = self.queue_of(queue)
        return self.shortages.get(str(found["name"]), "") if found else ""

    def take(self, processors: int) -> None:
        """Note that a job goes there, for those that are routed after it."""
        self.waiting += processors
        self.turn = (datetime.max.replace(tzinfo=UTC), self.turn[1] + 1)


def candidates() -> list[Candidate]:
    """All clusters of the environment, with how much waits there. Three queries, however many jobs there are."""
    there = Job.objects.filter(state__in=_WAITING).exclude(cluster="").values("cluster").order_by()
    waiting = dict(there.annotate(total=Sum("processors")).values_list("cluster", "total"))
    recent = Placement.objects.values("cluster").order_by().annotate(at=Max("created_at"))
    turns = dict(recent.values_list("cluster", "at"))
    return [
        Candidate(
            name=cluster.name,
            is_up=cluster.state == ClusterState.UP,
            queues={str(queue["name"]): queue for queue in cluster.queues},
            cores=sum(int(node.get("cpus") or 0) for node in cluster.nodes),
            waiting=int(waiting.get(cluster.name) or 0),
            used=sum(int(node.get("cpus_used") or 0) for node in cluster.nodes),
            turn=(turns.get(cluster.name) or _NEVER, 0),
            shortages={queue: str(shortage["reason"]) for queue, shortage in cluster.shortages.items()},
        )
        for cluster in Cluster.objects.filter(present=True).order_by("name")
    ]


def pinned_cluster(submission: Submission, environment: Environment | None) -> str | None:
    """The cluster on whose scratch one of the submission's paths lies: no other cluster has that."""
    if environment is None:
        return None
    paths = [submission.executable, submission.input_file, submission.execution_directory]
    for name, scratch in environment.storage.scratch.items():
        mount = scratch.path.rstrip("/")
        named = re.search(f"{_BEFORE_A_PATH}{re.escape(mount)}{_BEHIND_A_DIRECTORY}", submission.options)
        if named or any(path == mount or path.startswith(f"{mount}/") for path in paths):
            return name
    return None


def can_run(candidate: Candidate, submission: Submission) -> bool:
    """Whether it has such a queue and, as far as it said, room for the job there. What is unknown does not exclude."""
    if not candidate.queues:
        return True
    queue = candidate.queue_of(submission.queue)
    if queue is None or not queue.get("available", True):
        return False
    cores = int(queue.get("nodes") or 0) * int(queue.get("cpus_per_node") or 0)
    memory = int(queue.get("memory_per_node") or 0)
    wanted = int(submission.memory[:-1]) if submission.memory else 0
    return submission.processors <= (cores or math.inf) and wanted <= (memory or math.inf)


def eligible(
    job: Job,
    submission: Submission,
    clusters: Sequence[Candidate],
    environment: Environment | None,
    excluded: Collection[str] = (),
) -> list[Candidate]:
    """The clusters that the job may go to, whether or not they are up.

    The one that was named, or on whose scratch a path of it lies. For `any` those that can run it; if none can, all:
    one of them is to say so itself, in its own words. Without the `excluded`: those that refused it or have it already.
    """
    wanted = job.wanted_cluster if job.wanted_cluster != ANY_CLUSTER else pinned_cluster(submission, environment)
    if wanted is not None:
        return [cluster for cluster in clusters if cluster.name == wanted and cluster.name not in excluded]
    able = [cluster for cluster in clusters if can_run(cluster, submission)] or clusters
    return [cluster for cluster in able if cluster.name not in excluded]


def choose_cluster(among: Sequence[Candidate], submission: Submission) -> Candidate | None:
    """Of the clusters that a job may go to, the one that is up and likely to start it soonest; None: it has to wait."""
    up = (cluster for cluster in among if cluster.is_up)
    return min(up, key=lambda cluster: cluster.rank(submission.queue, submission.processors), default=None)


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Where a job could go: `possible` clusters, which did not refuse it; those of them `up`; with `ample` nodes.

    `obstacles` says, by cluster that has it waiting, what keeps it from starting there.
    """

    possible: frozenset[str] = frozenset()
    up: frozenset[str] = frozenset()
    ample: frozenset[str] = frozenset()
    obstacles: Mapping[str, str] = field(default_factory=dict)


def alternatives(
    job: Job, placements: Sequence[Placement], clusters: Sequence[Candidate], environment: Environment, now: datetime
) -> Alternatives:
    """Where a job could go. Nowhere but there for a named cluster, or one on whose scratch a path of it lies."""
    refused = {placement.cluster for placement in placements if placement.state == PlacementState.REFUSED}
    try:
        submission = stored_submission(job.submission)
    except SubmissionInvalid:
        return Alternatives()
    possible = eligible(job, submission, clusters, environment, refused)
    up = [cluster for cluster in possible if cluster.is_up]
    ample = frozenset(cluster.name for cluster in up if not cluster.shortage(submission.queue))
    waiting = {placement.cluster: placement for placement in placements if placement.waits_for}
    obstacles = {}
    for cluster in clusters:
        placement = waiting.get(cluster.name)
        wait = wait_of(placement.waits_for[0]) if placement else Wait.ARRAY_LIMIT
        if placement and wait not in (Wait.ARRAY_LIMIT, Wait.HELD):
            words = _shortage(cluster, submission.queue)
            if not words and ample - {cluster.name} and wait in (Wait.TURN, Wait.STUCK):
                words = _long_wait(cluster, placement, submission.queue, environment, now)
            if words:
                obstacles[cluster.name] = words
    names = frozenset(cluster.name for cluster in possible)
    return Alternatives(names, frozenset(cluster.name for cluster in up), ample, obstacles)


def _shortage(cluster: Candidate, queue: str) -> str:
    found, reason = cluster.queue_of(queue), cluster.shortage(queue)
    return f"{cluster.name} cannot provide nodes for {found['name']} ({reason})" if found and reason else ""


def _long_wait(cluster: Candidate, placement: Placement, queue: str, environment: Environment, now: datetime) -> str:
    found = cluster.queue_of(queue)
    if found is None:
        return ""
    try:
        patience = environment.cluster(cluster.name).queue(str(found["name"])).hedge_after
    except KeyError:  # a queue that only the scheduler knows
        return ""
    waited = (now - placement.created_at).total_seconds()
    return f"it waits on {cluster.name} for more than {duration_text(patience)}" if waited >= patience else ""
