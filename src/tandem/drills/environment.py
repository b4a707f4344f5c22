"""An environment of the drills' own, with short times of failing over, beside whatever runs on this machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tandem.environment import Environment, load_environment

# As short as one machine allows, and still without contradiction (`tandem check`).
SHORT_TIMES = """\
failover:
  poll_interval: 1s
  suspect_after: 4s
  down_after: 8s
  heartbeat: 2s
  self_fence: 7s
  kill_time: 4s
  visibility: 4s
  take_over: 17s"""
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
      - {{name: always-on, cpus: 8, memory_gib: 16, fixed_nodes: 2, default: true}}
      - {{name: compute, cpus: 4, memory_gib: 8, elastic_nodes: 4}}
  - name: cluster2
    zone: eu-central-1b
    queues: *queues
portal:
  port: {port}
{times}
local:
  boot_delay: 1s
  idle_time: 10s
"""


class UpError(Exception):
    """The environment did not come up."""


@contextmanager
def own_environment(name: str) -> Iterator[Environment]:
    """An environment of this name, running for as long as the block does; nothing is left of it. Raises UpError."""
    with own_file(name) as file:
        yield bring_up(file)


@contextmanager
def own_file(name: str) -> Iterator[Path]:
    """The file of an environment of this name; nothing of the environment is left when the block ends."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "tandem.yaml"
        file.write_text(TEMPLATE.format(name=name, port=free_port(), times=SHORT_TIMES))
        _tandem(file, None, "down", "--purge", "--yes")
        try:
            yield file
        finally:
            _tandem(file, None, "down", "--purge", "--yes")


def bring_up(file: Path, source: Path | None = None) -> Environment:
    """Start it, or have the one that runs go on with other code. Raises UpError.

    `source`: whose Tandem it runs, as it would stand on PYTHONPATH; this one's unless given.
    """
    _tandem(file, source, "up", "--no-first-job")
    return load_environment(file)


def _tandem(file: Path, source: Path | None, *words: str) -> None:
    variables = {**os.environ, **({"PYTHONPATH": str(source)} if source else {})}
    command = [sys.executable, "-m", "tandem", *words, "--file", str(file)]
    if subprocess.run(command, env=variables, check=False).returncode:
        raise UpError(f"tandem {words[0]} failed")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
