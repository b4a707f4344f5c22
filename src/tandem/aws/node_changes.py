"""What a deployment does to nodes that may be running jobs, read from the clusters' old and new configurations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CLUSTER_TYPE = "Custom::PclusterCluster"

Template = dict[str, Any]


@dataclass(frozen=True)
class NodeChange:
    """Nodes of a queue that end with the deployment: jobs that run on them end, too."""

    cluster: str
    queue: str
    gone: str
    instead: str

    def __str__(self) -> str:
        instead = f", {self.instead} instead" if self.instead else ""
        return f"{self.cluster}, queue {self.queue}: nodes of {self.gone} go{instead}"


@dataclass(frozen=True)
class Impossible:
    """A change of a head node that ParallelCluster refuses."""

    cluster: str
    what: str


def node_changes(old: Template, new: Template) -> list[NodeChange]:
    """Compute resources that go, or that change so that ParallelCluster replaces their nodes."""
    return list(_node_changes(_configurations(old), _configurations(new)))


def impossible_changes(old: Template, new: Template) -> list[Impossible]:
    """What no update can change: only taking the cluster out of the file and putting it back does."""
    before, after = _configurations(old), _configurations(new)
    return [
        Impossible(name, f"the head node's instance type ({_head(before[name])} to {_head(after[name])})")
        for name in before.keys() & after.keys()
        if _head(before[name]) != _head(after[name])
    ]


def clusters_that_go(old: Template, new: Template) -> list[str]:
    """Clusters that are deleted, with all their jobs."""
    return sorted(_configurations(old).keys() - _configurations(new).keys())


def _configurations(template: Template) -> dict[str, dict[str, Any]]:
    found = {}
    for resource in template.get("Resources", {}).values():
        properties = resource.get("Properties", {})
        if resource["Type"] == CLUSTER_TYPE and isinstance(properties.get("ClusterConfiguration"), dict):
            found[str(properties.get("ClusterName"))] = properties["ClusterConfiguration"]
    return found


def _head(configuration: dict[str, Any]) -> str:
    return str(configuration.get("HeadNode", {}).get("InstanceType"))


def _queues(configuration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {queue["Name"]: queue for queue in configuration.get("Scheduling", {}).get("SlurmQueues", [])}


def _resources(queue: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {resource["Name"]: resource for resource in queue.get("ComputeResources", [])}


def _type(resource: dict[str, Any]) -> str:
    kinds = [one["InstanceType"] for one in resource.get("Instances", [])] or [resource.get("InstanceType", "?")]
    return " or ".join(kinds)


def _node_changes(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterator[NodeChange]:
    for cluster in sorted(before.keys() & after.keys()):
        old_queues, new_queues = _queues(before[cluster]), _queues(after[cluster])
        for name, queue in old_queues.items():
            old, new = _resources(queue), _resources(new_queues.get(name, {}))
            come = [_type(resource) for key, resource in new.items() if key not in old]
            for key, resource in old.items():
                if key not in new:
                    yield NodeChange(cluster, name, _type(resource), ", ".join(come))
                elif int(new[key].get("MaxCount", 10)) < int(resource.get("MaxCount", 10)):
                    fewer = f"{new[key].get('MaxCount', 10)} of them at most"
                    yield NodeChange(cluster, name, _type(resource), fewer)
            # Where a queue is (its subnets, image, disks) cannot change under running nodes.
            if name in new_queues and _rest(queue) != _rest(new_queues[name]):
                yield NodeChange(cluster, name, "all its types", "new ones with the changed settings")


def _rest(queue: dict[str, Any]) -> dict[str, Any]:
    changes_in_place = ("ComputeResources", "CustomSlurmSettings", "CapacityType", "HealthChecks", "Iam")
    return {key: value for key, value in queue.items() if key not in changes_in_place and key != "CustomActions"}
