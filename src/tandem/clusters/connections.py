"""Open connections, one per person and cluster: made with a fresh key pair and certificate, kept for a while, shared.

A connection is given out for at most 15 minutes. What is under way on it then, such as a large download, goes on; it is
closed when that is over, or at once when the person is disabled.

Lane: what a command is for. Each has channels of its own on every connection, so that pages full of tails and transfers
never keep a dispatch waiting. Together they stay below the `MaxSessions` of payload/sshd_config.
"""

import asyncio
import socket
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import asyncssh
import structlog

from tandem.clusters.ask_signer import NotSigned, SignerUnavailable
from tandem.clusters.errors import ClusterRefused, ClusterUnreachable, HostKeyMismatch
from tandem.node import ClusterAddress

log = structlog.get_logger("door")


class Lane(StrEnum):
    """What a command is for."""

    DISPATCH = "dispatch"
    WATCH = "watch"
    PAGE = "page"
    STREAM = "stream"


CHANNELS = {Lane.DISPATCH: 40, Lane.WATCH: 10, Lane.PAGE: 40, Lane.STREAM: 100}

CONNECT_TIME = 5.0  # seconds for TCP, handshake and sign-in together
OPENING_AT_ONCE = 16  # per cluster; sshd drops connections that come faster than it can sign them in
GREATEST_AGE = 15 * 60.0
GREATEST_IDLE = 3 * 60.0
KEEPALIVE, KEEPALIVES_MISSED = 5, 2  # a peer that is silent for 10 s is gone

Sign = Callable[[str, str, str], Awaitable[str]]  # user, connection name, public key → certificate


@dataclass(slots=True, eq=False)
class Connection:
    """An open connection, whose it is, and how many use it."""

    user: str
    ssh: asyncssh.SSHClientConnection
    opened: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)
    users: int = 0
    lanes: dict[Lane, asyncio.Semaphore] = field(
        default_factory=lambda: {lane: asyncio.Semaphore(count) for lane, count in CHANNELS.items()}
    )

    @property
    def fresh(self) -> bool:
        """Young enough, and not known to be dead?"""
        return not self.ssh.is_closed() and time.monotonic() - self.opened < GREATEST_AGE


@dataclass(slots=True)
class Connections:
    """All connections of one process. Lives on the door's event loop alone."""

    addresses: Mapping[str, ClusterAddress]
    sign: Sign
    name: str
    _open: dict[tuple[str, str], Connection] = field(default_factory=dict, init=False)
    _opening: dict[tuple[str, str], asyncio.Task[Connection]] = field(default_factory=dict, init=False)
    _retired: set[Connection] = field(default_factory=set, init=False)
    _gates: defaultdict[str, asyncio.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(OPENING_AT_ONCE)), init=False
    )
    _count: int = field(default=0, init=False)

    async def get(self, user: str, cluster: str) -> tuple[Connection, bool]:
        """The person's connection, and whether it was there already. Whoever asks while it is being made shares it."""
        key = (user, cluster)
        kept = self._open.get(key)
        if kept is not None:
            if kept.fresh:
                return kept, True
            self.retire(user, cluster, kept)
        opening = self._opening.get(key)
        if opening is None:
            opening = self._opening[key] = asyncio.create_task(self._make(user, cluster))
            opening.add_done_callback(lambda task: self._made(key, task))
        try:
            return await asyncio.shield(opening), False
        except asyncio.CancelledError:
            if opening.cancelled():  # by `close_user`
                raise ClusterRefused(f"{user} may not enter {cluster} any more") from None
            raise

    def _made(self, key: tuple[str, str], task: asyncio.Task[Connection]) -> None:
        self._opening.pop(key, None)
        if not task.cancelled() and task.exception() is None:
            self._open[key] = task.result()

    async def _make(self, user: str, cluster: str) -> Connection:
        address = self.addresses.get(cluster)
        if address is None:
            raise ClusterRefused(f"this environment has no cluster {cluster}")
        try:
            async with self._gates[cluster]:
                async with asyncio.timeout(CONNECT_TIME):
                    return Connection(user, await self._connect(user, cluster, address))
        except asyncssh.HostKeyNotVerifiable as problem:
            log.error("host key mismatch", cluster=cluster, host=address.host)
            raise HostKeyMismatch(
                f"{cluster} at {address.host} shows a host key that this environment does not know"
            ) from problem
        except asyncssh.PermissionDenied as problem:
            raise ClusterRefused(f"{cluster} does not let {user} in") from problem
        except NotSigned as problem:
            raise ClusterRefused(f"no certificate for {user}: {problem}") from problem
        except SignerUnavailable as problem:
            raise ClusterUnreachable(f"{cluster} cannot be entered: {problem}") from problem
        except TimeoutError as problem:
            raise ClusterUnreachable(f"{cluster} does not answer at {address.host}") from problem
        except (asyncssh.Error, OSError) as problem:
            raise ClusterUnreachable(f"{cluster} cannot be reached at {address.host}: {problem}") from problem

    async def _connect(self, user: str, cluster: str, address: ClusterAddress) -> asyncssh.SSHClientConnection:
        self._count += 1
        wire = await _reach(address)  # first, so that a cluster that is away costs no certificates
        key = asyncssh.generate_private_key("ssh-ed25519")
        name = f"{self.name}:{cluster}:{self._count}"
        try:
            certificate = await self.sign(user, name, key.export_public_key().decode().strip())
        except BaseException:
            wire.close()
            raise
        return await asyncssh.connect(
            address.host,
            address.port,
            sock=wire,
            username=user,
            config=None,
            known_hosts=([asyncssh.import_public_key(line) for line in address.host_keys], [], []),
            client_keys=[(key, asyncssh.import_certificate(certificate))],
            preferred_auth="publickey",
            agent_path=None,
            compression_algs=None,
            keepalive_interval=KEEPALIVE,
            keepalive_count_max=KEEPALIVES_MISSED,
        )

    def retire(self, user: str, cluster: str, connection: Connection) -> None:
        """Give it to nobody any more; close it when its last user has left."""
        if self._open.get((user, cluster)) is connection:
            del self._open[user, cluster]
        if connection.users:
            self._retired.add(connection)
        else:
            connection.ssh.abort()

    def discard(self, user: str, cluster: str, connection: Connection) -> None:
        """It does not answer: cut it off, for all who use it."""
        if self._open.get((user, cluster)) is connection:
            del self._open[user, cluster]
        self._retired.discard(connection)
        connection.ssh.abort()

    def leave(self, connection: Connection) -> None:
        """One user less."""
        connection.users -= 1
        connection.used = time.monotonic()
        if not connection.users and connection in self._retired:
            self._retired.discard(connection)
            connection.ssh.abort()

    def close_user(self, user: str) -> None:
        """Cut off everything of this person, on all clusters, at once."""
        for (name, cluster), connection in list(self._open.items()):
            if name == user:
                self.discard(name, cluster, connection)
        for connection in list(self._retired):
            if connection.user == user:
                self._retired.discard(connection)
                connection.ssh.abort()
        for (name, _), opening in list(self._opening.items()):
            if name == user:
                opening.cancel()

    def users(self) -> set[str]:
        """Everybody who has a connection, open or being made."""
        retired = {connection.user for connection in self._retired}
        return {user for user, _ in (*self._open, *self._opening)} | retired

    def tidy(self) -> None:
        """Retire what is old, idle or closed."""
        now = time.monotonic()
        for (user, cluster), connection in list(self._open.items()):
            idle = not connection.users and now - connection.used > GREATEST_IDLE
            if idle or not connection.fresh:
                self.retire(user, cluster, connection)

    def close(self) -> None:
        """Cut off everything."""
        for user in self.users():
            self.close_user(user)


async def _reach(address: ClusterAddress) -> socket.socket:
    loop = asyncio.get_running_loop()
    places = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, place = places[0]
    wire = socket.socket(family, kind, protocol)
    wire.setblocking(False)
    try:
        await loop.sock_connect(wire, place)
    except BaseException:
        wire.close()
        raise
    return wire
