"""Which cluster a job goes to."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Max, Sum

from tandem.clusters.models import Cluster, ClusterState
from tandem.environment import Environment
from tandem.jobs.models import Job, JobState, Placement
from tandem.jobs.submission import ANY_CLUSTER, Submission

_WAITING = (JobState.PENDING, JobState.ACCEPTED)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Candidate:
    """A cluster as routing sees it: `waiting` counts processors that jobs wait for, `turn` is when it last got one."""

    name: str
    is_up: bool
    queues: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    cores: int = 1
    waiting: int = 0
    turn: tuple[datetime, int] = (_NEVER, 0)

    @property
    def rank(self) -> tuple[float, tuple[datetime, int], str]:
        """Smaller is better: least waiting for each core, then the one whose turn is longer ago."""
        return self.waiting / max(self.cores, 1), self.turn, self.name

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
            turn=(turns.get(cluster.name) or _NEVER, 0),
        )
        for cluster in Cluster.objects.filter(present=True).order_by("name")
    ]


def pinned_cluster(submission: Submission, environment: Environment | None) -> str | None:
    """The cluster on whose scratch one of the submission's paths lies: no other cluster has that."""
    if environment is None:
        return None
    paths = [submission.executable, submission.input_file, submission.execution_directory]
    paths += [word.strip("'\"") for word in submission.options.split()]
    for name, scratch in environment.storage.scratch.items():
        mount = scratch.path.rstrip("/")
        if any(path == mount or path.startswith(f"{mount}/") for path in paths):
            return name
    return None


def can_run(candidate: Candidate, submission: Submission) -> bool:
    """Whether it has such a queue and, as far as it said, room for the job there. What is unknown does not exclude."""
    if not candidate.queues:
        return True
    if submission.queue:
        queue = candidate.queues.get(submission.queue)
    else:
        queue = next((queue for queue in candidate.queues.values() if queue.get("is_default")), None)
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
    refused_by: Collection[str] = (),
) -> list[Candidate]:
    """The clusters that the job may go to, whether or not they are up.

    The one that was named, or on whose scratch a path of it lies. For `any` those that can run it; if none can, all:
    one of them is to say so itself, in its own words. Without those that refused it.
    """
    wanted = job.wanted_cluster if job.wanted_cluster != ANY_CLUSTER else pinned_cluster(submission, environment)
    if wanted is not None:
        return [cluster for cluster in clusters if cluster.name == wanted and cluster.name not in refused_by]
    able = [cluster for cluster in clusters if can_run(cluster, submission)] or clusters
    return [cluster for cluster in able if cluster.name not in refused_by]


def choose_cluster(among: Sequence[Candidate]) -> Candidate | None:
    """Of the clusters that a job may go to, the one that is up and likely to start it soonest; None: it has to wait."""
    return min((cluster for cluster in among if cluster.is_up), key=lambda cluster: cluster.rank, default=None)
