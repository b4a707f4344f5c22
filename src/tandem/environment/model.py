"""What an environment is: the model that `tandem.yaml` is read into, and that everything else takes it from.

The descriptions here are the reference page's text (`tandem schema`).
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from tandem.environment.durations import DURATION_PATTERN, parse_duration
from tandem.environment.instances import INSTANCE_TYPES

DURATION_ALLOWED = "a number of seconds, or a number with s, m, h or d, such as 90s or 24h"


def _seconds(value: object) -> object:
    """`24h` as seconds; anything else that is not a whole number is refused."""
    if isinstance(value, str) and (seconds := parse_duration(value)) is not None:
        return seconds
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("duration", DURATION_ALLOWED)


def _name(pattern: str, longest: int, allowed: str, *reserved: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Constraints of a name, with an error and a schema that say in words what a name may be."""
    expression = re.compile(pattern)
    words = f"{allowed}, at most {longest} characters{', but not ' if reserved else ''}{' or '.join(reserved)}"

    def check(value: str) -> str:
        if not expression.fullmatch(value) or len(value) > longest or value in reserved:
            raise PydanticCustomError("name", "{allowed}", {"allowed": words})
        return value

    schema = {"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": longest, "$comment": words}
    if reserved:
        schema["not"] = {"enum": list(reserved)}
    return AfterValidator(check), WithJsonSchema(schema)


# These become host names, network interfaces, directories, databases and Slurm's own names: hence so narrow.
_LABEL = r"[a-z](?:[a-z0-9-]*[a-z0-9])?"
_LABEL_WORDS = "lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen"
_LOGIN = r"[a-z_][a-z0-9_-]*"
_LOGIN_WORDS = "lower-case letters, digits, hyphens and underscores, beginning with a letter or underscore"
_PATH = r"/[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*"
_INSTANCE = r"[a-z][a-z0-9-]*\.[a-z0-9-]+"
# What may stand in the comment field of /etc/passwd.
_TEXT = r"[^\x00-\x1f\x7f:,=]*"
_REGION = r"[a-z]{2}(?:-[a-z]+)+-[0-9]"
_KEY_PAIR = r"[!-~](?:[ -~]*[!-~])?"
_CERTIFICATE = r"arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+"
_HOSTED_ZONE = r"Z[A-Z0-9]+"
_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}"
_MAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
# 3.12 is the first that runs on an operating system that is still looked after.
_PARALLELCLUSTER = r"3\.(?:1[2-9]|[2-9][0-9])\.[0-9]+"

EnvironmentName = Annotated[str, *_name(_LABEL, 20, _LABEL_WORDS)]
ZoneName = Annotated[str, *_name(_LABEL, 24, _LABEL_WORDS, "core")]
ClusterName = Annotated[str, *_name(_LABEL, 24, _LABEL_WORDS, "any", "core")]
# Slurm keeps `default` for itself; longer names would not fit a node's host name with the cluster's.
QueueName = Annotated[str, *_name(_LABEL, 24, _LABEL_WORDS, "default", "all")]
LoginName = Annotated[str, *_name(_LOGIN, 32, _LOGIN_WORDS)]
Region = Annotated[str, *_name(_REGION, 24, "an AWS region such as eu-central-1")]
InstanceType = Annotated[str, *_name(_INSTANCE, 40, "an EC2 instance type such as c5.xlarge")]
MountPath = Annotated[str, *_name(_PATH, 100, "an absolute path of letters, digits, dots, hyphens and underscores")]
FullName = Annotated[str, *_name(_TEXT, 120, "text without colon, comma, equals sign or control characters")]
KeyPairName = Annotated[str, *_name(_KEY_PAIR, 255, "the name of an EC2 key pair of the region")]
CertificateArn = Annotated[str, *_name(_CERTIFICATE, 200, "the ARN of a certificate in AWS Certificate Manager")]
HostedZoneId = Annotated[str, *_name(_HOSTED_ZONE, 32, "the id of a Route 53 hosted zone, such as Z0123456789ABC")]
HostName = Annotated[str, *_name(_HOST, 64, "a host name such as hpc.example.org, in lower case")]
MailAddress = Annotated[str, *_name(_MAIL, 254, "an e-mail address")]
ParallelClusterVersion = Annotated[
    str, *_name(_PARALLELCLUSTER, 12, "a version of ParallelCluster from 3.12 on, such as 3.16.1")
]


def _network(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError:
        raise PydanticCustomError("network", NETWORK_ALLOWED) from None
    return str(network)


NETWORK_ALLOWED = "an IPv4 network such as 203.0.113.0/24, without bits behind its prefix"
Network = Annotated[str, AfterValidator(_network), WithJsonSchema({"type": "string", "$comment": NETWORK_ALLOWED})]
Duration = Annotated[
    int,
    BeforeValidator(_seconds),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^{DURATION_PATTERN}$"}]}),
]


def _time(default: int, least: int, most: int, description: str) -> Any:
    """A duration's field: its schema is our own, so its bounds must be put there by hand."""
    bounds: dict[str, Any] = {"minimum": least, "maximum": most}
    return Field(default, ge=least, le=most, description=description, json_schema_extra=bounds)


class Part(BaseModel):
    """What all parts of an environment have in common: fixed once read, strict about types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Zone(Part):
    """What fails together: an Availability Zone on AWS, a set of Linux namespaces on this machine."""

    name: ZoneName = Field(description="On AWS the name of an Availability Zone of the region.")


def _needs_hardware(schema: dict[str, Any]) -> None:
    schema["required"] = [name for name in schema["required"] if name not in ("cpus", "memory_gib")]
    schema["anyOf"] = [{"required": ["instance_type"]}, {"required": ["cpus", "memory_gib"]}]


class Queue(Part):
    """A Slurm partition and its nodes, all alike."""

    model_config = ConfigDict(json_schema_extra=_needs_hardware)
    name: QueueName = Field(description="The partition's name, as in `sbatch -p`.")
    instance_type: InstanceType | None = Field(
        None,
        description="EC2 instance type of the nodes; stands for its CPUs and memory on this machine too. "
        "A type that Tandem does not know needs `cpus` and `memory_gib` beside it.",
    )
    cpus: int = Field(ge=1, le=1024, description="CPUs of a node; from the instance type unless given.")
    memory_gib: float = Field(
        ge=0.5, le=32768, description="Memory of a node in GiB; from the instance type unless given."
    )
    fixed_nodes: int = Field(0, ge=0, le=1000, description="Nodes that are always on.")
    elastic_nodes: int = Field(0, ge=0, le=1000, description="Nodes that start when jobs need them, at most this many.")
    time_limit: Duration = _time(86400, 60, 365 * 86400, "Longest run time of a job.")
    hedge_after: Duration = _time(
        600, 1, 365 * 86400, "A job for any cluster that waits here for longer is placed on another cluster as well."
    )
    default: bool = Field(
        False, description="Takes the jobs that name no queue. Without any, the cluster's first queue does."
    )

    @model_validator(mode="before")
    @classmethod
    def _hardware_from_instance_type(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(data.get("instance_type"), str):
            return data
        if hardware := INSTANCE_TYPES.get(data["instance_type"]):
            return {"cpus": hardware.cpus, "memory_gib": hardware.memory_gib, **data}
        return data

    @property
    def nodes(self) -> int:
        """How many nodes it can have at once."""
        return self.fixed_nodes + self.elastic_nodes


class Cluster(Part):
    """One Slurm cluster with its head node, in one zone."""

    name: ClusterName = Field(description="Slurm's cluster name; also in `/fsx_<name>`.")
    zone: str = Field(description="The name of one of the zones.")
    instance_type: InstanceType = Field("c5.large", description="EC2 instance type of the head node.")
    queues: list[Queue] = Field(min_length=1, max_length=10, description="At least one.")

    @property
    def default_queue(self) -> Queue:
        """The queue of jobs that name none."""
        return next((queue for queue in self.queues if queue.default), self.queues[0])

    def queue(self, name: str) -> Queue:
        """The queue `name`. Raises KeyError."""
        return _by_name(self.queues, name)


class Shared(Part):
    """The file system that all clusters mount: homes, applications, spoolers. EFS on AWS."""

    path: Literal["/efs"] = Field("/efs", description="Where every cluster mounts it.")
    backups: bool = Field(False, description="Whether AWS Backup keeps a copy of every day, for 35 days.")


class Scratch(Part):
    """The fast file system of one cluster. Its path is there whatever it is made of."""

    path: MountPath = Field("", description="Where the cluster mounts it; `/fsx_<cluster>` unless given.")
    file_system: Literal["lustre", "ebs", "efs"] = Field(
        "lustre",
        description="What it is on AWS: `lustre` is FSx for Lustre; `ebs` a disk of the head node, which idles for "
        "less; `efs` a file system of the cluster's own that grows by itself and costs what is in it.",
    )
    size_gib: int = Field(
        1200,
        ge=1,
        le=240_000,
        description="Size in GiB: 1200 or a multiple of 2400 for Lustre, up to 16384 for a disk.",
    )
    kind: Literal["scratch", "persistent"] = Field(
        "scratch",
        description="Of Lustre: `scratch` is cheaper and not replicated; `persistent` replaces failed disks by itself.",
    )


class Storage(Part):
    """The file systems."""

    shared: Shared = Field(Shared(), description="What all clusters share.")
    scratch: dict[str, Scratch] = Field(
        {}, description="By cluster name. A cluster that is not listed gets one with the defaults."
    )


class Database(Part):
    """Capacity of the one database. Aurora Serverless v2 on AWS; of no meaning on this machine."""

    min_acu: float = Field(
        0.5, ge=0, le=256, multiple_of=0.5, description="Smallest capacity in ACUs; 0 lets it sleep."
    )
    max_acu: float = Field(4, ge=0.5, le=256, multiple_of=0.5, description="Largest capacity in ACUs.")
    snapshot_on_deletion: bool = Field(
        False, description="Whether `tandem destroy` leaves a last snapshot of the database, which costs until removed."
    )


class Portal(Part):
    """The web portal: one portal node in each zone behind one load balancer."""

    port: int = Field(8443, ge=1, le=65535, description="On this machine: the port on 127.0.0.1.")
    instance_type: InstanceType = Field("t4g.small", description="EC2 instance type of the portal nodes.")
    disk_gib: int = Field(20, ge=10, le=16384, description="Disk of a portal node on AWS, in GiB.")
    session_hours: int = Field(
        12, ge=1, le=720, description="How long a sign-in lasts, in hours, counted from signing in."
    )


class Spoolers(Part):
    """The directories of submissions, with what was put in and what came out."""

    expire_after: Duration = _time(
        7 * 86400,
        60,
        3650 * 86400,
        "A spooler is removed this long after the end of its last job, unless its owner extends or keeps it.",
    )


class Administrator(Part):
    """The first person, who may do everything in the portal and operate the clusters."""

    name: LoginName = Field("ec2-user", description="Login name, on the clusters and in the portal.")
    uid: int = Field(1000, ge=1000, le=2**31 - 2, description="User id on the clusters.")
    full_name: FullName = Field("Administrator", description="As shown in the portal.")
    password_secret: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        description="Name or ARN of the secret in AWS Secrets Manager that holds the password; "
        "without it, and on this machine, a password is generated.",
    )


class User(Part):
    """Somebody who may use the environment: the same name and uid on every cluster."""

    name: LoginName = Field(description="Login name, on the clusters and in the portal.")
    uid: int = Field(ge=2000, le=2**31 - 2, description="User id on the clusters, from 2000 up; never reuse one.")
    full_name: FullName = Field("", description="As shown in the portal.")
    groups: list[LoginName] = Field([], max_length=60, description="Groups on the clusters, besides the user's own.")


class Failover(Part):
    """When a silent cluster is taken for lost, and when a silent job may be started elsewhere.

    A job that its owner marked restartable stops itself when it could not write its heartbeat for `self_fence`; another
    run starts when it saw no heartbeat for `take_over`. The times keep the two apart.
    """

    poll_interval: Duration = _time(2, 1, 60, "Each cluster is asked for its jobs this often.")
    suspect_after: Duration = _time(10, 2, 3600, "A cluster silent for this long is SUSPECT.")
    down_after: Duration = _time(30, 3, 86400, "A cluster silent for this long is DOWN.")
    heartbeat: Duration = _time(10, 1, 600, "A running job writes its heartbeat this often.")
    self_fence: Duration = _time(30, 2, 3600, "A restartable job without a heartbeat for this long stops itself.")
    kill_time: Duration = _time(10, 1, 600, "Longest time that killing a job's processes takes.")
    visibility: Duration = _time(10, 0, 600, "Longest time until one zone sees what another wrote to `/efs`.")
    take_over: Duration = _time(
        60, 3, 86400, "A restartable job without a heartbeat for this long may start elsewhere."
    )


class LocalSettings(Part):
    """How the environment behaves on this machine; of no meaning on AWS."""

    boot_delay: Duration = _time(3, 0, 600, "How long an elastic node takes to start.")
    idle_time: Duration = _time(120, 5, 86400, "An elastic node that idles for this long is stopped.")


class AwsSettings(Part):
    """What only an environment on AWS has; of no meaning on this machine."""

    allowed_cidrs: list[Network] = Field(
        [],
        max_length=50,
        description="Who may reach the portal: networks such as your office's. Nobody outside the environment's own "
        "network unless given.",
    )
    host_name: HostName | None = Field(
        None, description="The portal's public name; the load balancer's own unless given. A certificate needs one."
    )
    hosted_zone: HostedZoneId | None = Field(
        None, description="Hosted zone in which `host_name` is entered, and by which its certificate is proved."
    )
    certificate_arn: CertificateArn | None = Field(
        None,
        description="A certificate for `host_name`. Without it, the hosted zone's; without that, a self-signed one.",
    )
    key_pair: KeyPairName | None = Field(
        None, description="EC2 key pair of the head nodes' own account. Session Manager needs none."
    )
    nat_gateways: Literal["zone", "one"] = Field(
        "zone", description="One in each zone; `one` is cheaper, and lost with its zone."
    )
    vpc_cidr: Network = Field("10.0.0.0/16", description="The environment's own network, /16 to /20.")
    parallelcluster_version: ParallelClusterVersion = Field("3.16.1", description="Version of AWS ParallelCluster.")
    alarm_email: MailAddress | None = Field(None, description="Who hears of alarms, after confirming by e-mail.")


_Named = TypeVar("_Named", Queue, Cluster)


class Environment(Part):
    """All of one deployment, here or on AWS."""

    name: EnvironmentName = Field(description="Names, directories and addresses derive from it.")
    region: Region = Field(description="AWS region.")
    zones: list[Zone] = Field(
        min_length=1, max_length=6, description="The zones that clusters and portal nodes are in."
    )
    clusters: list[Cluster] = Field(min_length=1, max_length=12, description="The Slurm clusters.")
    storage: Storage = Field(Storage(), description="The file systems.")
    database: Database = Field(Database(), description="The database's capacity.")
    portal: Portal = Field(Portal(), description="The web portal.")
    spoolers: Spoolers = Field(Spoolers(), description="How long what jobs leave is kept.")
    administrator: Administrator = Field(Administrator(), description="The first person.")
    users: list[User] = Field(
        [],
        max_length=5000,
        description="Everybody else. Who is taken out is disabled; more people can be added in the portal.",
    )
    failover: Failover = Field(Failover(), description="Times of failing over.")
    local: LocalSettings = Field(LocalSettings(), description="How it behaves on this machine.")
    aws: AwsSettings = Field(AwsSettings(), description="What only an environment on AWS has.")
    parallelcluster: dict[str, Any] = Field(
        {},
        description="Laid over every cluster's ParallelCluster configuration, in ParallelCluster's own words: mappings "
        "key by key, lists of named things (queues, disks) by `Name`, anything else replaced.",
    )

    @model_validator(mode="before")
    @classmethod
    def _scratch_for_every_cluster(cls, data: object) -> object:
        """Every cluster has a scratch file system; its path names the cluster unless the file says otherwise."""
        if not isinstance(data, dict):
            return data
        storage = data.get("storage", {})
        clusters = data.get("clusters")
        if not isinstance(storage, dict) or not isinstance(clusters, list):
            return data
        scratch = storage.get("scratch", {})
        if not isinstance(scratch, dict):
            return data
        names = [cluster["name"] for cluster in clusters if isinstance(cluster, dict) and "name" in cluster]
        filled = dict(scratch)
        for name in names:
            if isinstance(name, str) and isinstance(filled.setdefault(name, {}), dict):
                filled[name] = {"path": f"/fsx_{name}", **filled[name]}
        return {**data, "storage": {**storage, "scratch": filled}}

    def cluster(self, name: str) -> Cluster:
        """The cluster `name`. Raises KeyError."""
        return _by_name(self.clusters, name)

    def zone_clusters(self, zone: str) -> list[Cluster]:
        """The clusters in `zone`."""
        return [cluster for cluster in self.clusters if cluster.zone == zone]


def _by_name(parts: Iterable[_Named], name: str) -> _Named:
    for part in parts:
        if part.name == name:
            return part
    raise KeyError(name)
