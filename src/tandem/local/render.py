"""The files of the zones and the core: kept in the state directory, seen inside as `/etc/tandem`, read-only."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from tandem.environment import Environment
from tandem.local.balancer_files import balancer_files
from tandem.local.firewall import core_firewall, node_firewall, portal_firewall, zone_firewall
from tandem.local.layout import (
    CORE_ADDRESS,
    DATABASE_HOST,
    DATABASE_PORT,
    STREAMS_PORT,
    WEB_PORT,
    HeadHost,
    Layout,
    ZoneLayout,
)
from tandem.local.names import PEOPLE_FILE, SERVICE_IDS, SIGNER_SOCKET
from tandem.local.secrets import AUTHORITY, Secrets
from tandem.local.services import core_services, supervisord_conf, zone_services
from tandem.local.slurm_conf import slurm_conf, slurmdbd_conf
from tandem.local.state import State, ensure_directory, is_written, write_file
from tandem.local.templating import template

PORTAL_DATABASE = "tandem"
ENVIRONMENT_FILE = "environment.yaml"
TRUSTED_AUTHORITIES = "authority.pub"
SIGNERS_AUTHORITY = f"secrets/signer/{AUTHORITY}"
# Read anew whenever they are needed: what has changed in them restarts nothing.
AUTHORITY_FILES = (TRUSTED_AUTHORITIES, SIGNERS_AUTHORITY)
_POWER = """#!/bin/sh
exec /opt/tandem/app/tandem/local/inside/power {direction} {cluster} "$1"
"""


@dataclass(frozen=True)
class File:
    """A file as it should be."""

    content: bytes
    mode: int
    owner: int


class Tree:
    """The files of one place as they should be. Nothing is written until `write`, so that a plan can be told first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, File] = {}
        self.directories: dict[str, tuple[int, int]] = {}

    def file(self, name: str, content: str | bytes, mode: int = 0o644, owner: str = "root") -> None:
        """One file; its directory is readable by all unless it was named before."""
        parent = str(Path(name).parent)
        if parent != ".":
            self.directories.setdefault(parent, (0o755, 0))
        data = content.encode() if isinstance(content, str) else content
        self.files[name] = File(data, mode, SERVICE_IDS.get(owner, 0))

    def directory(self, name: str, mode: int, owner: str = "root") -> None:
        """One directory."""
        self.directories[name] = (mode, SERVICE_IDS.get(owner, 0))

    def changes(self) -> set[str]:
        """The names of files that are not on the disk as they should be."""
        return {name for name, file in self.files.items() if not is_written(self.root / name, file.content, file.mode)}

    def write(self) -> None:
        """Bring the disk to it."""
        ensure_directory(self.root)
        for name in sorted(self.directories):
            mode, owner = self.directories[name]
            ensure_directory(self.root / name, mode, owner)
        for name, file in self.files.items():
            write_file(self.root / name, file.content, file.mode, file.owner)
        for path in [path for path in self.root.rglob("*") if path.is_file()]:
            if str(path.relative_to(self.root)) not in self.files:
                path.unlink()

    def write_some(self, names: Iterable[str]) -> None:
        """Bring these files to it, and nothing else; their directories are there."""
        for name in names:
            file = self.files[name]
            write_file(self.root / name, file.content, file.mode, file.owner)


def hosts_file(layout: Layout) -> str:
    """`/etc/hosts`, the same everywhere; there is no other name service."""
    lines = ["127.0.0.1 localhost", "::1 localhost", f"{CORE_ADDRESS} core {DATABASE_HOST}"]
    for zone in layout.zones:
        lines += [f"{zone.address} accounting-{zone.name}", f"{zone.portal_address} {zone.portal}"]
        lines += [f"{head.address} {head.name}" for head in zone.heads]
        lines += [f"{node.address} {node.name}" for _, node in zone.nodes]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def node_json(layout: Layout, zone: ZoneLayout, secrets: Secrets) -> str:
    """What the zone's portal node is told (`tandem.node`)."""
    environment = layout.environment
    document = {
        "node": zone.portal,
        "zone": zone.name,
        "environment": f"/etc/tandem/{ENVIRONMENT_FILE}",
        "public_url": f"https://127.0.0.1:{environment.portal.port}",
        "database": {
            # By name, as on AWS: each new connection looks it up.
            "host": DATABASE_HOST,
            "port": DATABASE_PORT,
            "name": PORTAL_DATABASE,
            "user": PORTAL_DATABASE,
        },
        "signer_socket": str(SIGNER_SOCKET),
        "portal_addresses": layout.portal_addresses,
        "balancer_addresses": [CORE_ADDRESS],
        "people_file": str(PEOPLE_FILE),
        "clusters": {
            head.cluster.name: {
                "host": head.address,
                "port": 22,
                "host_keys": [secrets.public_key(f"host-{head.cluster.name}")],
            }
            for head in layout.heads
        },
    }
    return json.dumps(document, indent=2) + "\n"


def first_people(environment: Environment) -> str:
    """The people file before the portal has published one."""
    administrator = environment.administrator
    people = [
        {
            "name": administrator.name,
            "uid": administrator.uid,
            "full_name": administrator.full_name,
            "groups": [],
            "enabled": True,
            "administrator": True,
        }
    ]
    people += [
        {
            "name": user.name,
            "uid": user.uid,
            "full_name": user.full_name,
            "groups": user.groups,
            "enabled": True,
            "administrator": False,
        }
        for user in environment.users
    ]
    return json.dumps({"version": 1, "people": people}, indent=1) + "\n"


def core_tree(layout: Layout, state: State, secrets: Secrets, portal_certificate: Path) -> Tree:
    """All files of the core."""
    out = Tree(state.core / "etc")
    accounts = [(PORTAL_DATABASE, secrets.text("database"))]
    accounts += [(zone.accounting_database, secrets.text(zone.accounting_database)) for zone in layout.zones]
    out.file("my.cnf", template("my.cnf", address=CORE_ADDRESS, port=DATABASE_PORT))
    statements = "".join(template("database.sql", name=name, password=password) for name, password in accounts)
    out.file("database.sql", statements, 0o600, "mysql")
    web = {zone.portal: f"{zone.portal_address}:{WEB_PORT}" for zone in layout.zones}
    streams = {zone.portal: f"{zone.portal_address}:{STREAMS_PORT}" for zone in layout.zones}
    for name, content in balancer_files(web, streams, "/etc/tandem").items():
        out.file(name, content)
    out.file("portal.pem", portal_certificate.read_bytes(), 0o600)
    out.file("listen", f"127.0.0.1 {layout.environment.portal.port}\n")
    out.file("hosts", hosts_file(layout))
    out.file("supervisord.conf", supervisord_conf(core_services()))
    out.file("firewall.nft", core_firewall(layout))
    return out


def zone_tree(layout: Layout, zone: ZoneLayout, state: State, secrets: Secrets) -> Tree:
    """All files of one zone."""
    out = Tree(state.zone(zone.name) / "etc")
    out.file("hosts", hosts_file(layout))
    # JSON is YAML; comments and layout of the person's file are no change of the environment.
    out.file(ENVIRONMENT_FILE, layout.environment.model_dump_json(indent=1))
    out.file("node.json", node_json(layout, zone, secrets))
    out.file("zone.json", json.dumps(_zone_facts(layout, zone), indent=1))
    out.file("supervisord.conf", supervisord_conf(zone_services(zone, layout.environment)))
    out.directory("munge", 0o700, "munge")
    out.file("munge/munge.key", secrets.data(f"munge-{zone.accounting_database}"), 0o400, "munge")
    out.directory("slurm", 0o755)
    out.directory("slurm/_accounting", 0o700, "slurm")
    password = secrets.text(zone.accounting_database)
    out.file("slurm/_accounting/slurmdbd.conf", slurmdbd_conf(zone, password), 0o600, "slurm")
    out.file(TRUSTED_AUTHORITIES, secrets.trusted_authorities())
    for head in zone.heads:
        _add_head(out, zone, head, layout, secrets)
    out.directory("secrets", 0o755)
    for service, wanted in _portal_secrets(secrets).items():
        out.directory(f"secrets/{service}", 0o700, f"tandem-{service}")
        for file, read in wanted.items():
            out.file(f"secrets/{service}/{file}", read(), 0o600, f"tandem-{service}")
    out.file("firewall.nft", zone_firewall(layout, zone))
    out.file("firewall-portal.nft", portal_firewall(layout))
    out.file("firewall-node.nft", node_firewall(zone))
    return out


def _zone_facts(layout: Layout, zone: ZoneLayout) -> dict[str, object]:
    """What the root processes in the zone need, without reading the whole environment."""
    return {
        "environment": layout.environment.name,
        "boot_delay": layout.environment.local.boot_delay,
        "shared": layout.environment.storage.shared.path,
        "clusters": {
            head.cluster.name: {
                "head": head.name,
                "scratch": head.scratch,
                "elastic": [node.name for node in head.nodes if node.elastic],
                "fixed": [node.name for node in head.nodes if not node.elastic],
            }
            for head in zone.heads
        },
    }


def _add_head(out: Tree, zone: ZoneLayout, head: HeadHost, layout: Layout, secrets: Secrets) -> None:
    cluster = head.cluster.name
    out.file(f"slurm/{cluster}/slurm.conf", slurm_conf(zone, head, layout.environment))
    # slurmd wants to know, although nothing here uses control groups.
    out.file(f"slurm/{cluster}/cgroup.conf", "CgroupPlugin=cgroup/v1\n")
    for direction, program in (("up", "resume"), ("down", "suspend")):
        out.file(f"slurm/{cluster}/{program}", _POWER.format(direction=direction, cluster=cluster), 0o755)
    out.directory(f"ssh/{cluster}", 0o755)
    out.file(f"ssh/{cluster}/host_key", secrets.data(f"host-{cluster}"), 0o600)
    out.file(f"ssh/{cluster}/host_key.pub", secrets.public_key(f"host-{cluster}") + "\n")
    required = files("tandem.payload").joinpath("sshd_config").read_text()
    text = template("sshd_config", address=head.address, cluster=cluster, required=required)
    out.file(f"ssh/{cluster}/sshd_config", text)


def _portal_secrets(secrets: Secrets) -> dict[str, dict[str, Callable[[], str]]]:
    """Per service account of the portal node: which secrets it has. Only the signer has the authority's key."""

    def text(name: str) -> Callable[[], str]:
        return lambda: secrets.text(name) + "\n"

    shared = {"database": text("database"), "django": text("django")}
    return {"web": shared, "worker": shared, "signer": shared | {AUTHORITY: text(AUTHORITY)}}
