"""Taking an environment down, so that what Slurm knows of its jobs is saved first."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tandem.local.drill import is_frozen
from tandem.local.processes import CORE, Init, inits
from tandem.local.progress import Progress
from tandem.local.state import State
from tandem.local.supervise import Supervisor, UnreachableError
from tandem.local.zone import stop_place

# In this order: portal nodes let go of the clusters, nothing new comes in, the controllers save their state, accounting
# takes their last words, the database closes.
_GROUPS = (
    ("worker", "web", "streams"),
    ("signer", "nodes", "follower", "sshd-"),
    ("slurmctld-",),
    ("slurmdbd",),
    ("balancer", "database"),
)


class Down:
    """One run of `tandem down`."""

    def __init__(self, state: State, progress: Progress) -> None:
        self.state = state
        self.progress = progress

    def run(self, *, purge: bool = False) -> bool:
        """Stop everything, and forget the state if asked. Returns whether anything ran."""
        places = [init.place for init in inits(self.state.name)]
        if zones := sorted(place for place in places if place != CORE):
            with self.progress.step(f"Stopping {', '.join(zones)}"):
                stop_gently(self.state.name, zones)
        if CORE in places:
            with self.progress.step("Stopping the core"):
                stop_gently(self.state.name, [CORE])
        if purge and self.state.root.exists():
            with self.progress.step(f"Removing {self.state.root}"):
                self.state.remove()
        return bool(places)


def stop_gently(environment: str, places: list[str]) -> None:
    """Stop zones, or the core, after what runs in them has saved what it knows."""
    running = [init for init in inits(environment) if init.place in places]
    with ThreadPoolExecutor() as pool:
        for group in _GROUPS:
            # All zones together: a worker may be waiting for the other zone's sshd.
            list(pool.map(partial(_stop_services, group), running))
    for init in running:
        stop_place(environment, init.place)


def _stop_services(group: tuple[str, ...], init: Init) -> None:
    """Stop some of a place's services. One that hangs is not waited for for ever, and a frozen zone not at all."""
    if is_frozen(init):
        return
    supervisor = Supervisor.of(init)
    try:
        names = [one.name for one in supervisor.services() if one.pid and one.name.startswith(group)]
        for name in names:
            supervisor.stop(name, wait=False)
        supervisor.wait_stopped(names, deadline=40)
    except UnreachableError:
        return
