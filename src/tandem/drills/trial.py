"""What every drill has around its faults: jobs, evidence, and the judgement when all is over."""

import secrets
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from tandem.drills.evidence import Evidence
from tandem.drills.load import Load, Wanted
from tandem.drills.portal import OPEN, Portal
from tandem.drills.promises import WRONG, Broken, Court, Judgement, Shown, Submitted, Told
from tandem.drills.strike import Say, Struck
from tandem.environment import Environment
from tandem.local.drill_database import DatabaseDrill
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
        self._taken_back: set[str] = set()

    def look(self) -> None:
        """Look once, in the middle of things, whether a job goes on that was over."""
        submitted = set(self.load.submitted)
        found = self.portal.open_jobs(self.mark)
        if found is not None:
            self._taken_back |= found & self._over
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
        court = Court([outage for one in strikes for outage in one.outages])
        runs, history = self.evidence.runs(), self._history()
        rows = {row["id"]: row for row in self.portal.jobs(self.mark)}
        submitted = self.load.submitted
        for job in submitted.values():
            court.judge(job, self._told(job, rows.get(job.id), history.get(UUID(job.id).hex, [])), runs)
        known = {one.job for one in court.judgement.broken if one.promise == WRONG}
        for number in self._taken_back - known:
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

    def _told(self, job: Submitted, row: dict[str, Any] | None, history: list[Shown]) -> Told:
        if row is None:
            return Told("missing", "the portal does not list it", 0.0, {}, history)
        tasks = {job.tasks[0]: str(row["state"])}
        if len(job.tasks) > 1:
            tasks = {int(line["index"]): str(line["state"]) for line in self.portal.tasks(job.id)}
        since = datetime.fromisoformat(row["state_since"]).timestamp()
        return Told(row["state"], row["reason"], since, tasks, history)

    def _history(self) -> dict[str, list[Shown]]:
        """The states that each job was shown in, one after the other: what pages were told."""
        statement = (
            "SELECT job.project, job.id, JSON_VALUE(event.data, '$.state'), JSON_VALUE(event.data, '$.reason')"
            " FROM tandem.jobs_event event JOIN tandem.jobs_job job ON job.id = event.job_id"
            " WHERE event.kind = 'job.state' ORDER BY event.id"
        )
        found: dict[str, list[Shown]] = defaultdict(list)
        for line in DatabaseDrill(Layout(self.environment)).ask(statement).splitlines():
            project, number, state, reason = line.split("\t")
            if project == self.mark:
                found[UUID(number).hex].append(Shown(state, reason))
        return found
