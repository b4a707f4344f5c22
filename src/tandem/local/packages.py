"""Debian's packages: what is missing is installed, nothing else is touched, and no service starts by itself.

A service that comes with a package starts neither now (a policy forbids it for that moment) nor with the machine (it is
disabled): ours run in the zones, with settings of their own.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from tandem.local.progress import StepError

# By the program (or file) that is needed of each: what is there already, from wherever, is not installed again.
NEEDED = {
    "slurmctld": "/usr/sbin/slurmctld",
    "slurmd": "/usr/sbin/slurmd",
    "slurmdbd": "/usr/sbin/slurmdbd",
    "slurm-client": "/usr/bin/sbatch",
    "slurm-wlm-basic-plugins": "/usr/lib/*/slurm-wlm/select_cons_tres.so",
    "slurm-wlm-mysql-plugin": "/usr/lib/*/slurm-wlm/accounting_storage_mysql.so",
    "munge": "/usr/sbin/munged",
    "mariadb-server": "/usr/sbin/mariadbd",
    "haproxy": "/usr/sbin/haproxy",
    "openssh-server": "/usr/sbin/sshd",
    "bindfs": "/usr/bin/bindfs",
    "iproute2": "/usr/sbin/ip",
    "nftables": "/usr/sbin/nft",
    "util-linux": "/usr/bin/nsenter",
    "openmpi-bin": "/usr/bin/mpirun.openmpi",
    "libopenmpi-dev": "/usr/bin/mpicc.openmpi",
    "gcc": "/usr/bin/gcc",
    "libc6-dev": "/usr/include/stdlib.h",
    "make": "/usr/bin/make",
    "tcsh": "/usr/bin/tcsh",
}
# What only the tests want: a browser.
FOR_TESTS = {"chromium-headless-shell": "/usr/bin/chromium-headless-shell"}
_POLICY = """\
#!/bin/sh
# Put here for a moment by `tandem up`: packages that it installs start no services.
exit 101
"""


def missing_packages(root: Path = Path("/"), needed: Mapping[str, str] = NEEDED) -> list[str]:
    """The packages whose program is not there."""
    return [name for name, file in needed.items() if not any(root.glob(file.lstrip("/")))]


@contextmanager
def services_forbidden(policy: Path) -> Iterator[None]:
    """Forbid packages to start services while the block runs; the policy of before is back afterwards, exactly."""
    kept = policy.with_name(".policy-rc.d.before-tandem")
    aside = policy.with_name(".policy-rc.d.of-tandem")
    try:
        # A run that was killed outright may have left its policy in place of another.
        if not kept.is_symlink() and not kept.exists() and not _is_ours(policy):
            policy.rename(kept)
        aside.write_text(_POLICY)
        aside.chmod(0o755)
        aside.rename(policy)
        yield
    finally:
        aside.unlink(missing_ok=True)
        if kept.is_symlink() or kept.exists():
            kept.rename(policy)
        elif _is_ours(policy):
            policy.unlink(missing_ok=True)


def _is_ours(policy: Path) -> bool:
    """Whether the policy is the one that this module puts there, or none at all."""
    if policy.is_symlink():
        return False
    return not policy.exists() or policy.read_bytes() == _POLICY.encode()


def starting_services(root: Path = Path("/")) -> set[str]:
    """The services that start with the machine."""
    return {link.name[3:] for link in root.glob("etc/rc2.d/S[0-9][0-9]*")}


def install(packages: list[str], log: Path, tell: Callable[[str], None] = print, root: Path = Path("/")) -> None:
    """Install packages; those that are there stay as they are. Raises StepError.

    When it is interrupted, apt ends between two packages, and what it has unpacked is configured.
    """
    before = starting_services(root)
    with services_forbidden(root / "usr/sbin/policy-rc.d"), log.open("a") as stream:
        run = partial(_run, stream, tell)
        try:
            if run(*_INSTALL, *packages) != 0:
                # The lists may be older than the archive, or not there at all.
                run("apt-get", "-q", "update")
                if run(*_INSTALL, *packages) != 0:
                    raise StepError("the packages could not be installed", log)
        except BaseException:
            run("dpkg", "--configure", "--pending")
            raise
        finally:
            for service in sorted(starting_services(root) - before):
                run("update-rc.d", service, "disable")


_INSTALL = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", "install", "--yes"]
_INSTALL += ["--no-install-recommends", "--no-upgrade", "--no-remove"]
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C.UTF-8"}


def _run(stream: TextIO, tell: Callable[[str], None], *command: str) -> int:
    # In a session of its own, so that it is this program that decides what an interrupt means for it.
    process = subprocess.Popen(
        command,
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        start_new_session=True,
    )
    try:
        return process.wait()
    except BaseException:
        tell(f"interrupted; {command[0]} ends what it has begun")
        process.send_signal(signal.SIGINT)
        process.wait()
        raise


def main() -> int:
    """`python -m tandem.local.packages`: all that an environment and the tests need, before either starts."""
    missing = missing_packages(needed={**NEEDED, **FOR_TESTS})
    if not missing:
        return 0
    print("installing", *missing, flush=True)
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "install.log")
        try:
            install(missing, log)
        except StepError as problem:
            print(f"{problem}:\n{log.read_text()[-4000:]}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
