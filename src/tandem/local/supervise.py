"""Talks with the supervisord of a zone or of the core."""

import xmlrpc.client
from dataclasses import dataclass
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from tandem.local.names import SUPERVISOR_SOCKET
from tandem.local.processes import Init

_NOT_RUNNING = 70
_ALREADY_STARTED = 60
_BAD_NAME = 10


@dataclass(frozen=True)
class ServiceState:
    """One service as supervisord sees it."""

    name: str
    state: str
    pid: int
    since: int
    description: str


class Supervisor:
    """The supervisord of one init."""

    def __init__(self, socket: str) -> None:
        transport = SupervisorTransport(None, None, f"unix://{socket}")
        self._call: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    @classmethod
    def of(cls, init: Init) -> "Supervisor":
        """As the machine reaches it: the socket is a file, and files know no network namespaces."""
        return cls(f"{init.root}{SUPERVISOR_SOCKET}")

    def services(self) -> list[ServiceState]:
        """All services."""
        return [
            ServiceState(one["name"], one["statename"], one["pid"], one["start"], one["description"])
            for one in self._call.getAllProcessInfo()
        ]

    def start(self, name: str) -> None:
        """Start one service; nothing when it runs already."""
        self._quietly(_ALREADY_STARTED, "startProcess", name, False)

    def stop(self, name: str, *, wait: bool = True) -> None:
        """Stop one service; nothing when it does not run."""
        self._quietly(_NOT_RUNNING, "stopProcess", name, wait)

    def restart(self, name: str) -> None:
        """Stop and start one service."""
        self.stop(name)
        self.start(name)

    def signal(self, name: str, number: str) -> None:
        """Send a signal to one service."""
        self._quietly(_NOT_RUNNING, "signalProcess", name, number)

    def reload(self) -> list[str]:
        """Apply a changed configuration: stop what is gone or different, start what is new. Returns their names."""
        added, changed, removed = self._call.reloadConfig()[0]
        for name in [*removed, *changed]:
            self._call.stopProcessGroup(name)
            self._call.removeProcessGroup(name)
        for name in [*changed, *added]:
            self._call.addProcessGroup(name)
        return [*added, *changed, *removed]

    def _quietly(self, harmless: int, method: str, *arguments: object) -> None:
        try:
            getattr(self._call, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != harmless:
                raise
