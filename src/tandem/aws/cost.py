"""What an environment costs on AWS: a month of it with no job running, and an hour of each node that jobs ask for.

Parts are called as the stacks are. What depends on use alone (traffic, logs, stored gigabytes beyond a first few) is
not in it; `LEFT_OUT` says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tandem.aws.prices import Prices
from tandem.environment import Cluster, Environment, Scratch

LEFT_OUT = "traffic, requests, logs, and what is stored beyond a first 20 GiB on EFS and 10 GiB in the database"

# As ParallelCluster makes them unless told otherwise.
NODE_DISK_GIB = 40
HEAD_DISK_GIB = 40
# A first few, so that the parts are not without a price.
EFS_GIB = 20
AURORA_GIB = 10
ALARMS = 8


@dataclass(frozen=True)
class Item:
    """One thing that is paid for by the month, whether or not jobs run."""

    part: str
    what: str
    monthly: Decimal


@dataclass(frozen=True)
class NodeHour:
    """What an hour of one node of a queue costs."""

    cluster: str
    queue: str
    instance_type: str
    instance: Decimal
    disk: Decimal
    most_nodes: int

    @property
    def together(self) -> Decimal:
        """With its disk."""
        return self.instance + self.disk


@dataclass(frozen=True)
class Estimate:
    """What an environment costs."""

    items: tuple[Item, ...]
    node_hours: tuple[NodeHour, ...]

    @property
    def monthly(self) -> Decimal:
        """A month with no job running."""
        return sum((item.monthly for item in self.items), Decimal(0))

    def by_part(self) -> dict[str, Decimal]:
        """The same, by stack."""
        parts: dict[str, Decimal] = {}
        for item in self.items:
            parts[item.part] = parts.get(item.part, Decimal(0)) + item.monthly
        return parts


def cost_of(environment: Environment, prices: Prices) -> Estimate:
    """What `environment` costs. Raises PriceError when the table lacks one of its instance types."""
    return Estimate(tuple(_items(environment, prices)), tuple(_node_hours(environment, prices)))


def _items(environment: Environment, prices: Prices) -> Iterator[Item]:
    gateways = 1 if environment.aws.nat_gateways == "one" else len(environment.zones)
    zones = len(environment.zones)
    what = _count(gateways, "NAT gateway with its address", "NAT gateways with their addresses")
    yield Item(
        "VPC",
        what,
        _nat_gateways(gateways, prices),
    )
    # A writer and a reader, each never below the smallest capacity.
    acus = Decimal(str(environment.database.min_acu)) * 2
    yield Item("AuroraServerless", f"2 × {environment.database.min_acu:g} ACU", prices.month(prices.aurora_acu) * acus)
    yield Item("AuroraServerless", f"{AURORA_GIB} GiB stored", prices.aurora_gib * AURORA_GIB)
    yield Item("EFS", f"{EFS_GIB} GiB stored", prices.efs_gib * EFS_GIB)
    for name, scratch in environment.storage.scratch.items():
        size = "what is in it" if scratch.file_system == "efs" else f"{scratch.size_gib} GiB"
        yield Item("FSX", f"{size}, {scratch.file_system}, for {name}", _scratch(scratch, prices))
    yield Item("ALB", "the load balancer", prices.month(prices.load_balancer))
    yield Item("ALB", f"{zones} public addresses", prices.month(prices.public_address) * zones)
    for cluster in environment.clusters:
        yield from _cluster(cluster, prices)
    yield Item("Clusters", f"{2 * len(environment.clusters)} secrets", prices.secret * 2 * len(environment.clusters))
    portal = environment.portal
    yield Item(
        "Portal", f"{zones} × {portal.instance_type}", prices.month(prices.instance(portal.instance_type)) * zones
    )
    disk = portal.disk_gib * zones
    yield Item("Portal", f"{zones} × {portal.disk_gib} GiB of disk", prices.disk_gp3_gib * disk)
    yield Item("Portal", "4 secrets", prices.secret * 4)
    yield Item("Portal", f"{ALARMS} alarms", prices.alarm * ALARMS)


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _nat_gateways(count: int, prices: Prices) -> Decimal:
    return prices.month(prices.nat_gateway + prices.public_address) * count


def _scratch(scratch: Scratch, prices: Prices) -> Decimal:
    if scratch.file_system == "efs":
        return Decimal(0)
    if scratch.file_system == "ebs":
        return prices.disk_gp3_gib * scratch.size_gib
    kinds = {"scratch": prices.lustre_scratch_gib, "persistent": prices.lustre_persistent_gib}
    return kinds[scratch.kind] * scratch.size_gib


def _cluster(cluster: Cluster, prices: Prices) -> Iterator[Item]:
    head = prices.month(prices.instance(cluster.instance_type))
    yield Item("Clusters", f"head node of {cluster.name}: {cluster.instance_type}", head)
    yield Item("Clusters", f"its disk: {HEAD_DISK_GIB} GiB", prices.disk_gp3_gib * HEAD_DISK_GIB)
    for queue in cluster.queues:
        if queue.fixed_nodes and queue.instance_type:
            hour = prices.instance(queue.instance_type) + _disk_hour(prices)
            what = f"always on in {cluster.name}/{queue.name}: {queue.fixed_nodes} × {queue.instance_type}"
            yield Item("Clusters", what, prices.month(hour) * queue.fixed_nodes)


def _disk_hour(prices: Prices) -> Decimal:
    return prices.disk_gp3_gib * NODE_DISK_GIB / prices.hours_a_month


def _node_hours(environment: Environment, prices: Prices) -> Iterator[NodeHour]:
    for cluster in environment.clusters:
        for queue in cluster.queues:
            if queue.instance_type:
                hour = prices.instance(queue.instance_type)
                yield NodeHour(cluster.name, queue.name, queue.instance_type, hour, _disk_hour(prices), queue.nodes)


def defaults_of_2021(prices: Prices) -> Estimate:
    """What the solution of 2021 costs with its defaults, at the same prices."""
    hour = prices.month
    return Estimate(
        (
            Item("VPC", "2 NAT gateways with their addresses", _nat_gateways(2, prices)),
            Item("AuroraServerless", "1 ACU", hour(prices.aurora_acu)),
            Item("AuroraServerless", f"{AURORA_GIB} GiB stored", prices.aurora_gib * AURORA_GIB),
            Item("EFS", f"{EFS_GIB} GiB stored", prices.efs_gib * EFS_GIB),
            Item("FSX", "2 × 1200 GiB, lustre", prices.lustre_scratch_gib * 2400),
            Item("ALB", "the load balancer", hour(prices.load_balancer)),
            Item("ALB", "2 public addresses", hour(prices.public_address) * 2),
            Item("Clusters", "2 head nodes: t2.large", hour(prices.instance("t2.large")) * 2),
            Item("Clusters", "their disks: 2 × 60 GiB", prices.disk_gp2_gib * 120),
            Item("Portal", "2 × t2.2xlarge", hour(prices.instance("t2.2xlarge")) * 2),
            Item("Portal", "2 × 50 GiB of disk", prices.disk_gp2_gib * 100),
            Item("Portal", "2 secrets", prices.secret * 2),
        ),
        (),
    )
