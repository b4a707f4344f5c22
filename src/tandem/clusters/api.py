"""`/api/v1/clusters`: what the watch loops last saw. Reads the database alone, never a scheduler."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router, Schema

from tandem.clusters.models import Cluster, ClusterState
from tandem.clusters.scheduler import NodeCondition

router = Router(tags=["clusters"])


class QueueOut(Schema):
    """A queue; time limit in seconds, memory in MiB; null where there is no limit.

    `jobs_running` and `jobs_waiting` count everybody's, also those that did not come through the portal.
    """

    name: str
    available: bool
    is_default: bool
    time_limit: int | None
    nodes: int
    cpus_per_node: int
    memory_per_node: int
    jobs_running: int = 0
    jobs_waiting: int = 0


class NodeOut(Schema):
    """A compute node; memory in MiB. `shortage`: why the cloud did not provide it, if it did not.

    `state` is the scheduler's own word, `condition` ours, since `since`. `elastic`: comes and goes with the work.
    """

    name: str
    state: str
    reason: str
    queues: list[str]
    cpus: int
    cpus_used: int
    memory: int
    memory_used: int
    load: float | None
    shortage: str = ""
    condition: NodeCondition = NodeCondition.UNKNOWN
    elastic: bool = False
    since: datetime | None = None


class ClusterOut(Schema):
    """A cluster as last seen. `age` says how many seconds ago that was; null: it never answered. `stale`: queues and
    nodes may have changed long since.

    `shortages` says, by queue, why the cloud did not provide nodes for it: `reason`, `node`, `since`, `seen_at`.
    """

    name: str
    zone: str
    state: ClusterState
    state_since: datetime | None
    last_answer_at: datetime | None
    age: float | None
    stale: bool
    error: str
    queues: list[QueueOut]
    nodes: list[NodeOut]
    shortages: dict[str, dict[str, str]]

    @staticmethod
    def resolve_age(cluster: Cluster, context: Any) -> float | None:
        """Seconds since the last answer."""
        if cluster.last_answer_at is None:
            return None
        return round((timezone.now() - cluster.last_answer_at).total_seconds(), 1)

    @staticmethod
    def resolve_stale(cluster: Cluster, context: Any) -> bool:
        """Whether the cluster is silent, or was not asked for a while."""
        return cluster.is_stale(timezone.now())


@router.get("", response=list[ClusterOut], operation_id="list_clusters", summary="List clusters")
def list_clusters(request: HttpRequest) -> Any:
    """All clusters of the environment with their state, its age, queues and nodes."""
    return Cluster.objects.filter(present=True).order_by("name")


@router.get("/{name}", response=ClusterOut, operation_id="show_cluster", summary="Show a cluster")
def show_cluster(request: HttpRequest, name: str) -> Any:
    """One cluster."""
    return get_object_or_404(Cluster, name=name, present=True)
