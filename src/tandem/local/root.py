"""The root directory of a zone or of the core: an allow-list of the machine's software, and what the zone owns.

Whatever is not listed here does not exist inside: not the checkout, not the state directory, not the homes of the
machine's people. Everything is mounted without set-user-id programs, so nobody inside becomes root.
"""

import stat
from dataclasses import dataclass, field
from pathlib import Path

from tandem.local.mounts import Flag, bind, mount, pivot_root

# The machine's settings that programs need. Anything with a secret or a name of a person in it stays out.
ETC = [
    "alternatives",
    "bash.bashrc",
    "bash_completion.d",
    "csh.cshrc",
    "csh.login",
    "csh.logout",
    "debian_version",
    "gai.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "libibverbs.d",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "mke2fs.conf",
    "networks",
    "os-release",
    "perl",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "python3.11",
    "rpc",
    "services",
    "shells",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
]
# Jobs here may have more ranks than the machine has processors: a rank that waits must let the others go on. Open MPI
# sees that by itself under mpirun only.
MPI_SETTINGS = "etc/openmpi/openmpi-mca-params.conf"
MPI_YIELDS = "\nmpi_yield_when_idle = 1\n"
DEVICES = ["null", "zero", "full", "random", "urandom", "tty", "fuse"]
PRIVATE = {"tmp": "1777", "var/tmp": "1777", "run": "755", "dev/shm": "1777"}


@dataclass(frozen=True)
class Bind:
    """A directory or file of the machine that shows up inside."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class RootSpec:
    """What a root consists of, besides the machine's software."""

    binds: list[Bind]
    links: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    namespaces: dict[str, str] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)


def enter_root(spec: RootSpec) -> None:
    """Build the root on a file system in memory and move this process (alone in its namespaces) into it."""
    mount("", Path("/"), flags=Flag.RECURSIVE | Flag.PRIVATE)
    root = Path("/run")
    # Binds of the machine's directories are taken before anything covers them.
    mount("tmpfs", root, "tmpfs", Flag.NO_SUID, "mode=755,size=16m")
    _software(root)
    _devices(root)
    for path, mode in PRIVATE.items():
        _directory(root / path)
        mount("tmpfs", root / path, "tmpfs", Flag.NO_SUID | Flag.NO_DEVICES, f"mode={mode},size=2g")
    _directory(root / "proc")
    # Nobody sees another's processes, nor their command lines.
    quiet = Flag.NO_SUID | Flag.NO_DEVICES | Flag.NO_PROGRAMS
    mount("proc", root / "proc", "proc", quiet, "hidepid=invisible")
    _directory(root / "sys")
    mount("sysfs", root / "sys", "sysfs", quiet | Flag.READ_ONLY)
    for directory in spec.directories:
        _directory(root / directory.lstrip("/"))
    for link, text in spec.links.items():
        _directory((root / link.lstrip("/")).parent)
        (root / link.lstrip("/")).symlink_to(text)
    for file, text in spec.files.items():
        _directory((root / file.lstrip("/")).parent)
        (root / file.lstrip("/")).write_text(text)
    for one in spec.binds:
        _show(one.source, root / one.target.lstrip("/"), read_only=not one.writable)
    for name, source in spec.namespaces.items():
        _directory(root / "run/netns")
        (root / "run/netns" / name).touch()
        mount(source, root / "run/netns" / name, flags=Flag.BIND)
    for directory in spec.closed:
        (root / directory.lstrip("/")).chmod(0o700)
    mount("", root, flags=Flag.REMOUNT | Flag.BIND | Flag.READ_ONLY | Flag.NO_SUID)
    pivot_root(root)
    # Mounts made inside later (the shared storage) reach the compute nodes' own mount namespaces.
    mount("", Path("/"), flags=Flag.RECURSIVE | Flag.SHARED)


def _directory(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)


def _show(source: Path, target: Path, *, read_only: bool) -> None:
    if stat.S_ISDIR(source.stat().st_mode):
        _directory(target)
    else:
        _directory(target.parent)
        target.touch()
    bind(source, target, read_only=read_only)


def _software(root: Path) -> None:
    _show(Path("/usr"), root / "usr", read_only=True)
    # What an administrator put there for the machine is not part of the environment.
    mount("tmpfs", root / "usr/local", "tmpfs", Flag.NO_SUID | Flag.READ_ONLY, "mode=755,size=4k")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if Path("/", name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    for name in ETC:
        source, target = Path("/etc", name), root / "etc" / name
        if source.is_symlink():
            _directory(target.parent)
            target.symlink_to(source.readlink())
        elif source.exists():
            _show(source, target, read_only=True)
    machines = Path("/", MPI_SETTINGS)
    _directory((root / MPI_SETTINGS).parent)
    (root / MPI_SETTINGS).write_text((machines.read_text() if machines.is_file() else "") + MPI_YIELDS)


def _devices(root: Path) -> None:
    dev = root / "dev"
    _directory(dev)
    for name in DEVICES:
        (dev / name).touch()
        mount(f"/dev/{name}", dev / name, flags=Flag.BIND)
    _directory(dev / "pts")
    mount("devpts", dev / "pts", "devpts", Flag.NO_SUID | Flag.NO_PROGRAMS, "newinstance,ptmxmode=0666,mode=620,gid=5")
    for link, text in {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1"}.items():
        (dev / link).symlink_to(text)
    (dev / "stderr").symlink_to("fd/2")
