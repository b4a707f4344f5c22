"""Doing what a plan says, in parts that go on running."""

import subprocess
from functools import partial

from tandem.local.balancer import node_is_up
from tandem.local.enter import command_on, find_host
from tandem.local.health import page_answers
from tandem.local.layout import STREAMS_PORT, WEB_PORT, Layout, ZoneLayout
from tandem.local.network import load_firewall
from tandem.local.plan import CoreChanges, ZoneChanges
from tandem.local.processes import require_init
from tandem.local.progress import Step, StepError, wait_until
from tandem.local.render import Tree
from tandem.local.state import State
from tandem.local.supervise import Supervisor

# Root's own processes in a zone run the release's code too; they keep nothing that a restart would lose.
_OF_THE_RELEASE = ("follower", "nodes", "signer", "worker", "streams", "web")


def apply_to_core(layout: Layout, state: State, tree: Tree, changes: CoreChanges, step: Step) -> None:
    """Apply changes to the core."""
    tree.write()
    core = require_init(state.name, "core")
    supervisor = Supervisor.of(core)
    if changes.firewall:
        load_firewall(core, tree.root)
    if changes.services:
        supervisor.reload()
    for name in changes.restart:
        step.note(f"restarting the {name}")
        supervisor.restart(name)
    if changes.accounts:
        step.note("database accounts")
        client = ["mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock"]
        statements = (tree.root / "database.sql").read_bytes()
        command = command_on(layout, find_host(layout, "core"), client)
        done = subprocess.run(command, input=statements, capture_output=True, check=False)
        if done.returncode:
            raise StepError("the database accounts could not be made", state.core / "log/mysql/error.log")


def apply_to_zone(layout: Layout, state: State, zone: ZoneLayout, changes: ZoneChanges, tree: Tree, step: Step) -> None:
    """Apply changes to a zone, but for its portal node."""
    tree.write()
    init = require_init(state.name, zone.name)
    supervisor = Supervisor.of(init)
    if changes.firewall:
        load_firewall(init, tree.root)
    if changes.services:
        step.note(f"services of {zone.name}")
        supervisor.reload()
    for name in changes.restart:
        step.note(f"restarting {name}")
        supervisor.restart(name)
    for cluster in changes.reconfigure:
        step.note(f"{cluster} reads its configuration")
        head = next(head for head in zone.heads if head.cluster.name == cluster)
        command = command_on(layout, find_host(layout, head.name), ["scontrol", "reconfigure"])

        def reconfigured(command: list[str] = command) -> bool:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0

        wait_until(reconfigured, f"{cluster} did not take its configuration", 30)


def restart_portal(state: State, zone: ZoneLayout, step: Step) -> None:
    """Restart a portal node's services on the current release, and wait until the load balancer uses it again."""
    step.note(zone.portal)
    Supervisor.of(require_init(state.name, zone.name)).restart(*_OF_THE_RELEASE)
    core = require_init(state.name, "core")
    log = state.zone(zone.name) / "log/web.out"
    # Its own answer first: the load balancer may not have noticed yet that it was away.
    for port, path in ((WEB_PORT, "/healthz"), (STREAMS_PORT, "/streams/healthz")):
        wait_until(
            partial(page_answers, core, zone.portal_address, port, path), f"{zone.portal} does not come back", 60, log
        )
    wait_until(lambda: node_is_up(core, zone.portal), f"{zone.portal} does not come back", 240, log)
