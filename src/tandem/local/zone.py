"""Starting and stopping a zone, or the core: namespaces with one init, that runs all that is in it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tandem.environment import Environment
from tandem.local.accounts import account_files
from tandem.local.layout import CORE_ADDRESS, ZoneLayout
from tandem.local.names import PEOPLE_FILE, SERVICE_IDS
from tandem.local.network import connect_core, connect_zone
from tandem.local.processes import Init, children, find_init, identifier, kill, require_init
from tandem.local.root import Bind, RootSpec
from tandem.local.state import (
    State,
    ensure_directory,
    ensure_people_directory,
    ensure_storage,
    outside_storage,
    write_file,
)

SOURCE = Path(__file__).parents[2]
VENV = Path(sys.prefix)
ORDER = "order.json"


class StartError(Exception):
    """An init did not come up."""


@dataclass(frozen=True)
class Order:
    """What an init is told to build (`tandem.local.init`)."""

    identifier: str
    root: RootSpec
    new_namespaces: list[str]
    run_directories: dict[str, int]
    addresses: list[str]

    def line(self) -> str:
        """As JSON on one line."""
        return json.dumps(asdict(self), default=str) + "\n"

    def fingerprint(self) -> str:
        """What cannot change under a running init. The network is in it: an init's addresses are given once."""
        document = asdict(self)
        document["root"]["namespaces"] = sorted(self.root.namespaces)
        return json.dumps(document, default=str) + "\n"


_LINKS = {
    "/opt/tandem/app": "releases/current",
    "/etc/hosts": "/etc/tandem/hosts",
    "/etc/ssh/tandem_authority.pub": "/etc/tandem/authority.pub",
    "/etc/ssh/tandem_principals": "/run/accounts/principals",
    "/var/run": "/run",
    "/etc/mtab": "/proc/self/mounts",
    **{f"/etc/{name}": f"/run/accounts/{name}" for name in ("passwd", "group", "shadow", "gshadow")},
}
_FILES = {
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\ngshadow: files\nhosts: files\n"
    "services: files\nprotocols: files\nnetworks: files\nrpc: files\nethers: files\n",
    "/etc/resolv.conf": "",
    "/etc/login.defs": "UMASK 022\n",
}


def _software(state: State) -> list[Bind]:
    return [Bind(VENV, "/opt/tandem/venv"), Bind(state.releases, "/opt/tandem/releases")]


def core_order(state: State) -> Order:
    """The core's root."""
    log = ensure_directory(state.core / "log", 0o751)
    ensure_directory(log / "mysql", 0o750, SERVICE_IDS["mysql"])
    ensure_directory(state.database, 0o700, SERVICE_IDS["mysql"])
    files = account_files([])
    return Order(
        identifier=identifier(state.name, "core"),
        root=RootSpec(
            binds=[
                *_software(state),
                Bind(state.core / "etc", "/etc/tandem"),
                Bind(state.database, "/var/lib/mysql", writable=True),
                Bind(log, "/var/log", writable=True),
            ],
            links={**_LINKS, "/etc/passwd": "accounts/passwd", "/etc/group": "accounts/group"},
            files={**_FILES, "/etc/accounts/passwd": files.passwd, "/etc/accounts/group": files.group},
            directories=["/root"],
            namespaces={"machine": f"/proc/{os.getpid()}/ns/net", "core": "/proc/self/ns/net"},
        ),
        new_namespaces=[],
        run_directories={"mysqld": SERVICE_IDS["mysql"], "haproxy": 0},
        addresses=[CORE_ADDRESS],
    )


def zone_order(state: State, zone: ZoneLayout, environment: Environment) -> Order:
    """A zone's root."""
    own = state.zone(zone.name)
    log = ensure_directory(own / "log", 0o751)
    ensure_directory(log / "munge", 0o700, SERVICE_IDS["munge"])
    ensure_directory(own / "slurm", 0o755)
    shared = environment.storage.shared.path
    ensure_storage(state)
    binds = [
        *_software(state),
        Bind(own / "etc", "/etc/tandem"),
        Bind(own / "slurm", "/var/lib/slurm", writable=True),
        Bind(log, "/var/log", writable=True),
        Bind(ensure_directory(state.efs), f"/.storage{shared}", writable=True),
        Bind(ensure_people_directory(state), str(PEOPLE_FILE.parent), writable=True),
    ]
    for head in zone.heads:
        ensure_directory(own / "slurm" / head.cluster.name, 0o700, SERVICE_IDS["slurm"])
        binds.append(Bind(ensure_directory(state.scratch(head.cluster.name)), head.scratch, writable=True))
    return Order(
        identifier=identifier(state.name, zone.name),
        root=RootSpec(
            binds=binds,
            links=_LINKS,
            files=_FILES,
            directories=["/root", "/etc/slurm", "/var/spool/slurmd", shared],
            namespaces={"zone": "/proc/self/ns/net"},
            # Who could read the latter would pass by the storage's delays and losses.
            closed=["/root", "/.storage"],
        ),
        new_namespaces=["portal"],
        run_directories={
            "accounts": 0,
            "munge": SERVICE_IDS["munge"],
            "slurm": SERVICE_IDS["slurm"],
            "nodes": SERVICE_IDS["slurm"],
            "tandem": SERVICE_IDS["tandem-signer"],
            "sshd": 0,
        },
        addresses=[*zone.addresses, zone.portal_address],
    )


def _launch(state: State, order: Order, connect: Callable[[Init], None]) -> Init:
    """Start an init, give it its network, let it go on. Whatever fails or interrupts this leaves nothing of it."""
    log = (state.root / "start.log").open("a")
    command = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "--"]
    command += [sys.executable, "-m", "tandem.local.init", "-i", order.identifier]
    place = order.identifier.partition("/")[2]
    with log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(SOURCE), "LANG": "C.UTF-8"},
            cwd="/",
            # Ctrl-C in the terminal is for the command that starts it, which then decides.
            start_new_session=True,
        )
    try:
        _talk(process, order, lambda: connect(Init(state.name, place, children(process.pid)[0])))
    except BaseException:
        process.kill()
        process.wait()
        raise
    return Init(state.name, place, children(process.pid)[0])


def _talk(process: subprocess.Popen[str], order: Order, connect: Callable[[], None]) -> None:
    """The conversation that `tandem.local.init` expects."""
    if process.stdin is None or process.stdout is None:
        raise TypeError("the init needs pipes")
    process.stdin.write(order.line())
    process.stdin.flush()
    if process.stdout.readline().strip() != "ready":
        raise StartError(f"{order.identifier} did not come up")
    connect()
    process.stdin.write("go\n")
    process.stdin.close()


def start_core(state: State) -> Init:
    """Start the core."""
    order = core_order(state)
    init = _launch(state, order, lambda init: connect_core(init, state.core / "etc"))
    write_file(state.core / ORDER, order.fingerprint())
    return init


def start_zone(state: State, zone: ZoneLayout, environment: Environment) -> Init:
    """Start a zone; the core must be there. Raises StartError."""
    if outside_storage(state):
        raise StartError(f"{zone.name} was last started by an earlier release: use `tandem down`, then `tandem up`")
    core = require_init(state.name, "core")
    order = zone_order(state, zone, environment)
    own = state.zone(zone.name)
    init = _launch(state, order, lambda init: connect_zone(core, zone, init, own / "etc"))
    write_file(own / ORDER, order.fingerprint())
    return init


def is_outdated(directory: Path, order: Order) -> bool:
    """Whether the init of a place was started with another order than this."""
    kept = directory / ORDER
    return not kept.exists() or kept.read_text() != order.fingerprint()


def stop_place(environment: str, place: str) -> bool:
    """SIGKILL to an init, and with it to all in its namespaces. Returns whether there was one."""
    if init := find_init(environment, place):
        kill(init.pid)
        return True
    return False
