"""Making a zone fail as an Availability Zone can: lost, cut off, hung."""

import signal
from dataclasses import dataclass

from tandem.environment import Environment
from tandem.local.layout import Layout, ZoneLayout
from tandem.local.network import cables_up, set_cables
from tandem.local.processes import PROC, Init, find_init, require_init, send_all
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
        require_init(self.state.name, "core")
        if not find_init(self.state.name, zone.name):
            start_zone(self.state, zone, self.environment)

    def cut(self, zone: ZoneLayout, *, keep_storage: bool = False) -> None:
        """Pull the zone's cables: its jobs run on unseen. Its shared storage hangs, as network storage would."""
        init = require_init(self.state.name, zone.name)
        set_cables(require_init(self.state.name, "core"), zone, up=False)
        if not keep_storage:
            self._signal_storage(init, signal.SIGSTOP)

    def freeze(self, zone: ZoneLayout) -> None:
        """Stop all that is in the zone, without ending it."""
        send_all(require_init(self.state.name, zone.name).pid, signal.SIGSTOP)

    def heal(self, zone: ZoneLayout) -> None:
        """Undo a cut or a freeze."""
        init = require_init(self.state.name, zone.name)
        send_all(init.pid, signal.SIGCONT)
        set_cables(require_init(self.state.name, "core"), zone, up=True)

    def condition(self, zone: ZoneLayout) -> Condition:
        """How the zone is doing."""
        init = find_init(self.state.name, zone.name)
        core = find_init(self.state.name, "core")
        if init is None:
            return Condition(running=False)
        return Condition(True, core is not None and cables_up(core, zone), is_frozen(init))

    def _signal_storage(self, init: Init, number: signal.Signals) -> None:
        Supervisor.of(init).signal(STORAGE, number.name.removeprefix("SIG"))


def is_frozen(init: Init) -> bool:
    """Whether the init, and so all of its zone, is stopped."""
    try:
        return (PROC / str(init.pid) / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False
