"""The SSH authority of the environment on this machine: its records, and how they get to clusters and signers.

What is done in which order is `tandem.clusters.rotation`; on AWS, records and ways will be others.
"""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from tandem.environment import Environment
from tandem.local.drill import Drill
from tandem.local.enter import command_on, find_host, portal_command
from tandem.local.layout import Layout
from tandem.local.names import PYTHON, SIGNER_SOCKET
from tandem.local.processes import CORE, NotRunningError, find_init
from tandem.local.render import AUTHORITY_FILES, zone_tree
from tandem.local.secrets import Secrets, fingerprint
from tandem.local.state import State

TRUSTED = "/etc/ssh/tandem_authority.pub"
ANSWER_TIME = 10  # seconds; a frozen zone does not answer at all


class LocalKeys:
    """The keys of an environment on this machine. The environment must be locked by whoever changes them."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.layout = Layout(environment)
        self.state = State(environment.name)
        self.secrets = Secrets(self.state.secrets)

    def fingerprints(self) -> dict[str, str | None]:
        """Of the authorities, by what they do: signing, coming, leaving."""
        lines = self.secrets.authorities()
        return {name: fingerprint(line) if line else None for name, line in lines.items()}

    def replaced_at(self) -> datetime | None:
        """Since when the authority that leaves signs no more."""
        seconds = self.secrets.replaced_at()
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    def host_keys(self) -> dict[str, str]:
        """The fingerprint of each cluster's host key."""
        names = [head.cluster.name for head in self.layout.heads]
        return {name: fingerprint(self.secrets.public_key(f"host-{name}")) for name in names}

    def introduce(self) -> None:
        """Make a new authority."""
        self.secrets.introduce_authority()

    def replace(self) -> None:
        """Sign with the new one from now on; the old one's key is gone."""
        self.secrets.replace_authority()

    def note_replaced(self) -> None:
        """No signer has the old one any more."""
        self.secrets.note_replaced()

    def drop(self) -> None:
        """Forget the old one."""
        self.secrets.drop_authority()

    def carry(self) -> None:
        """Write the zones' copies: sshd and signers read them anew when they need them, so nothing restarts."""
        for zone in self.layout.zones:
            zone_tree(self.layout, zone, self.state, self.secrets).write_some(AUTHORITY_FILES)

    def out_of_reach(self) -> list[str]:
        """Zones that are not as they should be."""
        if not find_init(self.state.name, CORE):
            return [f"{self.environment.name} does not run: `tandem up` first"]
        drill, found = Drill(self.environment), []
        for zone in self.layout.zones:
            word = drill.condition(zone).word
            if word == "down":
                found.append(f"{zone.name} is down: `tandem zone start {zone.name}` (or `tandem up`) first")
            elif word != "up":
                found.append(f"{zone.name} is {word}: `tandem zone heal {zone.name}` first")
        return found

    def trusted(self) -> dict[str, frozenset[str]]:
        """What each cluster's sshd reads when somebody comes; nothing where it cannot be asked."""
        found = {}
        for head in self.layout.heads:
            host = find_host(self.layout, head.name)
            text = _output(partial(command_on, self.layout, host, ["cat", TRUSTED]))
            found[head.cluster.name] = frozenset(fingerprint(line) for line in text.splitlines())
        return found

    def signing(self) -> dict[str, str]:
        """What each portal node's signer says that it signs with; nothing where it does not say."""
        ask = [PYTHON, "-m", "tandem.clusters.ask_signer", str(SIGNER_SOCKET)]
        return {
            zone.portal: _output(partial(portal_command, self.layout, zone.name, "web", ask, "current")).strip()
            for zone in self.layout.zones
        }


def _output(command: Callable[[], list[str]]) -> str:
    """What a command in a zone prints; nothing when it fails, or the zone is not there."""
    try:
        done = subprocess.run(command(), capture_output=True, text=True, timeout=ANSWER_TIME, check=False)
    except (NotRunningError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
