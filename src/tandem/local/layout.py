"""Who is where in an environment on this machine: hosts, addresses, ports and numbers, derived from the environment.

Every environment has a network of its own, so all of them use the same addresses.

- core: what AWS runs across zones: the database, the load balancer
- head: a cluster's head node
- portal: a zone's portal node
- node: a compute node
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network

from tandem.environment import Cluster, Environment, Zone

PREFIX = 8
# Compute nodes have addresses of their own: a /14 for each zone, from 10.128.0.0 on.
NODES_PER_ZONE = 2**18
MOST_CLUSTERS = 12
MOST_QUEUES = 10
CORE_ADDRESS = "10.77.0.2"
DATABASE_HOST = "database"
DATABASE_PORT = 3306
ACCOUNTING_PORT = 6819
WEB_PORT = 8000
STREAMS_PORT = 8001


@dataclass(frozen=True)
class NodeHost:
    """A compute node."""

    name: str
    address: str
    queue: str
    cpus: int
    memory: int
    elastic: bool


@dataclass(frozen=True)
class HeadHost:
    """A cluster's head node, and the cluster's compute nodes."""

    name: str
    cluster: Cluster
    zone: str
    address: str
    controller_port: int
    scratch: str
    nodes: tuple[NodeHost, ...]


@dataclass(frozen=True)
class ZoneLayout:
    """A zone: its clusters' hosts and its portal node."""

    name: str
    index: int
    portal: str
    portal_address: str
    heads: tuple[HeadHost, ...]

    @property
    def address(self) -> str:
        """The zone's first address on the network, where slurmdbd is."""
        return f"10.77.0.{10 + 10 * self.index}"

    @property
    def addresses(self) -> list[str]:
        """The addresses of its heads."""
        return list(dict.fromkeys([self.address, *(head.address for head in self.heads)]))

    @property
    def node_network(self) -> str:
        """The addresses of this zone's compute nodes."""
        return str(ip_network((int(ip_address("10.128.0.0")) + self.index * NODES_PER_ZONE, 14)))

    @property
    def accounting_database(self) -> str:
        """The name of this zone's Slurm accounting database, and of its account there."""
        return "slurm_" + self.name.replace("-", "_")

    @property
    def nodes(self) -> Iterator[tuple[HeadHost, NodeHost]]:
        """All compute nodes, with their head."""
        return ((head, node) for head in self.heads for node in head.nodes)


class Layout:
    """All hosts of an environment."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    @cached_property
    def zones(self) -> list[ZoneLayout]:
        """In the order of the file."""
        return [self._zone(index, zone) for index, zone in enumerate(self.environment.zones)]

    @property
    def heads(self) -> list[HeadHost]:
        """All clusters' head nodes."""
        return [head for zone in self.zones for head in zone.heads]

    @property
    def portal_addresses(self) -> list[str]:
        """Of all portal nodes."""
        return [zone.portal_address for zone in self.zones]

    def zone(self, name: str) -> ZoneLayout:
        """The zone `name`. Raises KeyError."""
        return {zone.name: zone for zone in self.zones}[name]

    def _zone(self, index: int, zone: Zone) -> ZoneLayout:
        clusters = self.environment.zone_clusters(zone.name)
        return ZoneLayout(
            name=zone.name,
            index=index,
            portal=f"portal-{zone.name}",
            portal_address=f"10.77.0.{11 + 10 * index}",
            heads=tuple(self._head(index, place, cluster) for place, cluster in enumerate(clusters)),
        )

    def _head(self, index: int, place: int, cluster: Cluster) -> HeadHost:
        address = f"10.77.0.{10 + 10 * index}" if place == 0 else f"10.77.{1 + index}.{10 + place}"
        return HeadHost(
            name=f"head-{cluster.name}",
            cluster=cluster,
            zone=cluster.zone,
            address=address,
            controller_port=6817 if place == 0 else 6820 + place,
            scratch=self.environment.storage.scratch[cluster.name].path,
            nodes=tuple(_nodes(cluster, index, place)),
        )


def _nodes(cluster: Cluster, zone: int, place: int) -> Iterator[NodeHost]:
    for row, queue in enumerate(cluster.queues):
        # Named as ParallelCluster names them: st for static, dy for dynamic.
        names = [f"{queue.name}-st-{number}" for number in range(1, queue.fixed_nodes + 1)]
        names += [f"{queue.name}-dy-{number}" for number in range(1, queue.elastic_nodes + 1)]
        for number, name in enumerate(names):
            yield NodeHost(
                name=name,
                address=_node_address(zone, place, row, number),
                queue=queue.name,
                cpus=queue.cpus,
                memory=int(queue.memory_gib * 1024),
                elastic=number >= queue.fixed_nodes,
            )


def _node_address(zone: int, cluster: int, queue: int, number: int) -> str:
    """An address that stays the same when the numbers of nodes change."""
    serial = 1 + queue + MOST_QUEUES * (cluster + MOST_CLUSTERS * number)
    return str(ip_address("10.128.0.0") + zone * NODES_PER_ZONE + serial)
