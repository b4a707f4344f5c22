"""Making a zone, or a service in it, fail as on AWS: lost, cut off, hung, killed, without capacity."""

import signal
from contextlib import suppress
from dataclasses import dataclass

from tandem.environment import Environment
from tandem.local.layout import Layout, ZoneLayout
from tandem.local.names import NO_CAPACITY
from tandem.local.network import cables_up, set_cables
from tandem.local.processes import (
    CORE,
    PROC,
    Init,
    NotRunningError,
    descendants,
    find_init,
    is_stopped,
    outer_number,
    require_init,
    send_all,
)
from tandem.local.state import State
from tandem.local.supervise import Supervisor
from tandem.local.zone import start_zone, stop_place

STORAGE = "storage"


@dataclass(frozen=True)
class Condition:
    """How a zone is doing, as far as this module makes it."""

    running: bool
    connected: bool = False
    frozen: bool = False

    @property
    def word(self) -> str:
        """In one word."""
        if not self.running:
            return "down"
        if self.frozen:
            return "frozen"
        return "up" if self.connected else "cut off"


class Drill:
    """What can be done to the zones of an environment. Methods raise NotRunningError."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.layout = Layout(environment)
        self.state = State(environment.name)

    def kill(self, zone: ZoneLayout) -> None:
        """Power failure: all that is in the zone is gone in the same instant."""
        require_init(self.state.name, zone.name)
        stop_place(self.state.name, zone.name)

    def start(self, zone: ZoneLayout) -> None:
        """Power is back. Nothing happens when the zone runs."""
        require_init(self.state.name, CORE)
        if not find_init(self.state.name, zone.name):
            start_zone(self.state, zone, self.environment)

    def cut(self, zone: ZoneLayout, *, keep_storage: bool = False) -> None:
        """Pull the zone's cables: its jobs run on unseen. Its shared storage hangs, as network storage would."""
        require_init(self.state.name, zone.name)
        set_cables(require_init(self.state.name, CORE), zone, up=False)
        if not keep_storage:
            self.signal(zone.name, STORAGE, signal.SIGSTOP)

    def freeze(self, zone: ZoneLayout) -> None:
        """Stop all that is in the zone, without ending it."""
        send_all(require_init(self.state.name, zone.name).pid, signal.SIGSTOP)

    def heal(self, zone: ZoneLayout) -> None:
        """Undo a cut or a freeze, and whatever was stopped in the zone."""
        init = require_init(self.state.name, zone.name)
        send_all(init.pid, signal.SIGCONT)
        set_cables(require_init(self.state.name, CORE), zone, up=True)

    def condition(self, zone: ZoneLayout) -> Condition:
        """How the zone is doing."""
        init = find_init(self.state.name, zone.name)
        core = find_init(self.state.name, CORE)
        if init is None:
            return Condition(running=False)
        return Condition(True, core is not None and cables_up(core, zone), is_frozen(init))

    def service(self, place: str, name: str) -> int:
        """The number on this machine of a service's first process."""
        init = require_init(self.state.name, place)
        for one in Supervisor.of(init).services():
            if one.name == name and one.pid and (pid := outer_number(init, one.pid)):
                return pid
        raise NotRunningError(f"{name} does not run in {place}")

    def find(self, place: str, program: str) -> int | None:
        """The number on this machine of a process of this program that runs in a zone at this moment."""
        for pid in descendants(require_init(self.state.name, place).pid):
            with suppress(OSError):  # it ended meanwhile
                if (PROC / str(pid) / "comm").read_text().strip() == program:
                    return pid
        return None

    def signal(self, place: str, name: str, number: signal.Signals) -> int:
        """Send a signal to all processes of a service of a zone or of the core; returns its first one's number.

        One that dies is started again by the zone's init.
        """
        pid = self.service(place, name)
        send_all(pid, number)
        return pid

    def refuse_nodes(self, zone: ZoneLayout, *, refuse: bool) -> None:
        """Elastic nodes do not start for want of capacity, from now on or no longer."""
        switch = require_init(self.state.name, zone.name).root / NO_CAPACITY.relative_to("/")
        if refuse:
            switch.touch()
        else:
            switch.unlink(missing_ok=True)


def is_frozen(init: Init) -> bool:
    """Whether the init, and so all of its zone, is stopped."""
    return is_stopped(init.pid)
