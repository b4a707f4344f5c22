"""Where things are: every host has an address of its own, and keeps it."""

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

from tandem.environment import Environment, load_environment
from tandem.local.layout import Layout

EXAMPLES = Path(__file__).parents[2] / "examples"


def addresses(layout: Layout) -> list[str]:
    found = list(layout.portal_addresses)
    found += [head.address for head in layout.heads]
    return found + [node.address for zone in layout.zones for _, node in zone.nodes]


def test_no_two_hosts_share_an_address() -> None:
    for name in ("one-zone", "three-zones"):
        layout = Layout(load_environment(EXAMPLES / f"{name}.yaml"))
        assert max(Counter(addresses(layout)).values()) == 1


def test_no_two_clusters_of_a_zone_share_a_controller_port() -> None:
    (zone,) = Layout(load_environment(EXAMPLES / "one-zone.yaml")).zones
    assert len({head.controller_port for head in zone.heads}) == 2


def test_a_zone_can_tell_its_nodes_from_all_else(environment: Environment) -> None:
    layout = Layout(environment)
    for zone in layout.zones:
        network = ip_network(zone.node_network)
        assert all(ip_address(node.address) in network for _, node in zone.nodes)
        others = [node.address for other in layout.zones if other is not zone for _, node in other.nodes]
        outside = [*others, *layout.portal_addresses, *(head.address for head in layout.heads)]
        assert not any(ip_address(address) in network for address in outside)


def test_nodes_keep_their_addresses_when_their_number_changes(
    environment: Environment, edited: Callable[..., Environment]
) -> None:
    before = {node.name: node.address for _, node in Layout(environment).zones[0].nodes}
    grown = edited(("elastic_nodes: 4", "elastic_nodes: 40"), ("fixed_nodes: 1", "fixed_nodes: 3"))
    after = {node.name: node.address for _, node in Layout(grown).zones[0].nodes}
    assert before.items() <= after.items()


def test_the_largest_environment_has_room(edited: Callable[..., Environment]) -> None:
    crowded = edited(("elastic_nodes: 4", "elastic_nodes: 1000"), ("fixed_nodes: 1", "fixed_nodes: 1000"))
    layout = Layout(crowded)
    assert max(Counter(addresses(layout)).values()) == 1
    assert all(
        ip_address(node.address) in ip_network(zone.node_network) for zone in layout.zones for _, node in zone.nodes
    )
