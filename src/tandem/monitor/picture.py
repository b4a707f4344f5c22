"""A cluster as its pages show it: made of what its watcher last wrote down, however long ago. Asks no scheduler.

What a watcher of an earlier version wrote may lack a field: every one is read as if it might.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tandem.clusters.models import Cluster
from tandem.clusters.scheduler import NodeCondition

MOST_NODES = 200
# What a person looks for first comes first; what is off, of which there may be hundreds, last.
ORDER = (
    NodeCondition.DOWN,
    NodeCondition.SILENT,
    NodeCondition.STARTING,
    NodeCondition.STOPPING,
    NodeCondition.DRAINING,
    NodeCondition.DRAINED,
    NodeCondition.BUSY,
    NodeCondition.IDLE,
    NodeCondition.UNKNOWN,
    NodeCondition.OFF,
)
# A bar is read from what works to what is off.
IN_BARS = (
    NodeCondition.BUSY,
    NodeCondition.DRAINING,
    NodeCondition.IDLE,
    NodeCondition.STARTING,
    NodeCondition.STOPPING,
    NodeCondition.DRAINED,
    NodeCondition.SILENT,
    NodeCondition.DOWN,
    NodeCondition.UNKNOWN,
    NodeCondition.OFF,
)
# Nodes on which nothing runs whatever their CPUs: they are no part of what can be used.
NOT_THERE = frozenset({NodeCondition.OFF, NodeCondition.STARTING, NodeCondition.STOPPING, NodeCondition.DOWN})


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A node."""

    name: str
    condition: NodeCondition
    since: datetime | None
    state: str
    reason: str
    shortage: str
    elastic: bool
    queues: tuple[str, ...]
    cpus: int
    cpus_used: int
    memory: int
    memory_used: int
    load: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """How many nodes are in one condition, and their part of a bar, in hundredths: from `start`, `width` wide."""

    condition: NodeCondition
    number: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue with its nodes counted. `cpus` are those of nodes that are there now, `most_cpus` those of all."""

    name: str
    is_default: bool
    available: bool
    time_limit: int | None
    nodes: int
    shares: list[Share]
    cpus: int
    cpus_used: int
    most_cpus: int
    jobs_running: int
    jobs_waiting: int
    shortage: str
    short_since: datetime | None


@dataclass(frozen=True, slots=True)
class ClusterPicture:
    """A cluster with its queues. `is_stale`: it is silent, so all this is how it was at its last answer."""

    cluster: Cluster
    is_stale: bool
    queues: list[QueueLine]


@dataclass(frozen=True, slots=True)
class ZonePicture:
    """A zone with its clusters."""

    name: str
    clusters: list[ClusterPicture]


def zones(clusters: Iterable[Cluster], now: datetime) -> list[ZonePicture]:
    """All zones by name."""
    found: dict[str, list[ClusterPicture]] = {}
    for cluster in sorted(clusters, key=lambda one: (one.zone, one.name)):
        found.setdefault(cluster.zone, []).append(picture_of(cluster, now))
    return [ZonePicture(name, members) for name, members in found.items()]


def picture_of(cluster: Cluster, now: datetime) -> ClusterPicture:
    """One cluster."""
    nodes = [_node(row) for row in cluster.nodes]
    queues = [
        _queue(row, [node for node in nodes if row["name"] in node.queues], cluster.shortages.get(row["name"]) or {})
        for row in cluster.queues
    ]
    return ClusterPicture(cluster, cluster.is_stale(now), queues)


def node_lines(cluster: Cluster, queue: str = "", condition: str = "") -> list[NodeLine]:
    """The nodes of one queue, in one condition, if these are given: those that need looking at first."""
    nodes = [
        node
        for node in map(_node, cluster.nodes)
        if (not queue or queue in node.queues) and (not condition or node.condition == condition)
    ]
    return sorted(nodes, key=lambda node: (ORDER.index(node.condition), natural(node.name)))


def natural(name: str) -> list[tuple[int, str]]:
    """`n2` before `n10`."""
    return [(int(part or 0), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _node(row: Mapping[str, Any]) -> NodeLine:
    condition = str(row.get("condition", ""))
    since = row.get("since")
    return NodeLine(
        name=row["name"],
        condition=NodeCondition(condition) if condition in set(NodeCondition) else NodeCondition.UNKNOWN,
        since=datetime.fromisoformat(since) if since else None,
        state=row.get("state", ""),
        reason=row.get("reason", ""),
        shortage=row.get("shortage", ""),
        elastic=row.get("elastic", False),
        queues=tuple(row.get("queues", ())),
        cpus=row.get("cpus", 0),
        cpus_used=row.get("cpus_used", 0),
        memory=row.get("memory", 0),
        memory_used=row.get("memory_used", 0),
        load=row.get("load"),
    )


def _queue(row: Mapping[str, Any], nodes: list[NodeLine], shortage: Mapping[str, str]) -> QueueLine:
    there = [node for node in nodes if node.condition not in NOT_THERE]
    return QueueLine(
        name=row["name"],
        is_default=row.get("is_default", False),
        available=row.get("available", True),
        time_limit=row.get("time_limit"),
        nodes=len(nodes),
        shares=_shares(nodes),
        cpus=sum(node.cpus for node in there),
        cpus_used=sum(node.cpus_used for node in there),
        most_cpus=sum(node.cpus for node in nodes),
        jobs_running=row.get("jobs_running", 0),
        jobs_waiting=row.get("jobs_waiting", 0),
        shortage=shortage.get("reason", ""),
        short_since=datetime.fromisoformat(shortage["since"]) if shortage.get("since") else None,
    )


def _shares(nodes: list[NodeLine]) -> list[Share]:
    numbers = Counter(node.condition for node in nodes)
    shares, start = [], 0.0
    for condition in IN_BARS:
        if number := numbers[condition]:
            width = 100 * number / len(nodes)
            shares.append(Share(condition, number, round(start, 2), round(width, 2)))
            start += width
    return shares
