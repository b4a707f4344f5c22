"""The signer: the one process that holds the key of the environment's SSH authority.

It runs under a system user of its own and answers on a local socket: one JSON line asked, one answered. It signs only
for people whom the environment lists as enabled and for the watcher, only for the portal's own service accounts, and
not faster than `RATE`. Every answer is logged. The private half of what it signs never comes near it.

    {"user": "alice", "connection": "node-1:worker:7", "public_key": "ssh-ed25519 …", "terminal": false}
    {"certificate": "ssh-ed25519-cert-v01@openssh.com …"}   or   {"error": "…"}   or, too fast,   {"busy": "…"}

Whether it is there at all is asked with PING, which it does not log; it says which authority it signs with. The
callers' side is in ask_signer.py.
"""

import asyncio
import contextlib
import grp
import json
import os
import pwd
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import structlog

from tandem.clusters.ask_signer import ASKING_TIME, LINE_LIMIT, PING, NotSigned, SignerBusy
from tandem.clusters.certificates import CONNECTION, USER_NAME, WATCH_USER, make_certificate
from tandem.clusters.people import PeopleFile
from tandem.environment import load_environment
from tandem.node import secret_file, this_node

CALLERS = ("tandem-web", "tandem-worker")
GROUP = "tandem"

log = structlog.get_logger("signer")


@dataclass(slots=True)
class Rate:
    """A bucket of `burst` signatures that refills at `per_second`."""

    per_second: float
    burst: float
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._at = self.burst, time.monotonic()

    def take(self) -> bool:
        """Is one left? Then it is gone."""
        now = time.monotonic()
        self._level = min(self.burst, self._level + (now - self._at) * self.per_second)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


def rate_for_all() -> Rate:
    """Of all people together: some five hundred connections at a start, then fifty a second."""
    return Rate(per_second=50, burst=500)


def rate_for_one() -> Rate:
    """Of one person. Connections last minutes; this is for the watcher, who tries a hung cluster at every poll."""
    return Rate(per_second=5, burst=40)


@dataclass(slots=True)
class AuthorityFile:
    """The authority's key in the file at `path`, read again whenever that has been replaced."""

    path: Path
    _version: tuple[int, int] | None = field(default=None, init=False)
    _key: asyncssh.SSHKey = field(init=False)

    def key(self) -> asyncssh.SSHKey:
        """The key that signs now. What cannot be read is not taken: the one before goes on. Raises at first."""
        try:
            about = self.path.stat()
            version = (about.st_ino, about.st_mtime_ns)
            if version != self._version:
                self._key = asyncssh.read_private_key(self.path)
                self._version = version
                log.info("authority", fingerprint=self._key.get_fingerprint())
        except (OSError, asyncssh.KeyImportError) as problem:
            if self._version is None:
                raise
            log.error("the authority's key cannot be read", why=str(problem))
        return self._key


@dataclass(slots=True)
class Signer:
    """Decides and signs; knows nothing of sockets."""

    authority: AuthorityFile
    environment: str
    addresses: Sequence[str]
    people: PeopleFile
    overall: Rate = field(default_factory=rate_for_all)
    new_rate: Callable[[], Rate] = rate_for_one
    _rates: dict[str, Rate] = field(default_factory=dict, init=False)

    def sign(self, request: object) -> str:
        """The certificate asked for, in OpenSSH's form. Raises `NotSigned` or `SignerBusy`."""
        match request:
            case {"user": str(user), "connection": str(connection), "public_key": str(public_key), **rest}:
                terminal = rest.pop("terminal", False)
            case _:
                raise NotSigned("not a request")
        if rest or not isinstance(terminal, bool):
            raise NotSigned("not a request")
        if not USER_NAME.fullmatch(user) or not CONNECTION.fullmatch(connection):
            raise NotSigned("not a name")
        self._check_person(user)
        if not self._rates.setdefault(user, self.new_rate()).take() or not self.overall.take():
            raise SignerBusy("too many certificates are being asked for; try again in a moment")
        try:
            key = asyncssh.import_public_key(public_key)
        except (asyncssh.KeyImportError, ValueError) as problem:
            raise NotSigned("not a public key") from problem
        if key.algorithm != b"ssh-ed25519":
            raise NotSigned("only ed25519 keys are signed")
        certificate = make_certificate(
            self.authority.key(),
            key,
            user=user,
            environment=self.environment,
            connection=connection,
            addresses=self.addresses,
            terminal=terminal,
        )
        return bytes(certificate.export_certificate()).decode().strip()

    def _check_person(self, user: str) -> None:
        if user == WATCH_USER:
            return
        try:
            enabled = self.people.enabled()
        except (OSError, ValueError) as problem:
            raise NotSigned(f"the people file cannot be read: {problem}") from problem
        if user not in enabled:
            raise NotSigned(f"{user} is not an enabled person of this environment")


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Process id and user id at the other end, as the kernel says."""
    pid, uid, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    return pid, uid


async def answer_one(
    signer: Signer, callers: frozenset[int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Read one request, answer it, log it, hang up."""
    pid, uid = peer_of(writer.get_extra_info("socket"))
    entry = log.bind(pid=pid, uid=uid)
    request: object = None
    try:
        if uid not in callers:
            raise NotSigned("not one of the portal's service accounts")
        async with asyncio.timeout(ASKING_TIME):
            request = json.loads(await reader.readline())
        if request == PING:
            with contextlib.suppress(OSError):
                await _reply(writer, PING | {"authority": signer.authority.key().get_fingerprint()})
            return
        certificate = signer.sign(request)
    except NotSigned as refusal:
        reply = {"error": str(refusal)}
    except SignerBusy as busy:
        reply = {"busy": str(busy)}
    except (ValueError, TimeoutError) as problem:
        reply = {"error": f"not a request: {type(problem).__name__}"}
    else:
        reply = {"certificate": certificate}
    about = {key: str(request.get(key))[:100] for key in ("user", "connection")} if isinstance(request, dict) else {}
    if "certificate" in reply:
        entry.info("signed", **about)
    else:
        entry.warning("refused", why=reply.get("error") or reply["busy"], **about)
    with contextlib.suppress(OSError):
        await _reply(writer, reply)


async def _reply(writer: asyncio.StreamWriter, reply: dict[str, Any]) -> None:
    writer.write(json.dumps(reply).encode() + b"\n")
    await writer.drain()
    writer.close()


def listen(path: Path, group: int | None) -> socket.socket:
    """The socket at `path`, which only its owner and `group` may open."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o117)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    if group is not None:
        os.chown(path, -1, group)
    return listener


async def serve(signer: Signer, listener: socket.socket, callers: Iterable[int]) -> None:
    """Answer until cancelled."""
    allowed = frozenset(callers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_one(signer, allowed, reader, writer)

    server = await asyncio.start_unix_server(answer, sock=listener, limit=LINE_LIMIT)
    async with server:
        await server.serve_forever()


async def run() -> None:
    """Serve with what this node was told, until SIGTERM."""
    node = this_node()
    if node is None:
        raise SystemExit("TANDEM_NODE is not set: the signer runs on portal nodes only")
    authority = AuthorityFile(secret_file("authority"))
    authority.key()  # without one, there is nothing to do here
    signer = Signer(
        authority=authority,
        environment=load_environment(node.environment).name,
        addresses=node.portal_addresses,
        people=PeopleFile(node.people_file),
    )
    listener = listen(node.signer_socket, grp.getgrnam(GROUP).gr_gid)
    serving = asyncio.ensure_future(serve(signer, listener, [pwd.getpwnam(name).pw_uid for name in CALLERS]))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    log.info("ready", socket=str(node.signer_socket), environment=signer.environment)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main() -> None:
    """`python -m tandem.clusters.signer`"""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ]
    )
    asyncio.run(run())


if __name__ == "__main__":
    main()
