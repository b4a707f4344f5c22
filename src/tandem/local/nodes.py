"""The process in a zone that owns its compute nodes, as EC2 and ParallelCluster's daemon do on AWS.

    python -m tandem.local.nodes

Slurm's ResumeProgram and SuspendProgram leave requests in a directory; a node boots for a while and then runs as a
service of the zone. A node that Slurm takes for powered up without it being so (after the zone was lost) is reported.
While there is no capacity (a drill says so), nodes that are asked for do not start: that is told to Slurm at once, in
ParallelCluster's words, and some seconds later the node is given back, to be asked for again. Fixed nodes that Slurm
has drained, because it found a job there that it had forgotten, are replaced by new ones.
"""

import json
import logging
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.local.names import NO_CAPACITY, SUPERVISOR_SOCKET, ZONE_FACTS, node_service
from tandem.local.supervise import Supervisor

REQUESTS = Path("/run/nodes")
CHECK_EVERY = 5.0
# ParallelCluster gives a failed node back at its next round, a minute later at most.
GIVEN_BACK_AFTER = 10.0
REFUSAL = "(Code:InsufficientInstanceCapacity)Failure when resuming nodes"
_NOT_UP = {"POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN", "POWERING_UP", "POWER_UP"}
log = logging.getLogger("nodes")


@dataclass
class Nodes:
    """The elastic nodes of a zone."""

    supervisor: Supervisor
    booting: dict[tuple[str, str], float] = field(default_factory=dict)
    refused: dict[tuple[str, str], float] = field(default_factory=dict)

    def take_requests(self, now: float, boot_delay: float) -> None:
        """Carry out what Slurm asked for."""
        for request in sorted(REQUESTS.iterdir()):
            if request.name.startswith("."):
                continue
            cluster, node, direction = request.name.split(".")
            request.unlink()
            if direction == "up" and NO_CAPACITY.exists():
                log.info("%s of %s: no capacity", node, cluster)
                self.refused[cluster, node] = now + GIVEN_BACK_AFTER
                _slurm(cluster, "scontrol", "update", f"nodename={node}", "state=down", f"reason={REFUSAL}")
            elif direction == "up":
                log.info("%s of %s: booting", node, cluster)
                self.booting[cluster, node] = now + boot_delay
            else:
                log.info("%s of %s: stopping", node, cluster)
                self.booting.pop((cluster, node), None)
                self.supervisor.stop(node_service(cluster, node))

    def finish_boots(self, now: float) -> None:
        """Start the nodes whose boot delay is over."""
        for (cluster, node), due in list(self.booting.items()):
            if now >= due:
                del self.booting[cluster, node]
                # It may still run from before: Slurm asks for a node again that it has lost sight of.
                self.supervisor.restart(node_service(cluster, node))
                log.info("%s of %s: running", node, cluster)

    def give_back_refused(self, now: float) -> None:
        """Let Slurm ask again for nodes that there was no capacity for."""
        for (cluster, node), due in list(self.refused.items()):
            if now >= due:
                del self.refused[cluster, node]
                _slurm(cluster, "scontrol", "update", f"nodename={node}", "state=power_down_force")

    def report_missing(self, facts: dict[str, Any]) -> None:
        """Tell Slurm of nodes that it believes to run and that do not."""
        running = {one.name for one in self.supervisor.services() if one.state in ("RUNNING", "STARTING")}
        for cluster, about in facts["clusters"].items():
            believed = _believed_up(cluster) & set(about["elastic"])
            for node in believed:
                expected = (cluster, node) in self.booting or (cluster, node) in self.refused
                if node_service(cluster, node) not in running and not expected:
                    log.info("%s of %s: is not there, telling Slurm", node, cluster)
                    _slurm(cluster, "scontrol", "update", f"nodename={node}", "state=power_down_force", "reason=gone")

    def replace_drained(self, facts: dict[str, Any]) -> None:
        """Nodes that Slurm takes out of service are replaced once nothing runs there, as ParallelCluster does."""
        for cluster, about in facts["clusters"].items():
            for node, states in _states(cluster).items():
                if node in about["fixed"] and states == {"IDLE", "DRAIN"}:
                    log.info("%s of %s: was drained, is replaced", node, cluster)
                    self.supervisor.restart(node_service(cluster, node))
                    _slurm(cluster, "scontrol", "update", f"nodename={node}", "state=resume")


def _slurm(cluster: str, *argv: str) -> str:
    """A Slurm command against one cluster; empty when the controller does not answer."""
    environment = {"PATH": "/usr/bin:/bin", "SLURM_CONF": f"/etc/tandem/slurm/{cluster}/slurm.conf"}
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=15, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _states(cluster: str) -> dict[str, set[str]]:
    """The words by which Slurm says how each node is."""
    found = {}
    for line in _slurm(cluster, "scontrol", "-o", "show", "nodes").splitlines():
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        found[fields["NodeName"]] = set(fields.get("State", "").rstrip("*").split("+"))
    return found


def _believed_up(cluster: str) -> set[str]:
    return {node for node, states in _states(cluster).items() if "CLOUD" in states and not states & _NOT_UP}


def main() -> None:
    """Work until the zone ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    nodes = Nodes(Supervisor(SUPERVISOR_SOCKET))
    next_check = 0.0
    while True:
        now = time.monotonic()
        facts = json.loads(ZONE_FACTS.read_bytes())
        nodes.take_requests(now, facts["boot_delay"])
        nodes.finish_boots(now)
        nodes.give_back_refused(now)
        if now >= next_check:
            nodes.report_missing(facts)
            nodes.replace_drained(facts)
            next_check = now + CHECK_EVERY
        time.sleep(0.2)


if __name__ == "__main__":
    main()
