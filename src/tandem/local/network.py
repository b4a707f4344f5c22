"""The environment's network: a bridge in the core's network namespace, a cable from it to each head and portal node.

The machine itself has no interface on it, and nothing here has a way out.
"""

import subprocess
from contextlib import suppress
from pathlib import Path

from tandem.local.layout import CORE_ADDRESS, PREFIX, ZoneLayout
from tandem.local.processes import Init

BRIDGE = "tandem"


class NetworkError(Exception):
    """A command that sets up the network failed."""


def run_inside(init: Init, *argv: str, namespaces: tuple[str, ...] = ("--net",), data: str = "") -> str:
    """Run a program of the machine in some of an init's namespaces. Raises NetworkError."""
    command = ["nsenter", "--target", str(init.pid), *namespaces, "--", *argv]
    done = subprocess.run(command, input=data, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NetworkError(f"{' '.join(argv)} in {init.place}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def cables(zone: ZoneLayout) -> tuple[str, str]:
    """The core's ends of a zone's two cables: its head's and its portal node's."""
    return f"head{zone.index}", f"portal{zone.index}"


def portal_namespace(init: Init) -> str:
    """nsenter's option for the network of a zone's portal node."""
    return f"--net={init.root}/run/netns/portal"


def load_firewall(init: Init, directory: Path) -> None:
    """Load the rules in `directory` (a place's files), in one step each."""
    run_inside(init, "nft", "-f", "-", data=(directory / "firewall.nft").read_text())
    portal = directory / "firewall-portal.nft"
    if portal.exists():
        run_inside(init, "nft", "-f", "-", namespaces=(portal_namespace(init),), data=portal.read_text())


def connect_core(core: Init, directory: Path) -> None:
    """Lay the bridge, with the firewall up before it."""
    load_firewall(core, directory)
    batch = [
        "link set lo up",
        f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0",
        f"address add {CORE_ADDRESS}/{PREFIX} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    ]
    run_inside(core, "ip", "-batch", "-", data="\n".join(batch))


def connect_zone(core: Init, zone: ZoneLayout, init: Init, directory: Path) -> None:
    """Give a new zone its addresses and lay its cables, with the firewalls up before."""
    load_firewall(init, directory)
    # Heads share the zone's own bridge, which compute nodes are plugged into when they boot (inside/boot).
    batch = ["link set lo up", "link add eth0 type bridge forward_delay 0 stp_state 0"]
    batch += [f"address add {address}/{PREFIX} dev eth0" for address in zone.addresses]
    run_inside(init, "ip", "-batch", "-", data="\n".join([*batch, "link set eth0 up"]))
    lay_cables(core, zone, init)


def lay_cables(core: Init, zone: ZoneLayout, init: Init) -> None:
    """Connect a zone with a core that it is not connected with yet; both may be new, or either."""
    head, portal = cables(zone)
    batch = []
    for cable, inner in ((head, "uplink"), (portal, "portal")):
        # That of a zone that has just died may linger for a moment.
        with suppress(NetworkError):
            run_inside(core, "ip", "link", "delete", cable)
        batch += [
            f"link add {cable} type veth peer name {inner} netns {init.pid}",
            f"link set {cable} master {BRIDGE} up",
        ]
    run_inside(core, "ip", "-batch", "-", data="\n".join(batch))
    inside = ["link set uplink master eth0 up", "link set portal netns portal"]
    run_inside(init, "ip", "-batch", "-", namespaces=("--net", "--mount"), data="\n".join(inside))
    at_portal = [
        "link set portal name eth0",
        f"address add {zone.portal_address}/{PREFIX} dev eth0",
        "link set eth0 up",
    ]
    run_inside(init, "ip", "-batch", "-", namespaces=(portal_namespace(init),), data="\n".join(at_portal))


def set_cables(core: Init, zone: ZoneLayout, *, up: bool) -> None:
    """Plug a zone's cables in, or pull them out."""
    batch = [f"link set {cable} {'up' if up else 'down'}" for cable in cables(zone)]
    run_inside(core, "ip", "-batch", "-", data="\n".join(batch))


def cables_up(core: Init, zone: ZoneLayout) -> bool:
    """Whether a zone is connected."""
    lines = run_inside(core, "ip", "-o", "link", "show", "up").splitlines()
    return all(any(f" {cable}@" in line for line in lines) for cable in cables(zone))
