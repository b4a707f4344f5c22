"""What every drill has around its faults: jobs, evidence, and the judgement when all is over."""

import secrets
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tandem.drills.evidence import Evidence
from tandem.drills.load import Load, Wanted
from tandem.drills.portal import OPEN, Portal
from tandem.drills.promises import FINAL, WRONG, Broken, Court, Judgement, Told
from tandem.drills.strike import Say, Struck
from tandem.environment import Environment
from tandem.local.enter import command_on, find_host
from tandem.local.layout import Layout
from tandem.local.processes import NotRunningError


@dataclass
class Outcome:
    """What a drill showed."""

    jobs: int
    tasks: int
    kinds: dict[str, int]
    strikes: list[Struck]
    judgement: Judgement
    seconds: float
    longest_wait: float
    seed: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def effective(self) -> list[Struck]:
        """The strikes that count."""
        return [one for one in self.strikes if one.took_effect]

    @property
    def held(self) -> bool:
        """Whether all promises held."""
        return not self.judgement.broken


class Trial:
    """One drill's jobs and their evidence."""

    def __init__(self, environment: Environment, portal: Portal, wanted: Sequence[Wanted], say: Say) -> None:
        self.environment = environment
        self.portal = portal
        self.say = say
        self.mark = f"drill-{secrets.token_hex(4)}"
        self.evidence = Evidence(environment, self.mark)
        self.evidence.prepare()
        self.load = Load(portal, environment, self.evidence, list(wanted))
        self.began = time.monotonic()
        self._over: set[str] = set()
        self._taken_back: list[str] = []

    def look(self) -> None:
        """Look once, in the middle of things, whether a job goes on that was over."""
        submitted = set(self.load.submitted)
        found = self.portal.open_jobs(self.mark)
        if found is not None:
            self._taken_back += found & self._over
            self._over = (self._over | submitted) - found

    def wait(self, deadline: float) -> None:
        """Wait until the portal calls all jobs final, and until Slurm has nothing left that could still start."""
        end, before = time.monotonic() + deadline, -1
        while time.monotonic() < end:
            self.look()
            left = sum(1 for _ in self.portal.jobs(self.mark, OPEN))
            if left != before:
                self.say(f"{left} jobs are not over")
                before = left
            if not left and not self._queued():
                return
            time.sleep(1)
        self.say("not all jobs are over: they count as lost")

    def _queued(self) -> int:
        """How many jobs wait or run in Slurm."""
        layout = Layout(self.environment)
        count = 0
        for head in layout.heads:
            squeue = ["squeue", "--noheader", "--format=%i"]
            try:
                command = command_on(layout, find_host(layout, head.name), squeue)
                done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            except (NotRunningError, subprocess.TimeoutExpired):
                return 1
            count += len(done.stdout.split()) if done.returncode == 0 else 1
        return count

    def judge(self, strikes: list[Struck]) -> Outcome:
        """Compare the evidence with what the portal says."""
        failover = self.environment.failover
        court = Court([outage for one in strikes for outage in one.outages], failover.kill_time)
        runs = self.evidence.runs()
        told = {row["id"]: row for row in self.portal.jobs(self.mark)}
        submitted = self.load.submitted
        for job in submitted.values():
            row = told.get(job.id) or {"state": "missing", "reason": "the portal does not list it", "state_since": None}
            tasks = {row["state"]: 1}
            if len(job.tasks) > 1 and row["state"] in FINAL:
                tasks = self.portal.job(job.id)["tasks"]
            since = datetime.fromisoformat(row["state_since"]).timestamp() if row["state_since"] else 0.0
            court.judge(job, Told(row["state"], row["reason"], since, tasks), runs)
        for number in self._taken_back:
            court.judgement.broken.append(Broken(WRONG, number, None, "was called over, and later not"))
        return Outcome(
            jobs=len(submitted),
            tasks=sum(len(job.tasks) for job in submitted.values()),
            kinds=self.load.kinds,
            strikes=strikes,
            judgement=court.judgement,
            seconds=time.monotonic() - self.began,
            longest_wait=self.portal.longest_wait,
        )
