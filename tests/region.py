"""One environment of real clusters for a whole test run, beside whatever else runs on this machine."""

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tandem.drills.environment import SHORT_TIMES, free_port
from tandem.environment import Environment, load_environment
from tandem.local.enter import command_on, find_host
from tandem.local.layout import Layout
from tandem.local.processes import inits
from tandem.local.state import State

# Set to a name, the environment is left running for the next run, which finds it by that name.
KEPT = os.environ.get("TANDEM_REGION_KEEP", "")
PREFIX = "test-"
# Deadlines are there so that a run ends, not to measure: the machine's processors may be wanted by others too.
PATIENCE = 4

TEMPLATE = """\
name: {name}
region: eu-central-1
zones:
  - name: eu-central-1a
  - name: eu-central-1b
clusters:
  - name: cluster1
    zone: eu-central-1a
    queues: &queues
      - {{name: compute, instance_type: c5.xlarge, elastic_nodes: 4, default: true}}
      - {{name: always-on, instance_type: c5.2xlarge, fixed_nodes: 2, time_limit: 1h}}
  - name: cluster2
    zone: eu-central-1b
    queues: *queues
portal:
  port: {port}
users:
  - {{name: alice, uid: 2000, full_name: Alice, groups: [research]}}
  - {{name: bob, uid: 2001, full_name: Bob, groups: [research]}}
  - {{name: carol, uid: 2002, full_name: Carol}}
{times}
local:
  boot_delay: 1s
  idle_time: 60s
"""


@dataclass(frozen=True)
class Region:
    """A running environment."""

    file: Path
    environment: Environment

    @property
    def state(self) -> State:
        """Its state directory."""
        return State(self.environment.name)

    @property
    def layout(self) -> Layout:
        """Its hosts."""
        return Layout(self.environment)

    @property
    def url(self) -> str:
        """The portal's address."""
        return f"https://127.0.0.1:{self.environment.portal.port}"

    @property
    def ca(self) -> Path:
        """The certificate of the authority that signed the portal's."""
        return self.state.authority

    @property
    def administrator(self) -> str:
        """The administrator's name."""
        return self.environment.administrator.name

    @property
    def password(self) -> str:
        """The administrator's password."""
        return (self.state.secrets / "administrator").read_text().strip()

    def tandem(self, *arguments: str, check: bool = True, deadline: float = 300) -> subprocess.CompletedProcess[str]:
        """Run the `tandem` command against this environment."""
        return tandem(*arguments, "--file", str(self.file), check=check, deadline=deadline)

    def shell(
        self, host: str, user: str, argv: Sequence[str], *, data: str = "", check: bool = False, deadline: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as somebody on a host, such as `head-cluster1` or `cluster1/always-on-st-1`."""
        command = command_on(self.layout, find_host(self.layout, host), argv, user)
        return subprocess.run(
            command, input=data, capture_output=True, text=True, check=check, timeout=deadline * PATIENCE
        )

    def zone(self, action: str, name: str, *options: str) -> None:
        """`kill`, `start`, `cut`, `freeze` or `heal` a zone."""
        self.tandem("zone", action, name, *options)

    def status(self) -> dict[str, Any]:
        """What `tandem status --json` says."""
        found: dict[str, Any] = json.loads(self.tandem("status", "--json", check=False).stdout)
        return found

    def client(self, token: str = "") -> httpx.Client:
        """An HTTP client that trusts the portal's certificate and nothing else."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        context = ssl.create_default_context(cafile=str(self.ca))
        # Each request on a connection of its own: a kept one may be closed by the other side just as it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(base_url=self.url, verify=context, headers=headers, timeout=120, limits=limits)

    def token(self, username: str = "", password: str = "") -> str:
        """A new API token, the administrator's unless somebody else is named."""
        body = {"username": username or self.administrator, "password": password or self.password, "days": 1}
        with self.client() as client:
            answer = client.post("/api/v1/tokens", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret"])

    def wait(self, ready: Callable[[], object], what: str, deadline: float = 60) -> None:
        """Wait for a condition; a test fails with `what` when it does not come."""
        wait_for(ready, what, deadline)


def wait_for(ready: Callable[[], object], what: str, deadline: float = 60) -> None:
    """Wait for a condition with a deadline. Looking, which may take a whole command, has half of the time at most."""
    end = time.monotonic() + deadline * PATIENCE
    began = time.monotonic()
    while not ready():
        assert time.monotonic() < end, f"not within {deadline * PATIENCE:.0f} s: {what}"
        time.sleep(max(0.1, time.monotonic() - began))
        began = time.monotonic()


def tandem(*arguments: str, check: bool = True, deadline: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the `tandem` command; with `check`, a failure shows what it said."""
    command = [sys.executable, "-m", "tandem", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=deadline * PATIENCE)
    assert not check or done.returncode == 0, f"tandem {' '.join(arguments)}: {done.stderr}\n{done.stdout}"
    return done


def bring_up(file: Path) -> Region:
    """The environment that `file` describes, running."""
    tandem("up", "--no-first-job", "--file", str(file))
    return Region(file, load_environment(file))


def take_down(file: Path) -> None:
    """Stop an environment and forget it."""
    tandem("down", "--purge", "--yes", "--file", str(file))


def write_environment(directory: Path, text: str = TEMPLATE, name: str = "") -> Path:
    """An environment file with a name and a port of its own."""
    name = name or f"{PREFIX}{os.getpid()}"
    file = directory / f"{name}.yaml"
    file.write_text(text.format(name=name, port=free_port(), times=SHORT_TIMES))
    return file


def forget_dead_runs(directory: Path) -> None:
    """Take down what test runs that were killed have left running."""
    for name in {init.environment for init in inits() if init.environment.startswith(PREFIX)}:
        process = name.removeprefix(PREFIX).split("-")[0]
        if process.isdigit() and not Path("/proc", process).exists():
            take_down(write_environment(directory, name=name))


def kept_region() -> Region:
    """The environment that is left running between test runs."""
    file = State(KEPT).root.parent / f"{KEPT}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        write_environment(file.parent, name=KEPT)
    return bring_up(file)
