"""One job, with all that is known of it: its placements, its tasks, what was read in its control directory.

`JobCase` brings the evidence together for `verdict`, task by task, and says what follows for the whole job. What is
done about it is for `settle` and `follow`.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tandem.clusters.scheduler import Ending, Phase
from tandem.environment import Failover
from tandem.jobs.control import Claim, Reading, TaskReading
from tandem.jobs.models import FINAL_STATES, Job, JobState, Placement, PlacementState, Task
from tandem.jobs.placements import adopt
from tandem.jobs.routing import Alternatives
from tandem.jobs.sightings import UNSEEN, Sighting
from tandem.jobs.submission import array_indices
from tandem.jobs.verdict import NOWHERE, ORDER, PlacementView, Verdict, judge_claimed, judge_unclaimed, merge

NOTHING = TaskReading()
MOST_ADOPTED = 50
STARTED = (Phase.RUNNING, Phase.SUSPENDED)
ASKING_BY_WHOM = "it was cancelled on its cluster; asking by whom"
CORRECTABLE_FOR = timedelta(days=1)


@dataclass(slots=True)
class Circumstances:
    """What is the same for all jobs of a pass: which clusters there are, which answer, and the times.

    What lies in control directories was read after `looked_at` and before `read_by`, by the database's clock.
    """

    clusters: Collection[str]
    answering: Collection[str]
    down: Collection[str]
    times: Failover
    looked_at: datetime
    read_by: datetime


@dataclass(slots=True)
class JobCase:
    """A job under judgement."""

    job: Job
    placements: list[Placement]
    tasks: dict[int, Task]
    reading: Reading
    around: Circumstances
    elsewhere: Alternatives = NOWHERE
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    is_flooded: bool = False
    _covered: dict[uuid.UUID, frozenset[int]] = field(default_factory=dict)
    _saved: dict[int, tuple[object, ...]] = field(init=False)

    def __post_init__(self) -> None:
        # Judging already changes rows (a heartbeat that moved): what is to be saved is told from what was read.
        self._saved = {index: _row(task) for index, task in self.tasks.items()}

    @property
    def indices(self) -> list[int]:
        """The job's tasks."""
        return array_indices(self.job.array)

    @property
    def open_indices(self) -> list[int]:
        """Those that are not over, and interrupted ones whose result turned up after all."""
        return [index for index in self.indices if self._is_open(index)]

    def _is_open(self, index: int) -> bool:
        if not self._is_final(index):
            return not self.job.is_final
        return not self.tasks[index].is_over and self.of_task(index).result is not None

    def of_task(self, index: int) -> TaskReading:
        """What lies there for a task."""
        return self.reading.get(index, NOTHING)

    def adopt_unknown_runs(self) -> bool:
        """Make rows for placements that hold claims but are not in the database; True when there were any.

        A restore from a backup forgot them. Which cluster they are on, the claim says; the rest, the next polls. Of a
        cluster that the environment does not have nobody will ever hear: there it is lost, and its heartbeat decides.
        """
        known = {placement.pk for placement in self.placements}
        adopted = 0
        for index in self.indices:
            claim = self.of_task(index).run
            # Anybody can forge claims of jobs of their own: a few at a time, so that nobody else has to wait.
            if claim and claim.placement and claim.placement not in known and adopted < MOST_ADOPTED:
                known.add(claim.placement)
                state = PlacementState.DOUBT if claim.cluster in self.around.clusters else PlacementState.LOST
                owner = self.job.owner.username
                adopted += adopt(owner, claim.placement, claim.cluster, state, job=self.job) is not None
        return bool(adopted)

    def judge(self) -> None:
        """A verdict on every open task."""
        self.verdicts = {}
        shared: dict[tuple[PlacementView, ...], Verdict] = {}
        for index in self.open_indices:
            reading = self.of_task(index)
            if reading.run is not None:
                verdict = self._judge_run(index, reading, reading.run)
                if verdict.state in FINAL_STATES or not self._is_final(index):
                    self.verdicts[index] = verdict
                continue
            views = tuple(
                self.view(placement, index) for placement in self.placements if self._covers(placement, index)
            )
            if reading.highest is not None or views not in shared:
                verdict = self._judge_unclaimed(reading, views)
                if reading.highest is None:
                    shared[views] = verdict
            else:
                verdict = shared[views]
            self.verdicts[index] = verdict

    def _is_final(self, index: int) -> bool:
        return index in self.tasks and self.tasks[index].state in FINAL_STATES

    def _judge_unclaimed(self, reading: TaskReading, views: Sequence[PlacementView]) -> Verdict:
        return judge_unclaimed(
            reading,
            views,
            self.around.times,
            cancel_wanted=self.job.cancel_wanted_at is not None,
            elsewhere=self.elsewhere,
            refusal=next((placement.message for placement in reversed(self.placements) if placement.message), ""),
        )

    def _judge_run(self, index: int, reading: TaskReading, run: Claim) -> Verdict:
        owner = self.owner_of(run)
        if owner is None:  # adopted by somebody else a moment ago: the next pass has it
            return Verdict(JobState.UNKNOWN, f"looking for it on {run.cluster}")
        view = self.view(owner, index)
        successors = [
            placement
            for placement in self.placements
            if self._covers(placement, index)
            and self.view(placement, index).is_live
            # Slurm's own requeue of the very placement is a successor too: its next run waits for its turn.
            # The number of a placement is the highest that one of its tasks goes out for: a task's run may have less.
            and (
                (placement.attempt > run.number and placement.pk != owner.pk)
                or self.view(placement, index).phase == Phase.WAITING
            )
        ]
        still_for = self._still_for(index, reading, view)
        # What the scheduler started anew is a successor that watches already: it has its time before another is sent.
        watching = self._was_started_anew(index, owner) and still_for < 2 * self.around.times.take_over
        return judge_claimed(
            reading,
            view,
            still_for,
            self.around.times,
            restartable=self.job.restartable,
            cancel_wanted=self.job.cancel_wanted_at is not None,
            successor_waits=watching or any(one.cluster in self.around.answering for one in successors),
        )

    def _was_started_anew(self, index: int, owner: Placement) -> bool:
        """Whether the scheduler shows a later start of the owner's placement than the one that holds the claim."""
        seen = self._sighting(owner, index)[1]
        first = self.tasks[index].started_at if index in self.tasks else None
        return bool(first and seen.started_at and seen.phase is Phase.RUNNING and seen.started_at > first)

    def starts_of(self, placement: Placement) -> list[datetime] | None:
        """When the scheduler started what it runs of a placement; None when it does not say."""
        if placement.phase not in STARTED:
            return []
        if not self.job.array:
            return [placement.started_at] if placement.started_at else None
        seen = placement.seen_tasks.values()
        return [one.started_at for one in seen if one.phase in STARTED and one.started_at] or None

    def has_run(self, placement: Placement) -> bool:
        """Whether a run of it holds a task that is not over, as far as is written down."""
        return any(task.owner_id == placement.pk and task.state not in FINAL_STATES for task in self.tasks.values())

    def owner_of(self, run: Claim) -> Placement | None:
        """The placement whose run made a claim."""
        return next((placement for placement in self.placements if placement.pk == run.placement), None)

    def _still_for(self, index: int, reading: TaskReading, owner: PlacementView) -> float:
        """For how long the heartbeat was watched without a change; starts watching where it begins to matter.

        By the database's clock, which all workers share, and counted from when the first reading was *over* to when the
        last one *began*: a worker that slept at any point must not take its own sleep for the job's.
        """
        task = self.task(index)
        run = reading.run
        watched = self.job.restartable or reading.is_closed or not owner.is_live or not owner.answers
        if not watched and self.job.cancel_wanted_at is None:
            return 0.0
        if (
            task.heartbeat_seen_at is None
            or task.heartbeat != reading.heartbeat
            or task.claim != (run.text if run else "")
        ):
            task.heartbeat, task.heartbeat_seen_at = reading.heartbeat, self.around.read_by
            return 0.0
        return max((self.around.looked_at - task.heartbeat_seen_at).total_seconds(), 0.0)

    def task(self, index: int) -> Task:
        """The task's row, new if there is none yet."""
        return self.tasks.setdefault(index, Task(job=self.job, index=index))

    def note_tasks(self) -> list[Task]:
        """The rows of claimed or finished tasks, brought up to their verdicts; those that changed are to be saved."""
        changed = []
        for index in self.verdicts:
            reading, verdict = self.of_task(index), self.sayable(index)
            if not reading.claims and index not in self.tasks and verdict.state not in FINAL_STATES:
                continue
            task = self.task(index)
            run, highest = reading.run, reading.highest
            owner = self.owner_of(run) if run else None
            if run is not None:
                task.claim, task.attempt = run.text, run.number
            elif highest is not None:
                task.claim, task.attempt = highest.text, highest.number
            task.owner = owner
            task.state, task.reason, task.exit_code = verdict.state, verdict.reason, verdict.exit_code
            seen = self._sighting(owner, index)[1] if owner else UNSEEN
            task.started_at = verdict.started_at or task.started_at or (seen.started_at if run else None)
            if verdict.state in FINAL_STATES:
                task.ended_at = verdict.ended_at or task.ended_at or seen.ended_at or self.around.looked_at
            task.correctable_until = self.around.looked_at + CORRECTABLE_FOR if verdict.is_interrupted else None
            if task.pk is None or _row(task) != self._saved.get(index):
                changed.append(task)
        return changed

    def view(self, placement: Placement, index: int) -> PlacementView:
        """A placement as it stands for one task."""
        state, seen = self._sighting(placement, index)
        since = placement.state_since
        if self.job.array and seen.over_since:  # a task ends, and the placement goes on
            since = max(since, seen.over_since)
        return PlacementView(
            state=state,
            cluster=placement.cluster,
            answers=placement.cluster in self.around.answering or not self._exists(placement),
            is_down=placement.cluster in self.around.down,
            phase=seen.phase,
            ending=seen.ending,
            exit_code=seen.exit_code,
            signal=seen.signal,
            scheduler_words=seen.reason,
            exists=self._exists(placement),
            cancel_sent=placement.is_explained(index),
            seconds_in_state=(self.around.looked_at - since).total_seconds(),
            attempt=placement.attempt,
        )

    def _exists(self, placement: Placement) -> bool:
        return placement.cluster in self.around.clusters

    def _sighting(self, placement: Placement, index: int) -> tuple[PlacementState, Sighting]:
        """What the placement's own cluster last showed of a task, whichever cluster's pass this is."""
        state = PlacementState(placement.state)
        if not self.job.array:
            return state, _of_whole(placement)
        seen, rest = placement.seen_tasks.get(index), placement.seen_tasks.get(None)
        if seen is None:
            seen = rest or UNSEEN
        match state:
            case PlacementState.SUBMITTED | PlacementState.ENDED | PlacementState.LOST if seen.is_over:
                return PlacementState.ENDED, seen
            case PlacementState.SUBMITTED:
                return PlacementState.LOST if seen.is_lost else state, seen
            case PlacementState.ENDED:  # all that is shown of it is over, and this task is not shown
                return state, Sighting(Phase.ENDED, Ending.LOST_NODE)
        return state, UNSEEN

    def _covers(self, placement: Placement, index: int) -> bool:
        if not placement.array or placement.array == self.job.array:
            return True
        if placement.pk not in self._covered:
            self._covered[placement.pk] = frozenset(array_indices(placement.array))
        return index in self._covered[placement.pk]

    def cancelled_by_others(self, placement: Placement) -> list[int]:
        """The tasks that the scheduler says were cancelled before they started, and it is not explained why."""
        return [
            index
            for index, verdict in self.verdicts.items()
            if verdict.was_cancelled_outside
            and self._covers(placement, index)
            and not placement.is_explained(index)
            and self._was_cancelled(placement, index)
        ]

    def cancelled_for(self, placement: Placement, index: int) -> timedelta:
        """For how long a task has been cancelled there."""
        return timedelta(seconds=self.view(placement, index).seconds_in_state)

    def _was_cancelled(self, placement: Placement, index: int) -> bool:
        state, seen = self._sighting(placement, index)
        return state == PlacementState.ENDED and seen.ending == Ending.CANCELLED

    def weigh_cancels(self, wished: Collection[int]) -> None:
        """Take the cancel of these tasks for a person's wish, and no other before it is known to be one.

        Of an array it concerns these tasks alone; of a whole job `settle` makes a wish like any other.
        """
        for index, verdict in self.verdicts.items():
            if not verdict.was_cancelled_outside:
                continue
            if index not in wished:
                self.verdicts[index] = Verdict(JobState.PENDING, ASKING_BY_WHOM)
            elif self.job.array:
                self.verdicts[index] = Verdict(JobState.CANCELLED, "it was cancelled on its cluster", seal="cancel")

    def losers(self) -> list[Placement]:
        """Placements whose every task is another run's, as was just read. Never a restartable job's: it may be next."""
        if self.job.restartable:
            return []
        owners = {run.placement for task in self.reading.values() if (run := task.run)}
        return [
            placement
            for placement in self.placements
            if placement.pk not in owners and self._is_live(placement) and self._all_taken(placement)
        ]

    def _all_taken(self, placement: Placement) -> bool:
        return all(self.of_task(i).run is not None for i in self.open_indices if self._covers(placement, i)) and bool(
            self.reading
        )

    @staticmethod
    def _is_live(placement: Placement) -> bool:
        return placement.state == PlacementState.SUBMITTED and placement.phase != Phase.ENDED

    def seals_wanted(self) -> dict[str, dict[int, int]]:
        """Claims to be closed before verdicts may be said: by reason, the number for each task."""
        wanted: dict[str, dict[int, int]] = {}
        for index, verdict in self.verdicts.items():
            reading = self.of_task(index)
            if verdict.seal and not reading.is_closed:
                highest = reading.highest
                wanted.setdefault(verdict.seal, {})[index] = highest.number + 1 if highest else 0
        return wanted

    def sealed(self, claims: Mapping[int, Claim]) -> None:
        """Take in what a seal found standing there: closed by us, or held by a run that was quicker."""
        for index, claim in claims.items():
            self.reading.setdefault(index, TaskReading()).claims[claim.number] = claim

    def sayable(self, index: int) -> Verdict:
        """The verdict as it may be said: a final one has to wait until the claim is closed."""
        verdict, reading = self.verdicts[index], self.of_task(index)
        if verdict.state not in FINAL_STATES or not verdict.seal or reading.is_closed:
            return verdict
        state = JobState.RUNNING if reading.run else JobState.PENDING
        return Verdict(state, "waiting until its control directory can be closed", started_at=verdict.started_at)

    def summary(self) -> "Summary":
        """What follows for the job as a whole."""
        reasons: dict[JobState, dict[str, None]] = defaultdict(dict)
        codes: list[int] = []
        is_interrupted = False
        for index in self.indices:
            if index not in self.verdicts:
                task = self.tasks[index]
                state, reason, code = JobState(task.state), task.reason, task.exit_code
                is_interrupted |= task.correctable_until is not None
            else:
                verdict = self.sayable(index)
                state, reason, code = verdict.state, verdict.reason, verdict.exit_code
                is_interrupted |= verdict.is_interrupted
            reasons[state].update({reason: None} if reason else {})
            if code is not None:
                codes.append(code)
        state = merge(list(reasons))
        told = [reason for each in sorted(reasons, key=ORDER.index) for reason in reasons[each]]
        wanted = {index: v.place_attempt for index, v in self.verdicts.items() if v.place_attempt is not None}
        return Summary(
            state=state,
            reason="; ".join(list(dict.fromkeys(told))[:3]),
            exit_code=max(codes, default=None) if state in FINAL_STATES else None,
            place=wanted,
            was_cancelled_outside=any(verdict.was_cancelled_outside for verdict in self.verdicts.values()),
            is_interrupted=is_interrupted,
            is_claimed=any(task.run for task in self.reading.values()),
        )

    def shown_placement(self) -> Placement | None:
        """The placement that the job's page speaks of: a run's, else a live one that answers, else the last."""
        owners = [self.owner_of(run) for _, task in sorted(self.reading.items()) if (run := task.run)]
        live = [placement for placement in self.placements if placement.state == PlacementState.SUBMITTED]
        seen = [placement for placement in live if placement.cluster in self.around.answering]
        best = [owner for owner in owners if owner][:1] or seen[-1:] or live[-1:] or self.placements[-1:]
        return next(iter(best), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """A job as its tasks make it. `place`: tasks that want a placement, with the attempt's number."""

    state: JobState
    reason: str
    exit_code: int | None
    place: dict[int, int]
    was_cancelled_outside: bool
    is_interrupted: bool
    is_claimed: bool


def _of_whole(placement: Placement) -> Sighting:
    return Sighting(
        Phase(placement.phase) if placement.phase else None,
        Ending(placement.ending) if placement.ending else None,
        placement.exit_code,
        placement.signal,
        placement.scheduler_reason,
        placement.started_at,
        placement.ended_at,
    )


def _row(task: Task) -> tuple[object, ...]:
    return (
        task.state,
        task.reason,
        task.claim,
        task.attempt,
        task.owner_id,
        task.heartbeat,
        task.heartbeat_seen_at,
        task.exit_code,
        task.correctable_until,
        task.started_at,
        task.ended_at,
    )
