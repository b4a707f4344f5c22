"""One strike: a fault begun, held, ended, and how long it took until all was well again; with what was to be seen."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from tandem.drills.faults import CANNOT, Fault
from tandem.drills.portal import Portal
from tandem.drills.promises import Outage
from tandem.local.balancer import node_is_up
from tandem.local.processes import CORE, find_init

RECOVERED_WITHIN = 180.0
LOOK_EVERY = 0.4
FRESH = 6.0

Say = Callable[[str], None]


@dataclass
class Watch(threading.Thread):
    """Looks at the clusters through the portal, again and again, and says what changes."""

    portal: Portal
    say: Say
    last_answers: dict[str, float] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    answers: bool = True
    # What else to look at each time.
    look: Callable[[], None] = lambda: None
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            self.look()
            found = self.portal.clusters()
            if (found is not None) != self.answers:
                self.answers = found is not None
                self.say("the portal answers again" if self.answers else "the portal does not answer")
            for one in found or []:
                before = self.states.get(one["name"])
                if one["state"] != before:
                    self.states[one["name"]] = one["state"]
                    if before:
                        self.say(f"{one['name']}: {before} → {one['state']}")
                if one["last_answer_at"]:
                    self.last_answers[one["name"]] = datetime.fromisoformat(one["last_answer_at"]).timestamp()

    def is_well(self, clusters: frozenset[str], since: float) -> bool:
        """Whether the portal answers and these clusters are UP, and have answered after `since`."""
        fresh = max(since, time.time() - FRESH)
        return self.answers and all(
            self.states.get(name) == "UP" and self.last_answers.get(name, 0.0) > fresh for name in clusters
        )

    def end(self) -> None:
        """Stop looking."""
        self._stopping.set()
        self.join()


@contextmanager
def watching(portal: Portal, say: Say) -> Iterator[Watch]:
    """A watch for as long as the block runs."""
    watch = Watch(portal, say)
    watch.start()
    try:
        yield watch
    finally:
        watch.end()


@dataclass(frozen=True)
class Struck:
    """What a strike was. `recovered_after`: from its end until all was well; None: that was not to be seen."""

    fault: str
    zone: str
    window: str
    began: float
    lasted: float
    took_effect: bool
    recovered_after: float | None
    outages: list[Outage]
    trouble: str = ""


def strike(
    fault: Fault,
    hold: float,
    watch: Watch,
    say: Say,
    *,
    stopping: Callable[[], bool],
    window: str = "",
    until: Callable[[], bool] = lambda: False,
) -> Struck:
    """Do it, hold it for so long or `until` then, end it whatever happens, and wait until all is well."""
    began = time.time()
    took_effect, trouble = False, ""
    say(f"{fault.name} in {fault.zone.name} begins" + (f", {window}" if window else ""))
    try:
        try:
            fault.begin()
            _pause(hold / 2, lambda: stopping() or until())
            fault.halfway()
            _pause(hold / 2, lambda: stopping() or until())
            took_effect = fault.took_effect()
        finally:
            fault.end()
    except CANNOT as problem:
        trouble = f"{type(problem).__name__}: {problem}"
        say(f"{fault.name} in {fault.zone.name}: {trouble}")
    ended = time.time()
    say(f"{fault.name} in {fault.zone.name} is over" + ("" if took_effect else ", without effect"))
    recovered = None
    while not stopping() and time.time() < ended + RECOVERED_WITHIN:
        if watch.is_well(fault.clusters, ended) and _portal_node_is_back(fault):
            recovered = time.time() - ended
            say(f"all is well {recovered:.1f} s after {fault.name}")
            break
        time.sleep(0.1)
    outages = fault.outages(began, ended)
    return Struck(
        fault.name,
        fault.zone.name,
        window,
        began,
        ended - began,
        took_effect,
        recovered if took_effect else None,
        outages,
        trouble,
    )


def _portal_node_is_back(fault: Fault) -> bool:
    core = find_init(fault.environment.name, CORE)
    return not fault.takes_portal_node or (core is not None and node_is_up(core, fault.zone.portal))


def _pause(seconds: float, stopping: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stopping():
        time.sleep(min(0.05, max(end - time.monotonic(), 0.0)))
