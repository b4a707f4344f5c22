"""Who may talk to whom on the environment's network, as nftables rules for each network namespace."""

from tandem.local.layout import CORE_ADDRESS, DATABASE_PORT, STREAMS_PORT, WEB_PORT, Layout, ZoneLayout
from tandem.local.names import SERVICE_IDS
from tandem.local.templating import template


def zone_firewall(layout: Layout, zone: ZoneLayout) -> str:
    """For a zone's heads: sshd for portal nodes; nothing leaves the zone but slurmdbd's words to the database."""
    return template(
        "zone.nft",
        core=CORE_ADDRESS,
        database_port=DATABASE_PORT,
        portals=_set(layout.portal_addresses),
        heads=_set([head.address for head in zone.heads] or [zone.address]),
        slurm=SERVICE_IDS["slurm"],
        nodes=zone.node_network,
    )


def node_firewall(zone: ZoneLayout) -> str:
    """For each compute node of a zone: heads and nodes of the zone, and nothing else."""
    return template("node.nft", peers=_set([zone.node_network, *zone.addresses]))


def portal_firewall(layout: Layout) -> str:
    """For a portal node: pages and streams for the load balancer; out to the database and to every sshd."""
    return template(
        "portal.nft",
        core=CORE_ADDRESS,
        database_port=DATABASE_PORT,
        ports=_set([str(WEB_PORT), str(STREAMS_PORT)]),
        heads=_set([head.address for head in layout.heads]),
    )


def core_firewall(layout: Layout) -> str:
    """For the core: the database for slurmdbds and portal nodes; out to the portal nodes."""
    return template(
        "core.nft",
        database_port=DATABASE_PORT,
        clients=_set([*(zone.address for zone in layout.zones), *layout.portal_addresses]),
        portals=_set(layout.portal_addresses),
        ports=_set([str(WEB_PORT), str(STREAMS_PORT)]),
    )


def _set(members: list[str]) -> str:
    return "{ " + ", ".join(members) + " }"
