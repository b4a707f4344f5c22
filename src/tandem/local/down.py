"""Taking an environment down, so that what Slurm knows of its jobs is saved first."""

import shutil
from concurrent.futures import ThreadPoolExecutor

from tandem.local.processes import Init, inits
from tandem.local.progress import Progress
from tandem.local.state import State
from tandem.local.supervise import Supervisor, UnreachableError
from tandem.local.zone import stop_place

# In this order: nothing new comes in, then the controllers save their state, then accounting takes their last words.
_DOORS = ("worker", "web", "streams", "nodes", "follower", "signer", "sshd-")
_CONTROLLERS = ("slurmctld-",)
_ACCOUNTING = ("slurmdbd",)


class Down:
    """One run of `tandem down`."""

    def __init__(self, state: State, progress: Progress) -> None:
        self.state = state
        self.progress = progress

    def run(self, *, purge: bool = False) -> bool:
        """Stop everything, and forget the state if asked. Returns whether anything ran."""
        running = list(inits(self.state.name))
        zones = [init for init in running if init.place != "core"]
        if zones:
            with self.progress.step(f"Stopping {', '.join(sorted(init.place for init in zones))}"):
                with ThreadPoolExecutor() as pool:
                    list(pool.map(_stop_gently, zones))
                for init in zones:
                    stop_place(self.state.name, init.place)
        if core := next((init for init in running if init.place == "core"), None):
            with self.progress.step("Stopping the core"):
                _stop_services(core, ("balancer",), ("database",))
                stop_place(self.state.name, "core")
        if purge and self.state.root.exists():
            with self.progress.step(f"Removing {self.state.root}"):
                shutil.rmtree(self.state.root)
        return bool(running)


def _stop_gently(zone: Init) -> None:
    _stop_services(zone, _DOORS, _CONTROLLERS, _ACCOUNTING)


def _stop_services(init: Init, *groups: tuple[str, ...]) -> None:
    """Stop services group by group. One that hangs (the zone may be frozen or cut off) is not waited for for ever."""
    supervisor = Supervisor.of(init)
    try:
        for group in groups:
            names = [one.name for one in supervisor.services() if one.pid and one.name.startswith(group)]
            for name in names:
                supervisor.stop(name, wait=False)
            supervisor.wait_stopped(names, deadline=40)
    except UnreachableError:
        return
