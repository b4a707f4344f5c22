"""Asking the signer (signer.py), over its local socket: for a certificate, and whether it is there.

    python -m tandem.clusters.ask_signer SOCKET

says which authority the signer at SOCKET signs with. Needs Python alone, so that this is said at once.
"""

import asyncio
import json
import socket
import sys
from pathlib import Path

LINE_LIMIT = 8192
ASKING_TIME = 5.0  # seconds that a caller has for its one line
PING = {"ping": True}
PING_TIME = 1.0


class NotSigned(Exception):
    """The signer says no; the text says why."""


class SignerUnavailable(Exception):
    """The signer does not answer."""


class SignerBusy(SignerUnavailable):
    """The signer signs no faster. It says nothing about the person: asking again in a moment helps."""


async def ask(path: Path, *, user: str, connection: str, public_key: str, terminal: bool = False) -> str:
    """A certificate for `public_key`. Raises `NotSigned` or `SignerUnavailable`."""
    request = {"user": user, "connection": connection, "public_key": public_key, "terminal": terminal}
    try:
        async with asyncio.timeout(ASKING_TIME):
            reader, writer = await asyncio.open_unix_connection(path, limit=LINE_LIMIT)
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                reply = json.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, ValueError) as problem:  # TimeoutError is an OSError
        raise SignerUnavailable(f"the signer does not answer: {problem or type(problem).__name__}") from problem
    match reply:
        case {"certificate": str(certificate)}:
            return certificate
        case {"error": str(why)}:
            raise NotSigned(why)
        case {"busy": str(why)}:
            raise SignerBusy(why)
    raise SignerUnavailable("the signer does not speak our language")


def answers(path: Path) -> bool:
    """Whether the signer at `path` is there and not hung: without it, this node cannot enter a cluster anew."""
    return bool(_ping(path))


def signs_with(path: Path) -> str:
    """The fingerprint of the authority that the signer at `path` signs with. Raises SignerUnavailable."""
    match json.loads(_ping(path) or b"{}"):
        case {"authority": str(fingerprint)}:
            return fingerprint
    raise SignerUnavailable("the signer does not say which authority it signs with")


def _ping(path: Path) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(PING_TIME)
            wire.connect(str(path))
            wire.sendall(json.dumps(PING).encode() + b"\n")
            return wire.recv(LINE_LIMIT)
    except OSError:
        return b""


if __name__ == "__main__":
    print(signs_with(Path(sys.argv[1])))
