"""The faults: each with a beginning, an end, and a look whether it took effect. One that did not does not count.

An instance is one fault in one zone: `begin` once, `end` once after it. Every method raises one of CANNOT when what it
is to break, or to mend, is not there.
"""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from tandem.drills.promises import Outage
from tandem.environment import Environment
from tandem.local.drill import STORAGE, Drill
from tandem.local.drill_answers import AnswersDrill
from tandem.local.drill_database import DatabaseDrill, DatabaseError
from tandem.local.enter import command_on, find_host
from tandem.local.health import database_answers
from tandem.local.layout import ZoneLayout
from tandem.local.network import NetworkError
from tandem.local.processes import CORE, PROC, NotRunningError, find_init, gone, is_stopped, parents, send_all
from tandem.local.progress import StepError, wait_until
from tandem.local.supervise import UnreachableError
from tandem.local.zone import StartError

GONE_WITHIN = 5.0
# Shorter than sbatch waits for an answer.
CAUGHT_WITHIN = 4.0
# What a primitive raises when what it is to break is not there, or broken already.
CANNOT = (NotRunningError, NetworkError, UnreachableError, StartError, DatabaseError, StepError, OSError)


class Fault(ABC):
    """One fault in one zone."""

    name: ClassVar[str]
    says: ClassVar[str]
    # How long it lasts, in a storm at least and at most, and as a drill; None: it is over at once.
    lasts: ClassVar[tuple[float, float, float] | None] = None
    # What it does to the payloads of the zone's clusters (`promises.Outage`).
    outage: ClassVar[str] = ""
    # Whether the zone's portal node is away with it, and has to come back; and whether it leaves one that answers.
    takes_portal_node: ClassVar[bool] = False
    takes_zone: ClassVar[bool] = False
    # Whether it is the database's, which all zones share.
    everywhere: ClassVar[bool] = False
    # Whether it is a worker's, which may be the one that works for all zones.
    hits_worker: ClassVar[bool] = False
    elastic: ClassVar[bool] = False

    def __init__(self, environment: Environment, zone: ZoneLayout) -> None:
        self.environment = environment
        self.zone = zone
        self.drill = Drill(environment)

    @abstractmethod
    def begin(self) -> None:
        """Do it."""

    @abstractmethod
    def took_effect(self) -> bool:
        """Whether something is, or was, broken by it; asked before `end`."""

    def halfway(self) -> None:  # noqa: B027 - for most, nothing
        """What happens in the middle of it."""

    def end(self) -> None:  # noqa: B027 - what is over by itself needs no end
        """Undo it."""

    @property
    def clusters(self) -> frozenset[str]:
        """The clusters of the zone, by which it is seen that all is well again."""
        return frozenset(head.cluster.name for head in self.zone.heads)

    def outages(self, began: float, ended: float) -> list[Outage]:
        """What it did to running payloads."""
        return [Outage(self.outage, self.clusters, began, ended)] if self.outage else []


class ZoneLoss(Fault):
    """Everything in the zone is gone, jobs included."""

    name = "zone-loss"
    says = "power failure: everything in the zone is gone at once, running jobs included; later it starts again"
    lasts = (4.0, 16.0, 60.0)
    outage = "lost"
    takes_portal_node = takes_zone = True

    def begin(self) -> None:
        self.drill.kill(self.zone)

    def took_effect(self) -> bool:
        return find_init(self.environment.name, self.zone.name) is None

    def end(self) -> None:
        self.drill.start(self.zone)


class ZoneCut(Fault):
    """Nothing reaches the zone; its storage hangs."""

    name = "zone-cut"
    says = "network and shared storage of the zone are cut off: its jobs run on unseen, until they need the storage"
    lasts = (3.0, 20.0, 75.0)
    outage = "hung"
    takes_portal_node = takes_zone = True
    keep_storage: ClassVar[bool] = False

    def begin(self) -> None:
        self.drill.cut(self.zone, keep_storage=self.keep_storage)

    def took_effect(self) -> bool:
        condition = self.drill.condition(self.zone)
        storage_hangs = self.keep_storage or is_stopped(self.drill.service(self.zone.name, STORAGE))
        return condition.running and not condition.connected and storage_hangs

    def end(self) -> None:
        self.drill.heal(self.zone)


class ZoneCutKeepingStorage(ZoneCut):
    """Nothing reaches the zone; it reaches its storage."""

    name = "zone-cut-keeping-storage"
    says = "the network of the zone is cut off, its shared storage is not: its jobs run on unseen"
    outage = ""
    keep_storage = True


class ZoneFreeze(Fault):
    """All processes of the zone stop, and go on."""

    name = "zone-freeze"
    says = "everything in the zone stops, and later goes on as if nothing had been"
    lasts = (3.0, 20.0, 75.0)
    outage = "frozen"
    takes_portal_node = takes_zone = True

    def begin(self) -> None:
        self.drill.freeze(self.zone)

    def took_effect(self) -> bool:
        return self.drill.condition(self.zone).frozen

    def end(self) -> None:
        self.drill.heal(self.zone)


class _Killed(Fault):
    """Services of the zone that are killed; their supervisor starts them again."""

    killed: frozenset[int] = frozenset()

    def begin(self) -> None:
        self.killed = frozenset(self.drill.signal(place, name, signal.SIGKILL) for place, name in self.services())

    def took_effect(self) -> bool:
        return bool(self.killed) and all(gone(pid, GONE_WITHIN) for pid in self.killed)

    @abstractmethod
    def services(self) -> list[tuple[str, str]]:
        """Which ones, and where."""


class _Stopped(Fault):
    """A service that hangs for a while."""

    stopped: int = 0

    def begin(self) -> None:
        self.stopped = self.drill.service(*self.service())
        send_all(self.stopped, signal.SIGSTOP)

    def took_effect(self) -> bool:
        return is_stopped(self.stopped)

    def end(self) -> None:
        if self.stopped:
            send_all(self.stopped, signal.SIGCONT)

    @abstractmethod
    def service(self) -> tuple[str, str]:
        """Which one, and where."""


class ControllerKill(_Killed):
    """slurmctld dies, and forgets what it had not yet saved."""

    name = "controller-kill"
    says = "slurmctld is killed and started again: it forgets jobs that it had acknowledged, and reuses their ids"
    outage = "forgot"

    def services(self) -> list[tuple[str, str]]:
        return [(self.zone.name, f"slurmctld-{head.cluster.name}") for head in self.zone.heads]


class ControllerHang(_Stopped):
    """slurmctld answers nobody."""

    name = "controller-hang"
    says = "slurmctld stops answering, and later carries out all that was asked of it meanwhile"
    lasts = (3.0, 14.0, 45.0)

    def service(self) -> tuple[str, str]:
        return self.zone.name, f"slurmctld-{self.zone.heads[0].cluster.name}"


class Requeue(Fault):
    """All running jobs are put back into the queue."""

    name = "requeue"
    outage = "requeued"
    says = "an administrator puts all that runs on the cluster back into the queue: only restartable jobs may obey"
    _asked: int = 0

    def begin(self) -> None:
        script = (
            "jobs=$(squeue --noheader --states=running --format=%A | sort -u);"
            ' for job in $jobs; do scontrol requeue "$job" 2>/dev/null; done; echo $jobs'
        )
        head = find_host(self.drill.layout, self.zone.heads[0].name)
        command = command_on(self.drill.layout, head, ["sh", "-c", script])
        self._asked = len(subprocess.run(command, capture_output=True, check=False).stdout.split())

    def took_effect(self) -> bool:
        return self._asked > 0


def lease_holder(drill: Drill, zone: ZoneLayout, loop: str = "dispatch") -> str:
    """The zone whose worker does this for a zone's cluster. Raises NotRunningError when none does."""
    cluster = zone.heads[0].cluster.name
    holder = DatabaseDrill(drill.layout).lease_holder(f"{loop}:{cluster}")
    for one in drill.layout.zones:
        if holder.startswith(f"{one.portal}:"):
            return one.name
    raise NotRunningError(f"no worker works for {cluster}")


class WorkerKill(_Killed):
    """The worker that works for the zone's cluster dies."""

    name = "worker-kill"
    says = "the worker that holds the cluster's lease is killed: another one takes over"
    hits_worker = True

    def services(self) -> list[tuple[str, str]]:
        return [(lease_holder(self.drill, self.zone), "worker")]


class WorkerHang(_Stopped):
    """The worker that works for the zone's cluster stops, and goes on later with what it had in hand."""

    name = "worker-hang"
    hits_worker = True
    says = (
        "the worker that holds the cluster's lease stops in the middle of it, and goes on when another has taken over"
    )
    lasts = (7.0, 14.0, 20.0)

    loop: ClassVar[str] = "dispatch"
    _before: str = ""

    def service(self) -> tuple[str, str]:
        self._before = lease_holder(self.drill, self.zone, self.loop)
        return self._before, "worker"

    def took_effect(self) -> bool:
        return super().took_effect() and lease_holder(self.drill, self.zone, self.loop) != self._before


class PortalKill(_Killed):
    """All of a portal node dies."""

    name = "portal-kill"
    says = "pages, streams and worker of the zone's portal node are killed"
    takes_portal_node = True

    def services(self) -> list[tuple[str, str]]:
        return [(self.zone.name, name) for name in ("web", "streams", "worker")]


class SignerKill(_Killed):
    """The one process that reads the authority's key dies."""

    name = "signer-kill"
    says = "the signer of the zone's portal node is killed: no new connections to the clusters from there"

    def services(self) -> list[tuple[str, str]]:
        return [(self.zone.name, "signer")]


class _Caught(Fault):
    """Strikes while an sbatch waits for Slurm, which is stopped for that: it takes some milliseconds only otherwise."""

    controller: int = 0

    def catch(self) -> int:
        """Stop Slurm until an sbatch waits for it; its number on this machine, 0 when none came."""
        self.controller = self.drill.service(self.zone.name, f"slurmctld-{self.zone.heads[0].cluster.name}")
        send_all(self.controller, signal.SIGSTOP)
        end = time.monotonic() + CAUGHT_WITHIN
        while time.monotonic() < end:
            if caught := self.drill.find(self.zone.name, "sbatch"):
                return caught
        return 0

    def go_on(self) -> None:
        """Slurm carries out what it was asked for."""
        if self.controller:
            send_all(self.controller, signal.SIGCONT)


class ReplyLost(_Caught):
    """sbatch's answer is lost."""

    name = "reply-lost"
    says = "sbatch is carried out, and its answer never arrives: what the cluster's OpenSSH server says is dropped"
    lasts = (1.5, 5.0, 8.0)
    _caught: bool = False

    def _answers(self) -> AnswersDrill:
        return AnswersDrill(self.environment.name, self.zone)

    def begin(self) -> None:
        try:
            self._caught = bool(self.catch())
            self._answers().lose()
        finally:
            self.go_on()

    def took_effect(self) -> bool:
        return self._caught and self._answers().lost() > 0

    def end(self) -> None:
        self._answers().heal()


class ConnectionKill(_Caught):
    """The connection on which sbatch was asked for breaks."""

    name = "connection-kill"
    says = "the connection to the cluster's OpenSSH server breaks while sbatch waits for Slurm, which then does it"
    lasts = (0.5, 3.0, 5.0)
    _killed: frozenset[int] = frozenset()

    def begin(self) -> None:
        if caught := self.catch():
            self._killed = frozenset(_connection_of(caught))
            for pid in self._killed:
                with suppress(ProcessLookupError):  # its parent took it along
                    os.kill(pid, signal.SIGKILL)

    def took_effect(self) -> bool:
        return bool(self._killed) and all(gone(pid, GONE_WITHIN) for pid in self._killed)

    def end(self) -> None:
        self.go_on()


def _connection_of(pid: int) -> list[int]:
    """The processes of the OpenSSH server that serve the connection below which a process runs; not its listener."""
    above, servers = parents(), []
    while pid := above.get(pid, 0):
        with suppress(OSError):
            if (PROC / str(pid) / "comm").read_text().startswith("sshd"):
                servers.append(pid)
    return servers[:-1]


class DatabaseRestart(_Killed):
    """The database server dies."""

    name = "database-restart"
    says = "MariaDB is killed and started again: every connection breaks"
    everywhere = True

    def services(self) -> list[tuple[str, str]]:
        return [(CORE, "database")]

    def end(self) -> None:
        wait_until(lambda: database_answers(self.drill.state), "the database does not answer", 60)


class DatabaseFailover(Fault):
    """The database's writer moves, as Aurora's does."""

    name = "database-failover"
    says = "the database becomes read-only, as Aurora's old writer does (error 1290); soon new connections can write"
    lasts = (3.0, 8.0, 20.0)
    everywhere = True

    def __init__(self, environment: Environment, zone: ZoneLayout) -> None:
        super().__init__(environment, zone)
        self.database = DatabaseDrill(self.drill.layout)
        self._logs: dict[Path, int] = {}

    def begin(self) -> None:
        logs = [self.drill.state.zone(zone.name) / "log/worker.out" for zone in self.drill.layout.zones]
        self._logs = {log: log.stat().st_size for log in logs if log.exists()}
        self.database.lose_writer()

    def halfway(self) -> None:
        self.database.move_writer()

    def took_effect(self) -> bool:
        return self.database.is_read_only() and any(_grew(log, size, b"1290") for log, size in self._logs.items())

    def end(self) -> None:
        self.database.heal()


class NoCapacity(Fault):
    """Elastic nodes do not start."""

    name = "no-capacity"
    says = "elastic nodes of the zone fail to start for want of capacity, as ParallelCluster reports it"
    lasts = (8.0, 20.0, 60.0)
    elastic = True
    _log: tuple[Path, int] = (Path(), 0)

    def begin(self) -> None:
        log = self.drill.state.zone(self.zone.name) / "log/nodes.out"
        self._log = log, log.stat().st_size if log.exists() else 0
        self.drill.refuse_nodes(self.zone, refuse=True)

    def took_effect(self) -> bool:
        return _grew(*self._log, b"no capacity")

    def end(self) -> None:
        self.drill.refuse_nodes(self.zone, refuse=False)


class StorageHang(_Stopped):
    """The shared storage hangs in the zone."""

    name = "storage-hang"
    says = "the shared storage hangs in the zone: whoever touches it waits"
    outage = "hung"
    lasts = (3.0, 18.0, 75.0)

    def service(self) -> tuple[str, str]:
        return self.zone.name, STORAGE


class StorageKill(_Killed):
    """The zone loses its shared storage, with all that was open there."""

    name = "storage-kill"
    says = "the zone's mount of the shared storage dies and is made anew: what was open there stays broken"

    def services(self) -> list[tuple[str, str]]:
        return [(self.zone.name, STORAGE)]


def _grew(log: Path, size: int, words: bytes) -> bool:
    """Whether a log has these words behind its first `size` bytes, or from its beginning if it was begun anew."""
    with log.open("rb") as stream:
        if log.stat().st_size >= size:
            stream.seek(size)
        return words in stream.read()


FAULTS: dict[str, type[Fault]] = {
    fault.name: fault
    for fault in (
        ZoneLoss,
        ZoneCut,
        ZoneCutKeepingStorage,
        ZoneFreeze,
        ControllerKill,
        ControllerHang,
        Requeue,
        WorkerKill,
        WorkerHang,
        ReplyLost,
        ConnectionKill,
        DatabaseRestart,
        DatabaseFailover,
        NoCapacity,
        StorageHang,
        StorageKill,
        PortalKill,
        SignerKill,
    )
}
