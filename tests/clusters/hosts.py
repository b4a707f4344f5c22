"""A head node for tests: a real sshd with people of its own, and certificates as the signer makes them."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from tandem.clusters.certificates import make_certificate
from tandem.clusters.connections import Sign
from tandem.clusters.door import Door
from tandem.clusters.people import PeopleFile
from tandem.drills.environment import free_port
from tandem.node import ClusterAddress

PAYLOAD = Path(__file__).parents[2] / "src/tandem/payload"


def wait_until(condition: Callable[[], object], what: str, seconds: float = 80) -> None:
    """Wait for a condition, with a deadline."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
        return probe.recv(4) == b"SSH-"
    return False


@dataclass
class Host:
    """A cluster's head node, as far as the door is concerned."""

    directory: Path
    authority: asyncssh.SSHKey
    before: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.directory / "before").write_text(self.before + "\n")
        (self.directory / "authority.pub").write_bytes(self.authority.export_public_key())
        if not (self.directory / "host_key").exists():
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(self.directory / "host_key")
        self.process = subprocess.Popen(
            [
                "unshare",
                *("--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"),
                "sh",
                Path(__file__).parent / "sshd.sh",
                self.directory,
                str(self.port),
                PAYLOAD,
            ],
            stderr=(self.directory / "log").open("ab"),
            stdin=subprocess.DEVNULL,
        )
        wait_until(lambda: accepts(self.port), f"sshd; see {self.directory}/log")

    @property
    def address(self) -> ClusterAddress:
        key = asyncssh.read_private_key(self.directory / "host_key")
        return ClusterAddress(host="127.0.0.1", port=self.port, host_keys=[key.export_public_key().decode()])

    def inside(self, *command: str) -> str:
        """Run something there as root."""
        assert self.process
        first = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]
        enter = ["nsenter", "--target", first, "--mount", "--pid"]
        return subprocess.run([*enter, *command], check=True, capture_output=True, text=True).stdout

    def program(self, name: str, text: str) -> None:
        """Put a stand-in for one of Slurm's commands where the door looks first."""
        self.inside("sh", "-c", 'printf %s "$2" >"$1" && chmod 755 "$1"', "sh", f"/opt/slurm/bin/{name}", text)

    def processes(self) -> list[int]:
        """All its processes, by the ids that they have here."""
        assert self.process
        found, new = [], [self.process.pid]
        while new:
            pid = new.pop()
            with suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                found += [int(child) for child in children]
                new += [int(child) for child in children]
        return found

    def send(self, number: signal.Signals) -> None:
        """A signal to all of it."""
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, number)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            wait_until(lambda: not accepts(self.port), "sshd gone")


def certificates_by(authority: asyncssh.SSHKey) -> Sign:
    """Signs as the signer does."""

    async def sign(user: str, connection: str, public_key: str) -> str:
        key = asyncssh.import_public_key(public_key)
        certificate = make_certificate(
            authority, key, user=user, environment="testing", connection=connection, addresses=["127.0.0.1"]
        )
        return bytes(certificate.export_certificate()).decode()

    return sign


def door_to(host: Host, people: PeopleFile | None = None) -> Door:
    return Door({"cluster1": host.address}, certificates_by(host.authority), people, "test")
