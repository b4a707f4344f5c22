"""A storm: jobs without end, and in every zone one fault after the other, drawn from a seed.

Each zone has a lane of its own: a fault begins when the zone has recovered from the one before, while other zones have
theirs. Some strikes are aimed: they wait for a job to be in one of the critical windows, and strike at once.
"""

import random
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tandem.drills.faults import FAULTS, Fault
from tandem.drills.load import Load, Wanted, draw_jobs
from tandem.drills.portal import Portal
from tandem.drills.strike import Say, Struck, Watch, strike, watching
from tandem.drills.trial import Outcome, Trial
from tandem.drills.windows import WINDOWS, Windows
from tandem.environment import Environment
from tandem.local.drill import Drill
from tandem.local.layout import ZoneLayout

AIM_FOR = 12.0
BURST, ELASTIC_BURST = 3, 6
# Of what leaves a zone's runs alive unseen, some strikes last until these are taken over elsewhere: after `take_over`
# twice, once watched from outside and once by the successor.
LONG, LONG_HOLD = ("zone-cut", "zone-freeze", "storage-hang"), (42.0, 50.0)
# What hits running work and lost answers hardest comes more often.
WEIGHTS = {"zone-loss": 3, "zone-cut": 2, "zone-freeze": 2, "controller-kill": 3, "worker-kill": 3, "reply-lost": 3}


@dataclass(frozen=True)
class Planned:
    """A strike before it happens."""

    fault: str
    window: str
    hold: float
    pause: float
    double: bool


@dataclass(frozen=True)
class Plan:
    """What a storm is to be: its seed says the rest."""

    seed: int
    jobs: int
    strikes: int
    # Jobs are submitted spread over so many seconds; no strike begins after `longest`.
    spread: float
    longest: float
    drain: float = 300.0
    faults: tuple[str, ...] = tuple(FAULTS)
    windows: tuple[str, ...] = WINDOWS
    aimed: float = 0.4
    # For so many seconds there are jobs only.
    calm: float = 0.0
    # How many of the strikes that can last for long do.
    long: float = 0.3
    # How many strikes do not care whether the other zone is there.
    double: float = 0.15
    # Instead of what each kind of fault has, and instead of all kinds of jobs.
    lasts: tuple[float, float] | None = None
    mix: tuple[Wanted, ...] = ()


def draw_strikes(rng: random.Random, plan: Plan, count: int) -> deque[Planned]:
    """So many strikes: each kind before any comes again, then as they are weighed."""
    names = list(plan.faults)
    rng.shuffle(names)
    names += rng.choices(plan.faults, [WEIGHTS.get(name, 1) for name in plan.faults], k=max(count - len(names), 0))
    found: deque[Planned] = deque()
    for name in names[:count]:
        lasts = plan.lasts or FAULTS[name].lasts
        window = rng.choice(plan.windows) if plan.windows and rng.random() < plan.aimed else ""
        hold = rng.uniform(lasts[0], lasts[1]) if lasts else 0.0
        if name in LONG and not plan.lasts and rng.random() < plan.long:
            hold = rng.uniform(*LONG_HOLD)
        found.append(Planned(name, window, hold, rng.uniform(0.0, 2.0), rng.random() < plan.double))
    return found


@dataclass
class Storm:
    """One storm over a running environment."""

    environment: Environment
    plan: Plan
    say: Say
    strikes: list[Struck] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _one_portal_stays: threading.Lock = field(default_factory=threading.Lock)
    _one_worker: threading.Lock = field(default_factory=threading.Lock)
    _one_database: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> Outcome:
        """All of it. Whatever ends it, every fault is ended too."""
        rng = random.Random(self.plan.seed)
        wanted = draw_jobs(rng, self.environment, self.plan.jobs)
        if self.plan.mix:
            wanted = rng.choices(self.plan.mix, k=self.plan.jobs)
        zones = Drill(self.environment).layout.zones
        # More than are needed: those without effect do not count.
        lanes = [draw_strikes(rng, self.plan, self.plan.strikes) for _ in zones]
        with Portal(self.environment) as portal, watching(portal, self.say) as watch:
            trial = Trial(self.environment, portal, wanted, self.say)
            watch.look = trial.look
            with ThreadPoolExecutor(max_workers=len(zones) + 1) as pool:
                try:
                    loading = pool.submit(trial.load.run, self.plan.spread, self._stopping.is_set)
                    draws = [random.Random(rng.random()) for _ in zones]
                    running = [
                        pool.submit(self._lane, zone, lane, trial, watch, draw)
                        for zone, lane, draw in zip(zones, lanes, draws, strict=True)
                    ]
                    for future in running:
                        future.result()
                    loading.result()
                except BaseException:
                    self._stopping.set()
                    raise
            watch.look = lambda: None
            trial.wait(self.plan.drain)
            outcome = trial.judge(self.strikes)
        outcome.seed = self.plan.seed
        return outcome

    def _enough(self) -> bool:
        return sum(one.took_effect for one in self.strikes) >= self.plan.strikes

    def _lane(self, zone: ZoneLayout, lane: deque[Planned], trial: Trial, watch: Watch, rng: random.Random) -> None:
        began = time.monotonic()
        windows = Windows(self.environment, trial.evidence)
        self._stopping.wait(self.plan.calm)
        while lane and not self._stopping.is_set() and not self._enough():
            if time.monotonic() - began > self.plan.longest:
                return
            planned = lane.popleft()
            fault = FAULTS[planned.fault](self.environment, zone)
            locks = [self._one_portal_stays] if fault.takes_zone and not planned.double else []
            locks += [self._one_database] if fault.everywhere else []
            locks += [self._one_worker] if fault.hits_worker else []
            for lock in locks:
                lock.acquire()
            try:
                if self._enough():
                    return
                self.strikes.append(self._strike(fault, planned, trial, windows, watch, rng))
            finally:
                for lock in locks:
                    lock.release()
            self._stopping.wait(planned.pause)

    def _strike(
        self, fault: Fault, planned: Planned, trial: Trial, windows: Windows, watch: Watch, rng: random.Random
    ) -> Struck:
        cluster = fault.zone.heads[0].cluster.name
        stopping = self._stopping.is_set
        burst = threading.Thread(target=_burst, args=(trial.load, fault, cluster), daemon=True)
        hit = ""
        burst.start()
        if planned.window and windows.wait(planned.window, cluster, AIM_FOR, stopping):
            hit = planned.window
            time.sleep(rng.uniform(0.0, 0.02))
        struck = strike(fault, planned.hold, watch, self.say, window=hit, stopping=stopping)
        burst.join()
        return struck


def _burst(load: Load, fault: Fault, cluster: str) -> None:
    """Jobs that come with the fault."""
    if fault.elastic:
        for _ in range(ELASTIC_BURST):
            load.submit(Wanted("elastic", cluster, elastic=True, seconds=1.0))
    load.burst(BURST, cluster)
