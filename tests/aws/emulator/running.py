"""An emulator that runs beside the tests."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.aws.emulator import parallelcluster
from tests.aws.emulator.addresses import ACCOUNT
from tests.aws.emulator.kinds import client
from tests.aws.emulator.parallelcluster.own_python import PYTHON as PARALLELCLUSTER

ROOT = Path(__file__).parents[3]
DEADLINE = 90
NODEJS = ROOT / "build" / "cdk" / "nodejs"
# `make build/cdk/cdk` has found a Node.js for the CDK's library; there may be none on PATH. The library says at length
# which versions it likes better.
NODE = {
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20",
    **({"JSII_NODE": str(NODEJS)} if NODEJS.exists() else {}),
}


class Emulator:
    """Its address, clients of it, and what it did."""

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self.directory = directory
        self.endpoint = f"http://127.0.0.1:{port}"
        self.log = directory / "emulator.jsonl"
        self.log.touch()

    def client(self, service: str, region: str) -> Any:
        """A client of `service`."""
        return client(self.endpoint, region, service)

    def environment(self, region: str) -> dict[str, str]:
        """The variables with which programs find it, and nothing of an account that a person has."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_", "TANDEM_"))}
        return {
            **kept,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": region,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            **NODE,
        }

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """What it wrote down, of these kinds: create, update, delete, kept, unknown, refused, failed."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] in kinds]

    def forget_events(self) -> None:
        """From here on, only what comes now."""
        self.log.write_text("")

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=10):  # noqa: S310 - our own
                return True
        except OSError:
            return False


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def emulator(directory: Path, region: str, version: str) -> Iterator[Emulator]:
    """An emulator with ParallelCluster's bucket in `region`, for as long as the block runs."""
    found = Emulator(free_port(), directory)
    given = {
        **os.environ,
        "EMULATOR_LOG": str(found.log),
        "EMULATOR_FILES": str(directory),
        "EMULATOR_PARALLELCLUSTER": str(PARALLELCLUSTER),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
    }
    said = directory / "emulator.out"
    command = [sys.executable, "-m", "tests.aws.emulator.server", str(found.port)]
    with (
        said.open("w") as output,
        subprocess.Popen(command, env=given, stdout=output, stderr=output, cwd=ROOT) as server,
    ):
        try:
            end = time.monotonic() + DEADLINE
            while not found.answers():
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the emulator did not start: {said.read_text()[-2000:]}")
                time.sleep(0.1)
            parallelcluster.publish(found.client("s3", region), region, version)
            yield found
        finally:
            server.kill()
