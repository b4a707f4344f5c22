"""A cluster's configuration in ParallelCluster's words, from the environment file's.

Compute resources are named after their instance type: ParallelCluster changes no type in place, but adds and removes
compute resources while the cluster runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tandem.environment import Queue

Configuration = dict[str, Any]

OS = "alinux2023"
LOG_DAYS = 30
# As on one machine: tandem.local.slurm_conf says why. What ParallelCluster sets itself it lets nobody set.
SLURM_SETTINGS: list[dict[str, Any]] = [
    {"AccountingStoreFlags": "job_comment,job_script,job_env"},
    {"EnforcePartLimits": "ALL"},
    {"KillWait": 5},
    {"MaxArraySize": 50001},
    {"MaxJobCount": 100000},
    {"MessageTimeout": 60},
    {"MinJobAge": 300},
    {"PrivateData": "cloud"},
    {"PropagateResourceLimits": "NONE"},
    {"TrackWCKey": "yes"},
]


@dataclass(frozen=True)
class Mount:
    """A file system that is there already: where it is mounted, ParallelCluster's storage type, and its id."""

    name: str
    path: str
    storage_type: str
    resource_id: str

    def section(self) -> Configuration:
        """Its entry in `SharedStorage`."""
        settings: dict[str, Configuration] = {
            "Efs": {"EfsSettings": {"FileSystemId": self.resource_id, "EncryptionInTransit": True}},
            "FsxLustre": {"FsxLustreSettings": {"FileSystemId": self.resource_id}},
            "Ebs": {"EbsSettings": {"VolumeId": self.resource_id}},
        }
        return {
            "Name": self.name,
            "MountDir": self.path,
            "StorageType": self.storage_type,
            **settings[self.storage_type],
        }


@dataclass(frozen=True)
class Accounting:
    """The database that a cluster keeps its accounting in."""

    host: str
    port: int
    name: str
    password_secret: str


@dataclass(frozen=True)
class SetUp:
    """What makes a node one of ours: a loader that never changes, and the content that it fetches."""

    loader: str
    arguments: Sequence[str]
    content: str


def cluster_configuration(
    *,
    region: str,
    instance_type: str,
    queues: Sequence[Queue],
    default_queue: str,
    subnet: str,
    head_group: str,
    nodes_group: str,
    mounts: Sequence[Mount],
    accounting: Accounting,
    munge_secret: str,
    set_up: SetUp,
    head_policies: Sequence[str],
    node_policies: Sequence[str],
    key_pair: str | None,
    overrides: Mapping[str, Any],
) -> Configuration:
    """The configuration of one cluster, with `overrides` laid over it."""
    first = {"Script": set_up.loader, "Args": list(set_up.arguments)}
    # What comes first is what jobs that name no queue go to.
    ordered = sorted(queues, key=lambda queue: queue.name != default_queue)
    generated: Configuration = {
        "Region": region,
        "Image": {"Os": OS},
        "Imds": {"ImdsSupport": "v2.0"},
        "HeadNode": {
            "InstanceType": instance_type,
            "Networking": {"SubnetId": subnet, "AdditionalSecurityGroups": [head_group]},
            # Of ParallelCluster's own group. Ours lets the portal in, and nobody else.
            "Ssh": {"AllowedIps": "127.0.0.1/32", **({"KeyName": key_pair} if key_pair else {})},
            "LocalStorage": {"RootVolume": {"VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}},
            "Imds": {"Secured": True},
            "Iam": _policies(head_policies),
            "CustomActions": {
                "OnNodeConfigured": first,
                "OnNodeUpdated": {"Script": set_up.loader, "Args": [*set_up.arguments, set_up.content]},
            },
        },
        "Scheduling": {
            "Scheduler": "slurm",
            "SlurmSettings": {
                # Nodes of a compute resource that is taken out end with their jobs; all others run on.
                "QueueUpdateStrategy": "TERMINATE",
                "EnableMemoryBasedScheduling": True,
                "MungeKeySecretArn": munge_secret,
                "Database": {
                    "Uri": f"{accounting.host}:{accounting.port}",
                    "UserName": accounting.name,
                    "PasswordSecretArn": accounting.password_secret,
                    "DatabaseName": accounting.name,
                },
                "CustomSlurmSettings": [dict(setting) for setting in SLURM_SETTINGS],
            },
            "SlurmQueues": [_queue(queue, subnet, nodes_group, first, node_policies) for queue in ordered],
        },
        "SharedStorage": [mount.section() for mount in mounts],
        "Monitoring": {
            "Logs": {"CloudWatch": {"Enabled": True, "RetentionInDays": LOG_DAYS, "DeletionPolicy": "Delete"}},
            "Dashboards": {"CloudWatch": {"Enabled": False}},
        },
    }
    whole: Configuration = merged(generated, overrides)
    return whole


def compute_resource_name(instance_type: str) -> str:
    """The name of the compute resource with nodes of this type: 25 characters fit."""
    name = instance_type.replace(".", "-")
    return name if len(name) <= 25 else f"{name[:16]}-{sha256(name.encode()).hexdigest()[:8]}"


def merged(value: Any, over: Any) -> Any:
    """`over` laid over `value`: mappings key by key, lists of named things by `Name`, anything else replaced."""
    if isinstance(value, Mapping) and isinstance(over, Mapping):
        return {
            **value,
            **{key: merged(value[key], item) if key in value else item for key, item in over.items()},
        }
    if isinstance(value, list) and isinstance(over, list) and _all_named(value) and _all_named(over):
        laid = {item["Name"]: item for item in over}
        kept = [merged(item, laid.pop(item["Name"])) if item["Name"] in laid else item for item in value]
        return [*kept, *laid.values()]
    return over


def _all_named(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, Mapping) and "Name" in item for item in items)


def _policies(arns: Sequence[str]) -> Configuration:
    return {"AdditionalIamPolicies": [{"Policy": arn} for arn in arns]}


def _queue(queue: Queue, subnet: str, group: str, first: Configuration, policies: Sequence[str]) -> Configuration:
    if queue.instance_type is None:
        raise ValueError(f"queue {queue.name} names no instance_type, which AWS needs")
    # Slurm gives a job that asks for no memory all of a node's: an even share instead, of what it may give away.
    share = int(queue.memory_gib * 1024 * 0.95 / queue.cpus)
    return {
        "Name": queue.name,
        "ComputeResources": [
            {
                "Name": compute_resource_name(queue.instance_type),
                "InstanceType": queue.instance_type,
                "MinCount": queue.fixed_nodes,
                "MaxCount": queue.nodes,
            }
        ],
        "Networking": {"SubnetIds": [subnet], "AdditionalSecurityGroups": [group]},
        "ComputeSettings": {"LocalStorage": {"RootVolume": {"Encrypted": True, "VolumeType": "gp3"}}},
        "Iam": _policies(policies),
        "CustomActions": {"OnNodeConfigured": first},
        "CustomSlurmSettings": {"MaxTime": -(-queue.time_limit // 60), "DefMemPerCPU": share},
    }
