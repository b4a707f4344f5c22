"""A machine of AWS's for tests: namespaces, with what is AWS's stood in for (see standins/)."""

import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


CLOUD_USER = r"""
set -eu
for account in $(awk -F: '$3 >= 1000 && $3 < 60000 { print $1 }' /etc/passwd); do userdel -f "$account"; done
groupadd -f wheel
useradd --uid 1000 --user-group --groups wheel --home-dir /home/ec2-user ec2-user
printf 'ec2-user ALL=(ALL) NOPASSWD:ALL\n' >/etc/sudoers.d/90-cloud-init-users
chmod 440 /etc/sudoers.d/*
"""


def wait_until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait for a condition, with a deadline."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@dataclass
class Machine:
    """One of them. `standin` is what the programs that stand in for AWS keep: the test looks at it too."""

    standin: Path
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        for kind in ("parameters", "secrets", "objects"):
            (self.standin / kind).mkdir(parents=True, exist_ok=True)
        self.log = self.standin / "log"

    def start(self) -> None:
        """Make it, and wait until it is there."""
        spaces = ["--mount", "--pid", "--net", "--uts", "--fork", "--kill-child", "--mount-proc"]
        script = ["bash", str(HERE / "standins/machine.sh"), str(self.standin), str(REPOSITORY)]
        command = ["unshare", *spaces, "--propagation=private", *script]
        command += [sys.prefix, "sh", "-c", "touch /standin/up; while :; do sleep 1000; done"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until((self.standin / "up").exists, f"the machine; see {self.log}")

    def stop(self) -> None:
        """Its end, with all that runs there."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def enter(self, *command: str) -> list[str]:
        """The command line that runs a command there as root."""
        assert self.process
        first = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0]
        path = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["nsenter", "--target", first, "--mount", "--pid", "--net", "--uts", "--", "env", "-i", path, *command]

    def run(self, *command: str, check: bool = True, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command there as root."""
        done = subprocess.run(
            self.enter(*command), input=given, capture_output=True, text=True, timeout=600, check=False
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def make_cloud_user(self) -> None:
        """The image's own user, who may be root without a password. Accounts of this machine are not the image's."""
        self.run("bash", "-s", given=CLOUD_USER)
        assert self.becomes_root("ec2-user")

    def becomes_root(self, account: str) -> bool:
        """Whether this account does, when it asks."""
        entered = ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups"]
        return self.run(*entered, "sudo", "-n", "true", check=False).returncode == 0

    def begin(self, *command: str) -> None:
        """Start a command there that goes on until the machine ends."""
        with self.log.open("ab") as log:
            subprocess.Popen(self.enter(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def parameter(self, name: str, value: str | None = None) -> str:
        """What Parameter Store has under a name; written first when there is a value."""
        file = self.standin / "parameters" / name.strip("/").replace("/", "%")
        if value is not None:
            file.write_text(value)
        return file.read_text()

    def secret(self, name: str, value: str) -> None:
        """A new version of a secret."""
        (self.standin / "secrets" / name.replace("/", "%")).write_text(value)

    def archive(self, bucket: str, key: str, files: dict[str, bytes]) -> None:
        """An object in S3 that is a ZIP file of these."""
        target = self.standin / "objects" / bucket / key
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)

    def said(self, what: str) -> list[str]:
        """The lines that one of the programs that stand in has kept."""
        file = self.standin / what
        return file.read_text().splitlines() if file.exists() else []
