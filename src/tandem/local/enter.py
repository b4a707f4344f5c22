"""Running a command on a host of the environment: what Session Manager is on AWS."""

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.local.layout import Layout
from tandem.local.processes import PROC, Init, NotRunningError, descendants, require_init
from tandem.local.services import BOOT

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NoSuchHostError(Exception):
    """The environment has no host of that name."""


@dataclass(frozen=True)
class Host:
    """A host by name: in which zone (or the core), of which kind, and of which cluster."""

    name: str
    place: str
    kind: str
    cluster: str = "-"


def all_hosts(layout: Layout) -> dict[str, Host]:
    """All hosts. A compute node is `cluster/name`, and its bare name where no other cluster has one of that name."""
    hosts = {"core": Host("core", "core", "core")}
    bare: dict[str, list[Host]] = {}
    for zone in layout.zones:
        hosts[zone.portal] = Host(zone.portal, zone.name, "portal")
        for head in zone.heads:
            hosts[head.name] = Host(head.name, zone.name, "head", head.cluster.name)
        for head, node in zone.nodes:
            host = Host(node.name, zone.name, "node", head.cluster.name)
            hosts[f"{head.cluster.name}/{node.name}"] = host
            bare.setdefault(node.name, []).append(host)
    return hosts | {name: found[0] for name, found in bare.items() if len(found) == 1}


def find_host(layout: Layout, name: str) -> Host:
    """The host `name`. Raises NoSuchHostError with the names that there are."""
    hosts = all_hosts(layout)
    if name in hosts:
        return hosts[name]
    raise NoSuchHostError(f"no host {name!r}; there are: {', '.join(hosts)}")


def command_on(layout: Layout, host: Host, argv: Sequence[str], user: str = "root") -> list[str]:
    """The command line that runs `argv` on `host` as `user`. Raises NotRunningError."""
    init = require_init(layout.environment.name, host.place)
    home = _home(init, user)
    variables = [f"PATH={_PATH}", "LANG=C.UTF-8", f"HOME={home}", f"USER={user}", f"LOGNAME={user}", "SHELL=/bin/bash"]
    as_user = ["/usr/bin/env", "-C", home, "--", *argv]
    clean = ["/usr/bin/env", "-i", *variables]
    if host.kind in ("head", "portal"):
        switch = ["--user", user] if user != "root" else []
        boot = [BOOT, host.kind, host.name, host.cluster, *switch, "--", *as_user]
        return [*_enter(init.pid), *clean, "TERM=xterm", *boot]
    if user != "root":
        as_user = [
            "/usr/bin/setpriv",
            f"--reuid={user}",
            f"--regid={user}",
            "--init-groups",
            "--no-new-privs",
            *as_user,
        ]
    pid = init.pid if host.kind == "core" else _node_pid(init, host)
    return [*_enter(pid), *clean, "TERM=xterm", *as_user]


def portal_command(layout: Layout, zone: str, account: str, argv: Sequence[str], release: str) -> list[str]:
    """The command line that runs `argv` on a zone's portal node as one of its services would, with that release."""
    init = require_init(layout.environment.name, zone)
    variables = {
        "PATH": _PATH,
        "LANG": "C.UTF-8",
        "HOME": "/",
        "PYTHONPATH": f"/opt/tandem/releases/{release}",
        "DJANGO_SETTINGS_MODULE": "tandem.site.settings",
        "TANDEM_NODE": "/etc/tandem/node.json",
        "TANDEM_SECRETS": f"/etc/tandem/secrets/{account}",
    }
    clean = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in variables.items())]
    boot = [BOOT, "portal", layout.zone(zone).portal, "-", "--user", f"tandem-{account}", "--", *argv]
    return [*_enter(init.pid), *clean, *boot]


def _enter(pid: int) -> list[str]:
    return ["/usr/bin/nsenter", "--target", str(pid), "--all", "--"]


def _home(init: Init, user: str) -> str:
    # Not through /etc/passwd: it is a link, which would be followed on the machine.
    accounts = "etc/accounts" if init.place == "core" else "run/accounts"
    for line in (init.root / accounts / "passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == user:
            return fields[5]
    raise NoSuchHostError(f"nobody called {user!r} in {init.place}")


def _node_pid(init: Init, host: Host) -> int:
    """The first process of a compute node that is on."""
    wanted = [b"node", host.name.encode(), host.cluster.encode()]
    for pid in descendants(init.pid):
        try:
            words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
            status = (PROC / str(pid) / "status").read_text()
        except OSError:
            continue
        if words[2:5] == wanted and words[1].endswith(b"/inside/boot"):
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
            if numbers[-1] == "1":
                return pid
    raise NotRunningError(f"the node {host.name} of {host.cluster} is not on")
