"""What must be so before anything is changed: one clear line for each thing that is not."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tandem.environment import Environment
from tandem.local.health import port_is_free
from tandem.local.layout import Layout
from tandem.local.packages import NEEDED, missing_packages
from tandem.local.processes import find_init, inits
from tandem.local.state import State, outside_storage

MIB = 2**20
_BASE_MEMORY = 900 * MIB
_ZONE_MEMORY = 700 * MIB
_NODE_MEMORY = 25 * MIB
_NEW_STATE = 2048 * MIB
_NEW_PACKAGES = 1500 * MIB
_KNOWN_STATE = 300 * MIB


def problems(environment: Environment, state: State) -> list[str]:
    """All that stands in the way, in a sensible order."""
    if first := list(_machine()):
        return first
    return [*_kernel(), *_port(environment), *_space(environment, state), *_places(environment, state)]


def _machine() -> Iterator[str]:
    if platform.system() != "Linux":
        yield f"Tandem's environment on this machine needs Linux; this is {platform.system()}."
    elif platform.machine() not in ("x86_64", "aarch64"):
        yield f"Tandem's environment on this machine needs x86_64 or aarch64; this is {platform.machine()}."
    elif os.geteuid() != 0:
        yield "Tandem's environment on this machine needs root: namespaces, mounts and system accounts. Try sudo."
    elif Path(sys.base_prefix) != Path("/usr"):
        yield f"Zones need a virtual environment of Debian's /usr/bin/python3; this one is made from {sys.base_prefix}."
    elif missing_packages() and not shutil.which("apt-get"):
        names = ", ".join(missing_packages())
        yield f"These are missing, and there is no apt-get to install them with: {names}."


def _kernel() -> Iterator[str]:
    if not Path("/dev/fuse").exists():
        subprocess.run(["modprobe", "fuse"], capture_output=True, check=False) if shutil.which("modprobe") else None
    if not Path("/dev/fuse").exists():
        yield "/dev/fuse is missing: the kernel has no FUSE, which stands in for network storage."
    spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--fork"]
    done = subprocess.run(
        ["unshare", *spaces, "--", "mount", "-t", "tmpfs", "none", "/run"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield f"Namespaces or mounts are not allowed here: {done.stderr.strip()}"
        return
    done = subprocess.run(
        ["unshare", "--net", "ip", "link", "add", "probe", "type", "bridge"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and shutil.which("ip"):
        yield f"The kernel makes no network bridges: {done.stderr.strip()}"
    done = (
        subprocess.run(
            ["unshare", "--net", "nft", "add", "table", "inet", "probe"], capture_output=True, text=True, check=False
        )
        if shutil.which("nft")
        else done
    )
    if done.returncode and shutil.which("nft"):
        yield f"The kernel has no nftables: {done.stderr.strip()}"


def _port(environment: Environment) -> Iterator[str]:
    port = environment.portal.port
    core = find_init(environment.name, "core")
    listens = core and (Path("/proc", str(core.pid), "root/etc/tandem/listen").read_text().split()[-1:] == [str(port)])
    if not listens and not port_is_free(port):
        yield f"Port {port} on 127.0.0.1 is taken; give another one as `portal: {{port: …}}` in the environment file."


def _space(environment: Environment, state: State) -> Iterator[str]:
    if list(inits(environment.name)):
        return
    needed = _KNOWN_STATE if state.root.exists() else _NEW_STATE
    below = next(path for path in (state.root, *state.root.parents) if path.exists())
    if len(missing_packages()) > len(NEEDED) // 3:
        needed += _NEW_PACKAGES
    free = shutil.disk_usage(below).free
    if free < needed:
        yield f"{below} has {free // MIB} MiB free; the environment needs {needed // MIB} MiB."
    layout = Layout(environment)
    fixed = sum(queue.fixed_nodes for cluster in environment.clusters for queue in cluster.queues)
    memory = _BASE_MEMORY + len(layout.zones) * _ZONE_MEMORY + fixed * _NODE_MEMORY
    available = available_memory()
    if available < memory:
        yield f"{available // MIB} MiB of memory are available; the environment needs {memory // MIB} MiB."


def available_memory(file: Path = Path("/proc/meminfo")) -> int:
    """How much memory programs can still take, in bytes."""
    line = next(line for line in file.read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


def _places(environment: Environment, state: State) -> Iterator[str]:
    """Mount points live inside the zones only; what can be in the way is something mounted on our own directories."""
    if list(inits(environment.name)):
        if outside_storage(state):
            yield (
                f"{environment.name} runs with its files where an earlier release kept them. Stop it first (tandem "
                f"down): `up` then moves them to {state.storage}, which only root can enter."
            )
        return
    for old in outside_storage(state):
        place = state.storage / old.name
        if place.exists():
            yield f"{old} should be moved to {place}, but that is there as well: keep the one with your files."
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for path in mounted:
        if Path(path).is_relative_to(state.root) and Path(path) != state.root:
            yield f"{path} is a mount point; the environment keeps its files there. Unmount it first."
    if state.root.exists() and not state.root.is_dir():
        yield f"{state.root} is not a directory; the environment keeps its files there."
