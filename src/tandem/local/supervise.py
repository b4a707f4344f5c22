"""Talks with the supervisord of a zone or of the core."""

import http.client
import socket
import time
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

from tandem.local.names import SUPERVISOR_SOCKET
from tandem.local.processes import Init

_NOT_RUNNING = 70
_ALREADY_STARTED = 60


class _Connection(http.client.HTTPConnection):
    def __init__(self, file: str) -> None:
        super().__init__("localhost", timeout=240)
        self._file = file

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._file)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = file

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(self._file)


@dataclass(frozen=True)
class ServiceState:
    """One service as supervisord sees it."""

    name: str
    state: str
    pid: int
    since: int
    description: str


class UnreachableError(Exception):
    """The supervisord does not answer: it has ended, or its zone is frozen."""


class Supervisor:
    """The supervisord of one init. Every method raises UnreachableError."""

    def __init__(self, file: str) -> None:
        self._file = file

    def _call(self, method: str, *arguments: object) -> Any:
        transport = _Transport(self._file)
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(str(error)) from error
        finally:
            transport.close()

    @classmethod
    def of(cls, init: Init) -> "Supervisor":
        """As the machine reaches it: the socket is a file, and files know no network namespaces."""
        return cls(f"{init.root}{SUPERVISOR_SOCKET}")

    def services(self) -> list[ServiceState]:
        """All services."""
        return [
            ServiceState(one["name"], one["statename"], one["pid"], one["start"], one["description"])
            for one in self._call("getAllProcessInfo")
        ]

    def start(self, name: str) -> None:
        """Start one service; nothing when it runs already."""
        self._quietly(_ALREADY_STARTED, "startProcess", name, False)

    def stop(self, name: str, *, wait: bool = True) -> None:
        """Stop one service; nothing when it does not run."""
        self._quietly(_NOT_RUNNING, "stopProcess", name, wait)

    def restart(self, *names: str) -> None:
        """Stop these services together, and start them when all have stopped."""
        for name in names:
            self.stop(name, wait=False)
        # A service that is still stopping cannot be started, and stopping it again says that it does not run.
        self.wait_stopped(list(names), deadline=60)
        for name in names:
            self.start(name)

    def wait_stopped(self, names: list[str], deadline: float) -> bool:
        """Wait until none of these runs. False when one still does after the deadline."""
        end = time.monotonic() + deadline
        while any(one.pid for one in self.services() if one.name in names):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def reload(self) -> list[str]:
        """Apply a changed configuration: stop what is gone or different, start what is new. Returns their names."""
        added, changed, removed = self._call("reloadConfig")[0]
        for name in [*removed, *changed]:
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in [*changed, *added]:
            self._call("addProcessGroup", name)
        return [*added, *changed, *removed]

    def _quietly(self, harmless: int, method: str, *arguments: object) -> None:
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != harmless:
                raise
