"""What `up` has to do: compared with what runs and with what the running parts were started with."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.local.balancer_files import PAGES
from tandem.local.layout import Layout, ZoneLayout
from tandem.local.processes import inits
from tandem.local.release import current_release
from tandem.local.render import AUTHORITY_FILES, ENVIRONMENT_FILE, Tree
from tandem.local.state import State
from tandem.local.zone import core_order, is_outdated, zone_order

# Changes of the environment that a portal node need not hear of: people come from the database.
_NOT_FOR_THE_PORTAL = ("users", "local")


@dataclass(frozen=True)
class ZoneChanges:
    """What changes in a zone that goes on running: its files, and what has to hear of that."""

    files: bool = False
    restart: list[str] = field(default_factory=list)
    reconfigure: list[str] = field(default_factory=list)
    services: bool = False
    firewall: bool = False
    portal: bool = False

    def __bool__(self) -> bool:
        return self.files or self.portal


@dataclass(frozen=True)
class CoreChanges:
    """What changes in a core that goes on running: its files, and what has to hear of that."""

    files: bool = False
    restart: list[str] = field(default_factory=list)
    accounts: bool = False
    services: bool = False
    firewall: bool = False

    def __bool__(self) -> bool:
        return self.files


@dataclass
class Plan:
    """What will be done, in this order."""

    start_core: bool = False
    restart_core: bool = False
    core: CoreChanges = field(default_factory=CoreChanges)
    reconnect: list[str] = field(default_factory=list)
    stop_zones: list[str] = field(default_factory=list)
    restart_zones: list[str] = field(default_factory=list)
    start_zones: list[str] = field(default_factory=list)
    zones: dict[str, ZoneChanges] = field(default_factory=dict)
    new_release: bool = False
    people: bool = False
    taken_out: list[str] = field(default_factory=list)

    @property
    def from_nothing(self) -> bool:
        """Whether nothing runs yet."""
        return self.start_core and not (self.stop_zones or self.restart_zones or self.zones)

    @property
    def changes_nothing(self) -> bool:
        """Whether everything runs as it should."""
        return self == Plan(zones=self.zones) and not any(self.zones.values())

    def notices(self) -> list[str]:
        """What a person should know before it is done: who is let in no more, each restart and whom it interrupts."""
        lines = [
            f"{name} is no longer in the file: the account is disabled; jobs go on, files stay"
            for name in self.taken_out
        ]
        if self.restart_core:
            lines.append("the core restarts: the portal and Slurm's accounting pause for some seconds")
        lines += [f"the {name} of the core restarts: open pages reconnect" for name in self.core.restart]
        lines += [
            f"the zone {name} is no longer in the file: it stops, its running jobs end" for name in self.stop_zones
        ]
        lines += [f"the zone {name} restarts: its running jobs end" for name in self.restart_zones]
        for zone, changes in self.zones.items():
            lines += [f"{name} in {zone} restarts: jobs go on" for name in changes.restart]
            lines += [f"the cluster {name} reads its configuration again: jobs go on" for name in changes.reconfigure]
            if changes.services:
                lines.append(f"services of {zone} are added, removed or replaced; a removed node's jobs end")
        portal = [zone for zone, changes in self.zones.items() if changes.portal]
        if portal:
            lines.append(f"portal nodes restart one after the other ({', '.join(portal)}): no page is lost")
        return lines


def make_plan(layout: Layout, state: State, trees: dict[str, Tree], release: str) -> Plan:
    """Compare the environment with what runs."""
    running = {init.place for init in inits(state.name)}
    wanted = {zone.name for zone in layout.zones}
    plan = Plan(
        new_release=current_release(state) != release,
        people=people_changed(layout, state),
        taken_out=_taken_out(layout, state),
    )
    plan.start_core = "core" not in running
    plan.stop_zones = sorted(running - wanted - {"core"})
    if not plan.start_core:
        changed = trees["core"].changes()
        plan.restart_core = is_outdated(state.core, core_order(state))
        if not plan.restart_core:
            plan.core = _core_changes(changed)
    for zone in layout.zones:
        if zone.name not in running:
            plan.start_zones.append(zone.name)
        elif is_outdated(state.zone(zone.name), zone_order(state, zone, layout.environment)):
            plan.restart_zones.append(zone.name)
        else:
            plan.zones[zone.name] = _zone_changes(zone, trees[zone.name], new_release=plan.new_release)
            if plan.start_core or plan.restart_core:
                # Its cables ended in the old core's network.
                plan.reconnect.append(zone.name)
    return plan


def _core_changes(changed: set[str]) -> CoreChanges:
    restart = ["database"] if "my.cnf" in changed else []
    if {"haproxy.cfg", "listen", "portal.pem"} & changed or any(name.startswith(f"{PAGES}/") for name in changed):
        restart.append("balancer")
    return CoreChanges(
        files=bool(changed),
        restart=restart,
        accounts="database.sql" in changed,
        services="supervisord.conf" in changed,
        firewall="firewall.nft" in changed,
    )


def _zone_changes(zone: ZoneLayout, tree: Tree, *, new_release: bool) -> ZoneChanges:
    changed = tree.changes()
    restart, reconfigure = [], []
    if any(name.startswith("slurm/_accounting/") for name in changed):
        restart.append("slurmdbd")
    for head in zone.heads:
        cluster = head.cluster.name
        if f"slurm/{cluster}/slurm.conf" in changed:
            # Slurm takes most of its configuration while it runs, but not other nodes.
            if _node_lines(tree, cluster, written=True) != _node_lines(tree, cluster, written=False):
                restart.append(f"slurmctld-{cluster}")
            reconfigure.append(cluster)
        if any(name.startswith(f"ssh/{cluster}/") for name in changed):
            restart.append(f"sshd-{cluster}")
    return ZoneChanges(
        files=bool(changed),
        restart=restart,
        reconfigure=reconfigure,
        services="supervisord.conf" in changed,
        firewall=bool({"firewall.nft", "firewall-portal.nft"} & changed),
        portal=new_release
        or "node.json" in changed
        or any(name.startswith("secrets/") for name in changed.difference(AUTHORITY_FILES))
        or _environment_for_portal(tree, written=True) != _environment_for_portal(tree, written=False),
    )


def _read(tree: Tree, name: str, *, written: bool) -> str:
    if not written:
        return tree.files[name].content.decode()
    path = tree.root / name
    return path.read_text() if path.exists() else ""


def _node_lines(tree: Tree, cluster: str, *, written: bool) -> list[str]:
    lines = _read(tree, f"slurm/{cluster}/slurm.conf", written=written).splitlines()
    return [line for line in lines if line.startswith(("NodeName=", "SlurmctldHost=", "SlurmctldPort="))]


def _environment_for_portal(tree: Tree, *, written: bool) -> dict[str, Any]:
    text = _read(tree, ENVIRONMENT_FILE, written=written)
    document: dict[str, Any] = json.loads(text) if text.startswith("{") else {}
    return {key: value for key, value in document.items() if key not in _NOT_FOR_THE_PORTAL}


def people_of(layout: Layout) -> str:
    """The people of the environment file, as text to compare."""
    people = [layout.environment.administrator, *layout.environment.users]
    return json.dumps([person.model_dump() for person in people])


def people_changed(layout: Layout, state: State) -> bool:
    """Whether the file's people are others than those that the portal was last told of."""
    kept = _people_file(state)
    return not kept.exists() or kept.read_text() != people_of(layout)


def _taken_out(layout: Layout, state: State) -> list[str]:
    kept = _people_file(state)
    told = json.loads(kept.read_text()) if kept.exists() else []
    named = {person["name"] for person in json.loads(people_of(layout))}
    return sorted(person["name"] for person in told if person["name"] not in named)


def _people_file(state: State) -> Path:
    return state.root / "people-of-the-file.json"


def remember_people(layout: Layout, state: State) -> None:
    """The portal has been told of the file's people."""
    _people_file(state).write_text(people_of(layout))


def first_jobs_due(layout: Layout, state: State) -> bool:
    """Whether a cluster has not yet run its first job."""
    kept = _first_jobs_file(state)
    done = kept.read_text().split() if kept.exists() else []
    return any(head.cluster.name not in done for head in layout.heads)


def _first_jobs_file(state: State) -> Path:
    return state.root / "first-jobs-done"


def remember_first_jobs(layout: Layout, state: State) -> None:
    """All clusters have run their first job."""
    _first_jobs_file(state).write_text(" ".join(head.cluster.name for head in layout.heads))
