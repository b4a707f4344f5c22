"""A cluster and its zone, in memory: a scheduler that forgets, requeues and hands ids out again; what runs there."""

import copy
import itertools
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.jobs.protocol.model.wrapper import Run, Values, values_of

from tandem.clusters.errors import AnswerLost, ClusterRefused, ClusterUnreachable, DoorError, SubmissionRefused
from tandem.clusters.request import BatchJob, Outcome
from tandem.clusters.scheduler import Cancel, ClusterPicture, Ending, Node, Phase, Queue, SchedulerJob
from tandem.clusters.slurm_submit import sbatch_options
from tandem.jobs.submission import array_indices

if TYPE_CHECKING:
    from tests.jobs.protocol.model.world import World

REMEMBERED = timedelta(seconds=300)  # as Slurm's MinJobAge
OWNER_UID, ROOT_UID = 2001, 0
STARTED = (Phase.RUNNING, Phase.SUSPENDED)
TIME_LIMIT = "it reached its time limit"
STUCK = "launch failed requeued held"


@dataclass
class Part:
    """What the scheduler starts: a job without array, or one task of an array."""

    phase: Phase = Phase.WAITING
    run: Run | None = None
    ending_wanted: Ending | None = None
    ending: Ending | None = None
    code: int | None = None
    signal: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_stuck: bool = False  # the scheduler could not launch it, and holds it by itself

    @property
    def waits(self) -> bool:
        return self.phase is Phase.WAITING and not self.is_stuck


@dataclass
class Entry:
    """One job of the scheduler."""

    number: int
    user: str
    values: Values
    may_requeue: bool
    is_array: bool
    parts: dict[int, Part]
    submitted_at: datetime
    came_late: bool
    is_revived: bool = False
    held: bool = False
    cancelled_by: frozenset[Cancel] = frozenset()

    @property
    def is_live(self) -> bool:
        return any(part.phase is not Phase.ENDED for part in self.parts.values())

    def records(self) -> list[SchedulerJob]:
        waiting = [part for part in self.parts.values() if part.waits]
        shown = [(task, part) for task, part in self.parts.items() if not part.waits]
        found = [self.record(task if self.is_array else None, part) for task, part in shown]
        return found + [self.record(None, part) for part in waiting[:1]]

    def record(self, task: int | None, part: Part) -> SchedulerJob:
        if part.phase is Phase.ENDED:
            state = (part.ending or Ending.LOST_NODE).name
        else:
            state = {Phase.WAITING: "PENDING", Phase.RUNNING: "RUNNING", Phase.SUSPENDED: "SUSPENDED"}[part.phase]
        return SchedulerJob(
            scheduler_id=str(self.number),
            raw_id=str(self.number) if task is None else f"{self.number}.{task}",
            user=self.user,
            name="job",
            placement=self.values.placement,
            phase=part.phase,
            ending=part.ending,
            state=state,
            reason=STUCK if part.is_stuck else "JobHeldUser" if self.held else "Priority",
            queue="compute",
            task=task,
            exit_code=part.code,
            signal=part.signal,
            submitted_at=self.submitted_at,
            started_at=part.started_at,
            ended_at=part.ended_at,
        )


@dataclass(eq=False)
class FakeCluster:
    """One cluster and the zone that it is in. Faults are flags that the world sets."""

    name: str
    world: "World"
    entries: dict[int, Entry] = field(default_factory=dict)
    next_number: int = 1
    runs: list[Run] = field(default_factory=list)
    history: dict[tuple[int, str, int | None], SchedulerJob] = field(default_factory=dict)
    cut: bool = False
    lost: bool = False
    frozen: bool = False
    scheduler_down: bool = False
    scheduler_hangs: bool = False
    history_down: bool = False
    storage_hangs: bool = False
    storage_lost: bool = False
    no_capacity: bool = False
    slow_kill: bool = False
    busy: bool = False
    reads_late: bool = False
    payloads_ignore_term: bool = False
    refuses: str = ""  # "no": the next submission is refused; "no, but": and taken all the same
    fails: list[str] = field(default_factory=list)  # how the next requests fail
    late_writes: list[tuple[str, str, str]] = field(default_factory=list)
    _saved: tuple[dict[int, Entry], int] = field(default_factory=lambda: ({}, 1))
    _nonces: Any = field(default_factory=lambda: itertools.count(1))

    # What runs notice of it

    @property
    def files(self) -> Any:
        return self.world.files

    def now(self) -> float:
        return self.world.seconds

    @property
    def today(self) -> datetime:
        return self.world.now()

    # The scheduler, as Tandem uses it

    def picture(self, ended_since: datetime | None = None, deadline: float = 0.0) -> ClusterPicture:
        return self.request("picture", lambda: self._picture(ended_since))

    def _picture(self, ended_since: datetime | None) -> ClusterPicture:
        self._expect_scheduler()
        records = [record for entry in self.entries.values() for record in entry.records()]
        live = {record.raw_id: record for record in records if record.phase is not Phase.ENDED}
        recent = [one for one in records if one.phase is Phase.ENDED and self._is_recent(one)]
        asked = ended_since is not None and not self.history_down
        known = {(one.raw_id, one.placement): one for one in [*(self.history.values() if asked else ()), *recent]}
        ended = [one for one in known.values() if one.raw_id not in live or live[one.raw_id].placement != one.placement]
        shortage = "InsufficientInstanceCapacity" if self.no_capacity else ""
        return ClusterPicture(
            jobs=tuple(live.values()),
            ended=tuple(ended),
            queues=(Queue("compute", True, True, None, 2, 4, 8192),),
            nodes=(Node("n1", "idle", "", ("compute",), 8, 0, 8192, 0, None, shortage),),
            ended_since=ended_since if asked else None,
            drained=not self.busy,
        )

    def _is_recent(self, record: SchedulerJob) -> bool:
        return record.ended_at is not None and self.today - record.ended_at < REMEMBERED

    def look_up(
        self, user: str, placement: uuid.UUID, since: datetime | None = None, as_user: str | None = None
    ) -> list[SchedulerJob]:
        return self.request("look_up", lambda: self._look_up(user, placement))

    def _look_up(self, user: str, placement: uuid.UUID) -> list[SchedulerJob]:
        self._expect_scheduler()
        records = [record for entry in self.entries.values() for record in entry.records()]
        if not self.history_down:
            records += self.history.values()
        known = {one.raw_id: one for one in reversed(records) if (one.user, one.placement) == (user, str(placement))}
        if not known and self.history_down:
            raise ClusterUnreachable("the accounting database does not answer")
        return list(known.values())

    def submit(self, user: str, jobs: Sequence[BatchJob]) -> list[Outcome]:
        """Several in one round trip, each with an outcome of its own; what gets lost is lost for all of them."""
        sent = self.now()
        try:
            return self.request("submit", lambda: [self._outcome(user, job, sent) for job in jobs])
        except DoorError as problem:
            return [problem] * len(jobs)

    def _outcome(self, user: str, job: BatchJob, sent: float) -> Outcome:
        try:
            return self._submit(user, job, sent)
        except DoorError as problem:
            return problem

    def _submit(self, user: str, job: BatchJob, sent: float) -> str:
        if self.storage_lost or self.storage_hangs:
            raise ClusterRefused("the spooler could not be made")
        self.files.make_directory(job.control)
        self._expect_scheduler()
        refusal, self.refuses = self.refuses, ""
        if refusal == "no":
            self.world.ledger.refused(job.control)
            raise SubmissionRefused("no such account")
        number, self.next_number = self.next_number, self.next_number + 1
        entry = Entry(
            number,
            user,
            values_of(job.script),
            "--requeue" in sbatch_options(job.request),
            bool(job.request.array),
            {index: Part() for index in array_indices(job.request.array)},
            self.today,
            came_late=self.now() > sent,
        )
        self.world.ledger.placed(self, entry)
        self.entries[number] = entry
        if refusal:
            raise SubmissionRefused("it says no, and has it")
        return str(number)

    def cancel(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        self.request("cancel", lambda: self._cancel(str(placement), by_tandem=True))

    def _cancel(self, placement: str, *, by_tandem: bool) -> None:
        self._expect_scheduler()
        for entry in self.entries.values():
            if entry.values.placement == placement and entry.is_live:
                entry.cancelled_by |= {Cancel(OWNER_UID)}
                for part in entry.parts.values():
                    if by_tandem and part.run and part.run.active:
                        self.world.ledger.killed_by_tandem(part.run)
                    self._end(entry, part, Ending.CANCELLED, "cancelled")

    def cancel_waiting(self, user: str, placement: uuid.UUID, tasks: Collection[int] = ()) -> None:
        self.request("cancel", lambda: self._cancel_waiting(str(placement), tasks))

    def _cancel_waiting(self, placement: str, tasks: Collection[int]) -> None:
        self._expect_scheduler()
        for entry in self.entries.values():
            for task, part in entry.parts.items() if entry.values.placement == placement else ():
                if part.phase is Phase.WAITING and (part.is_stuck and task in tasks if tasks else True):
                    entry.cancelled_by |= {Cancel(OWNER_UID, str(task) if entry.is_array else "")}
                    self._end(entry, part, Ending.CANCELLED, "cancelled")

    def cancelled_by(self, user: str, placements: Mapping[uuid.UUID, str]) -> dict[uuid.UUID, frozenset[Cancel]]:
        return self.request("cancelled_by", lambda: {pk: self._cancelled_by(str(pk)) for pk in placements})

    def _cancelled_by(self, placement: str) -> frozenset[Cancel]:
        if self.history_down:
            raise ClusterUnreachable("the accounting database does not answer")
        mine = [entry for entry in self.entries.values() if entry.values.placement == placement]
        return frozenset(one for entry in mine for one in entry.cancelled_by)

    def hold(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        self.request("hold", lambda: self._hold(str(placement), True))

    def release(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        self.request("release", lambda: self._hold(str(placement), False))

    def _hold(self, placement: str, held: bool) -> None:
        for entry in self._waiting_of(placement):
            entry.held = held
            for part in entry.parts.values():
                part.is_stuck &= held

    def _waiting_of(self, placement: str) -> list[Entry]:
        self._expect_scheduler()
        mine = [entry for entry in self.entries.values() if entry.values.placement == placement and entry.is_live]
        if not mine:
            raise ClusterRefused(f"{self.name} has no such job that could be acted on")
        return mine

    def requeue(
        self, user: str, placement: uuid.UUID, owner: str | None = None, *, until: datetime | None = None
    ) -> None:
        self.request("requeue", lambda: [self.put_back(entry, until) for entry in self._waiting_of(str(placement))])

    def request(self, what: str, act: Any) -> Any:
        """One request over the network. It may get lost, or its answer; or be carried out when nobody waits for it."""
        self.world.pause(f"{what} is on its way to {self.name}")
        if self.cut or self.lost or self.frozen:
            raise ClusterUnreachable(f"{self.name} does not answer")
        how = self.fails.pop(0) if self.fails else ""
        if how == "late":
            self.world.late.append((self, act))
        if how in ("late", "request lost"):
            raise AnswerLost(f"{self.name} did not answer in time")
        found = act()
        self.world.pause(f"the answer to {what} is on its way from {self.name}")
        if how == "answer lost" or self.cut or self.lost:
            raise AnswerLost(f"{self.name} did not answer")
        return found

    def _expect_scheduler(self) -> None:
        if self.scheduler_down or self.lost:
            raise ClusterUnreachable("Unable to contact slurm controller (connect failure)")
        if self.scheduler_hangs:
            raise AnswerLost("Slurm did not answer in time")

    # What the scheduler does

    @property
    def works(self) -> bool:
        return not (self.lost or self.frozen or self.scheduler_down or self.scheduler_hangs)

    def start_waiting(self, most: int = 1) -> list[Run]:
        """Starts what has waited longest."""
        started: list[Run] = []
        if not self.works or self.no_capacity:
            return started
        for entry in list(self.entries.values()):
            for task, part in entry.parts.items():
                if part.waits and not entry.held and len(started) < most:
                    nonce = f"{next(self._nonces):08x}-{self.name[-1]:0>4}"
                    part.run = Run(self, entry.values, str(entry.number), task, nonce)
                    part.run.ignores_term = self.payloads_ignore_term
                    part.phase, part.started_at = Phase.RUNNING, self.today
                    self.runs.append(part.run)
                    started.append(part.run)
        return started

    def part_of(self, run: Run) -> tuple[Entry, Part] | None:
        for entry in self.entries.values():
            for part in entry.parts.values():
                if part.run is run:
                    return entry, part
        return None

    def payload_starts(self, run: Run) -> None:
        self.world.ledger.started(run)

    def run_ended(self, run: Run) -> None:
        """Told by the run itself. A scheduler that is away hears of it when it is back (`reconcile`)."""
        if run.writing_since is not None and self.storage_hangs:
            name = f"hb.{run.task}.{run.attempt}"
            self.late_writes.append((run.values.control, name, f"{run.nonce} {run.count + 1:09}"))
        if run in self.runs:
            self.runs.remove(run)
            self.world.ledger.left(run)
        if not self.scheduler_down:
            self._note_end(run)

    def _note_end(self, run: Run) -> None:
        found = self.part_of(run)
        if found is None or found[1].phase is Phase.ENDED:
            return
        entry, part = found
        if run.code is None:
            self._over(entry, part, part.ending_wanted or Ending.LOST_NODE)
            return
        part.code = run.code
        how = Ending.COMPLETED if run.code == 0 else Ending.FAILED
        self._over(entry, part, part.ending_wanted or how)

    def _over(self, entry: Entry, part: Part, ending: Ending) -> None:
        part.phase, part.ending, part.ended_at = Phase.ENDED, ending, self.today
        task = next(number for number, one in entry.parts.items() if one is part)
        record = entry.record(task if entry.is_array else None, part)
        self.history[entry.number, entry.values.placement, record.task] = record

    def _end(self, entry: Entry, part: Part, ending: Ending, why: str) -> None:
        """Ends one part: what waits at once, what runs by its signal."""
        if part.phase is Phase.ENDED:
            return
        part.ending_wanted = ending
        if part.run is not None and part.run.alive:
            part.run.terminate(why)
        elif part.phase is not Phase.ENDED:
            self._over(entry, part, ending)

    def put_back(self, entry: Entry, until: datetime | None = None) -> None:
        """`scontrol requeue`: refused for jobs that must not be."""
        for part in entry.parts.values():
            is_meant = until is None or (part.started_at is not None and part.started_at <= until)
            if entry.may_requeue and part.phase in STARTED and is_meant:
                if part.run is not None and part.run.active and not entry.values.is_restartable:
                    self.world.ledger.requeued(part.run)
                self._free(part, "requeued")

    def _free(self, part: Part, why: str) -> None:
        run, part.run = part.run, None
        part.phase, part.started_at, part.code = Phase.WAITING, None, None
        if run is not None:
            run.terminate(why)

    def suspend(self, run: Run) -> None:
        """Stopped where it is, until `resume`."""
        found = self.part_of(run)
        if found is not None and self.works and found[1].phase is Phase.RUNNING:
            found[1].phase, run.is_suspended = Phase.SUSPENDED, True

    def resume(self) -> None:
        """All that is stopped goes on: what may have been taken over ends itself at its first breath."""
        for entry in self.entries.values():
            for part in entry.parts.values():
                if part.phase is Phase.SUSPENDED:
                    part.phase = Phase.RUNNING
        for run in list(self.runs):
            if run.is_suspended:
                run.is_suspended = False
                run.pass_time()

    def cancel_by_itself(self, entry: Entry) -> None:
        """Nobody wished it: the scheduler ended what waits, as root."""
        waiting = [task for task, part in entry.parts.items() if part.phase is Phase.WAITING]
        entry.cancelled_by |= {Cancel(ROOT_UID, ",".join(map(str, waiting)) if entry.is_array else "")}
        for task in waiting:
            self._end(entry, entry.parts[task], Ending.CANCELLED, "cancelled by root")

    def cancel_task(self, entry: Entry, task: int, *, by_root: bool = False) -> None:
        """`scancel` of one task that waits, by its owner unless the scheduler did it by itself."""
        if entry.parts[task].phase is Phase.WAITING:
            entry.cancelled_by |= {Cancel(ROOT_UID if by_root else OWNER_UID, str(task))}
            self._end(entry, entry.parts[task], Ending.CANCELLED, "cancelled alone")

    def reach_limit(self, run: Run) -> None:
        """Its time is over."""
        found = self.part_of(run)
        if found is not None and self.works:
            self._end(*found, Ending.TIMEOUT, TIME_LIMIT)

    def node_fails(self, run: Run, *, lives_on: bool) -> None:
        """The scheduler loses sight of a node. What ran there may go on, cut off from the scheduler alone."""
        found = self.part_of(run)
        if found is not None and self.works:
            entry, part = found
            part.run = None
            if entry.may_requeue:
                part.phase, part.started_at = Phase.WAITING, None
            else:
                self._over(entry, part, Ending.LOST_NODE)
        if not lives_on:
            run.why = "its node failed"
            run.die(None)

    def save(self) -> None:
        if self.works:
            self._saved = self._copied()

    def _copied(self) -> tuple[dict[int, Entry], int]:
        entries = {
            number: replace(entry, parts={task: copy.copy(part) for task, part in entry.parts.items()})
            for number, entry in self.entries.items()
        }
        return entries, self.next_number

    def kill_scheduler(self) -> None:
        """`kill -9` of slurmctld: what it acknowledged since it last saved is forgotten, and its ids come again."""
        self.scheduler_down = True
        self.entries, self.next_number = self._saved
        self._saved = self._copied()
        for entry in self.entries.values():
            entry.is_revived = True

    def start_scheduler(self) -> None:
        """It learns from the nodes what ended meanwhile."""
        self.scheduler_down = self.scheduler_hangs = False
        for entry in self.entries.values():
            for part in entry.parts.values():
                if part.phase in STARTED and part.run is not None and not part.run.alive:
                    self._note_end(part.run)

    @property
    def orphans(self) -> list[Run]:
        """Runs that the scheduler does not know (any more)."""
        return [run for run in self.runs if self.part_of(run) is None]

    def end_orphans(self) -> None:
        """A node tells the scheduler what it runs, and is told to end what that does not know."""
        if self.works:
            for run in self.orphans:
                run.terminate("the scheduler does not know it")

    def lose(self) -> None:
        """Power failure: everything in the zone is gone in one instant."""
        self.lost = self.scheduler_down = True
        self.frozen = False
        self.entries, self.next_number = self._saved
        for run in list(self.runs):
            run.why = "its zone was lost"
            run.die(None)
        self.late_writes.clear()

    def come_back(self) -> None:
        """The zone starts again: what ran there ended with its node, or goes back into the queue."""
        self.lost = self.scheduler_down = self.scheduler_hangs = False
        for entry in self.entries.values():
            for part in entry.parts.values():
                if part.phase in STARTED:
                    part.run = None
                    if entry.may_requeue:
                        part.phase, part.started_at = Phase.WAITING, None
                    else:
                        self._over(entry, part, Ending.LOST_NODE)
        self._saved = self._copied()

    def storage_is_back(self, *, deliver: bool) -> None:
        """What was on its way to the storage arrives now, or never."""
        self.storage_hangs = self.storage_lost = False
        for path, name, text in self.late_writes if deliver else ():
            self.files.write(self.name, path, name, text)
        self.late_writes.clear()
