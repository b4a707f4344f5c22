"""What runs in a zone and in the core, as supervisord's configuration."""

from dataclasses import dataclass, field

from tandem.environment import Environment
from tandem.local.layout import (
    ACCOUNTING_PORT,
    CORE_ADDRESS,
    DATABASE_PORT,
    STREAMS_PORT,
    WEB_PORT,
    HeadHost,
    NodeHost,
    ZoneLayout,
)
from tandem.local.names import PYTHON, SUPERVISOR_SOCKET, node_service

BOOT = "/opt/tandem/app/tandem/local/inside/boot"
MIGRATED = "path:/opt/tandem/releases/current/.migrated"
_DATABASE = f"tcp:{CORE_ADDRESS}:{DATABASE_PORT}"

_SUPERVISORD = f"""\
[supervisord]
nodaemon=true
user=root
logfile=/var/log/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile=/run/supervisord.pid
childlogdir=/var/log
minfds=1024

[unix_http_server]
file={SUPERVISOR_SOCKET}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


@dataclass(frozen=True)
class Service:
    """One program under supervisord."""

    name: str
    program: list[str]
    boot: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    starts_itself: bool = True
    stop_signal: str = "TERM"
    stop_wait: int = 10

    def section(self) -> str:
        """Its section of supervisord's configuration."""
        # supervisord expands %(…)s in values and splits commands like a shell.
        command = " ".join(_quoted(word) for word in [*self.boot, *self.program]).replace("%", "%%")
        variables = ",".join(f'{name}="{value}"' for name, value in self.environment.items())
        lines = [
            f"[program:{self.name}]",
            f"command={command}",
            f"environment={variables}",
            f"autostart={str(self.starts_itself).lower()}",
            "autorestart=true",
            "umask=022",
            "startretries=1000000",
            "startsecs=1",
            f"stopsignal={self.stop_signal}",
            f"stopwaitsecs={self.stop_wait}",
            "stopasgroup=false",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile=/var/log/{self.name}.out",
            "stdout_logfile_maxbytes=5MB",
            "stdout_logfile_backups=1",
        ]
        return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    return word if word.replace("-", "").replace("/", "").replace(".", "").isalnum() else f'"{word}"'


def supervisord_conf(services: list[Service]) -> str:
    """The whole configuration file."""
    return "\n".join([_SUPERVISORD, *(service.section() for service in services)])


def zone_services(zone: ZoneLayout, environment: Environment) -> list[Service]:
    """All programs of a zone."""
    storage = environment.storage.shared.path
    services = [
        Service(
            "storage",
            # Attributes are cached for as long as NFS caches those of a file that keeps changing. What a killed one
            # left mounted answers nobody, and has to go first.
            ["/bin/sh", "-c", _STORAGE, "storage", _STORAGE_OPTIONS, f"/.storage{storage}", storage],
            stop_signal="KILL",
        ),
        Service(
            "munged",
            ["/usr/bin/setpriv", "--reuid", "munge", "--regid", "munge", "--clear-groups", *_MUNGED],
        ),
        Service(
            "slurmdbd",
            ["/usr/sbin/slurmdbd", "-D"],
            _boot("head", f"accounting-{zone.name}", "_accounting", _DATABASE, _MUNGE, user="slurm"),
        ),
        Service("follower", [PYTHON, "-m", "tandem.local.follower"], environment={"PYTHONPATH": "/opt/tandem/app"}),
        Service("nodes", [PYTHON, "-m", "tandem.local.nodes"], environment={"PYTHONPATH": "/opt/tandem/app"}),
    ]
    for head in zone.heads:
        services += _cluster_services(zone, head, storage)
    return services + portal_services(zone)


_STORAGE = "umount -l $3 2>/dev/null; exec /usr/bin/bindfs -f -o $1 $2 $3"
_STORAGE_OPTIONS = "attr_timeout=3,entry_timeout=3,negative_timeout=0,nosuid,nodev"
_MUNGED = [
    "/usr/sbin/munged",
    "--foreground",
    "--key-file=/etc/tandem/munge/munge.key",
    "--log-file=/var/log/munge/munged.log",
    "--seed-file=/var/log/munge/munged.seed",
    "--num-threads=4",
]
_MUNGE = "path:/run/munge/munge.socket.2"


def _boot(role: str, host: str, cluster: str, *waits: str, **options: str) -> list[str]:
    """The beginning of a command that runs on one of the zone's hosts."""
    words = [BOOT, role, host, cluster]
    for what in waits:
        words += ["--wait", what]
    for option, value in options.items():
        words += [f"--{option}", value]
    return [*words, "--"]


def _cluster_services(zone: ZoneLayout, head: HeadHost, storage: str) -> list[Service]:
    cluster = head.cluster.name
    accounting = f"tcp:{zone.address}:{ACCOUNTING_PORT}"
    services = [
        Service(
            f"slurmctld-{cluster}",
            ["/usr/sbin/slurmctld", "-D"],
            _boot("head", head.name, cluster, _MUNGE, accounting, user="slurm"),
            stop_wait=30,
        ),
        Service(
            f"sshd-{cluster}",
            ["/usr/sbin/sshd", "-D", "-e", "-f", f"/etc/tandem/ssh/{cluster}/sshd_config"],
            _boot("head", head.name, cluster, f"mount:{storage}"),
        ),
    ]
    waits = (_MUNGE, f"mount:{storage}")
    services += [
        Service(
            node_service(cluster, node.name),
            ["/usr/sbin/slurmd", "-D", "-b", "-N", node.name],
            _boot("node", node.name, cluster, *waits, address=node.address, kind=_kind(node)),
            starts_itself=not node.elastic,
            # Power off: whatever runs on a node ends with it.
            stop_signal="KILL",
        )
        for node in head.nodes
    ]
    return services


def _kind(node: NodeHost) -> str:
    return "elastic" if node.elastic else "fixed"


def portal_services(zone: ZoneLayout) -> list[Service]:
    """The portal node's programs; the others need its signer."""

    def service(name: str, account: str, *command: str, waits: tuple[str, ...] = (_DATABASE, MIGRATED)) -> Service:
        return Service(
            name,
            [PYTHON, "-m", *command],
            _boot("portal", zone.portal, "-", *waits, user=f"tandem-{account}"),
            {
                "PYTHONPATH": "/opt/tandem/app",
                "DJANGO_SETTINGS_MODULE": "tandem.site.settings",
                "TANDEM_NODE": "/etc/tandem/node.json",
                "TANDEM_SECRETS": f"/etc/tandem/secrets/{account}",
            },
        )

    address = zone.portal_address
    return [
        service("signer", "signer", "tandem.clusters.signer", waits=()),
        service(
            "web",
            "web",
            *["gunicorn", "tandem.site.wsgi:application", "--bind", f"{address}:{WEB_PORT}"],
            # Loaded once for both workers: half the time and the memory.
            *["--preload", "--workers", "2", "--threads", "8", "--no-control-socket"],
        ),
        service(
            "streams",
            "web",
            *["uvicorn", "tandem.site.asgi:application", "--host", address, "--port", str(STREAMS_PORT)],
            *["--proxy-headers", "--forwarded-allow-ips", CORE_ADDRESS],
        ),
        service("worker", "worker", "tandem.operations.worker"),
    ]


def core_services() -> list[Service]:
    """All programs of the core."""
    return [
        Service("database", ["/usr/sbin/mariadbd", "--defaults-file=/etc/tandem/my.cnf"], stop_wait=60),
        Service(
            "balancer",
            [
                # The one listener on the machine: made in its network, used in the core's.
                *["/usr/bin/nsenter", "--net=/run/netns/machine", PYTHON, "-m", "tandem.local.listener"],
                *["/etc/tandem/listen", "--", "/usr/bin/nsenter", "--net=/run/netns/core"],
                *["/usr/sbin/haproxy", "-db", "-f", "/etc/tandem/haproxy.cfg"],
            ],
            environment={"PYTHONPATH": "/opt/tandem/app"},
        ),
    ]
