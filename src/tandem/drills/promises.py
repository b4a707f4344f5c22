"""Whether the promises held: the payloads' evidence beside what the portal says in the end. Pure: it does nothing.

What counts is what really happened. A run that a lost zone took along has no end, and *failed* is then the truth; one
that ended with 0 has not failed, unless its zone was lost before anybody could be told.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from tandem.drills.evidence import Run

LOST, TWICE, OVERLAP, WRONG = "lost", "started twice", "overlapping restarts", "wrong final state"
PROMISES = (LOST, TWICE, OVERLAP, WRONG)
FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})
# From a payload's last line until its result is on the disk, when the storage is slow: so long before its zone is lost,
# an end may remain unheard of.
UNHEARD = 6.0
# A tick is said to be of when it was begun; the state of a job, of when it was written down.
GRACE = 1.0
# From Slurm's forgetting a job until it has ended what still runs of it.
UNTIL_ENDED = 60.0


@dataclass(frozen=True)
class Submitted:
    """A job that the portal took, and what is to be expected of it."""

    id: str
    tasks: tuple[int, ...]
    restartable: bool
    code: int
    cancelled: bool = False


@dataclass(frozen=True)
class Told:
    """What the portal says of a job in the end: its state since when, and how many tasks are in which state."""

    state: str
    reason: str
    since: float
    tasks: Mapping[str, int]


@dataclass(frozen=True)
class Outage:
    """What was done to clusters, and from when to when.

    They were `lost`, with all that ran; `frozen`; their shared storage was `hung`; or Slurm `forgot` what it had just
    done, and may end what it started.
    """

    kind: str
    clusters: frozenset[str]
    began: float
    ended: float


@dataclass(frozen=True)
class Broken:
    """A promise that did not hold."""

    promise: str
    job: str
    task: int | None
    words: str


@dataclass
class Judgement:
    """Of one drill. `thawed`: how long runs lived beside their successors after their zone was thawed, allowed ones."""

    broken: list[Broken] = field(default_factory=list)
    thawed: list[float] = field(default_factory=list)
    interrupted: int = 0
    restarted: int = 0

    def count(self, promise: str) -> int:
        """How often a promise was broken."""
        return sum(one.promise == promise for one in self.broken)


@dataclass
class Court:
    """Judges jobs. `kill_time` is how long killing a run that was overtaken may take (the environment's file)."""

    outages: Sequence[Outage]
    kill_time: float
    judgement: Judgement = field(default_factory=Judgement)

    def judge(self, job: Submitted, told: Told, runs: Mapping[tuple[str, int], list[Run]]) -> None:
        """One job with all its tasks."""
        if told.state not in FINAL:
            self._say(LOST, job, None, f"is still {told.state}: {told.reason}")
            return
        possible: list[set[str]] = []
        for task in job.tasks:
            found = runs.get((job.id, task), [])
            self._judge_starts(job, task, found)
            possible.append(self._possible(job, task, told, found))
        self._compare(job, told, possible)

    def _judge_starts(self, job: Submitted, task: int, runs: list[Run]) -> None:
        for before, after in pairwise(runs):
            if not job.restartable:
                self._say(
                    TWICE,
                    job,
                    task,
                    f"on {before.cluster}, and {after.first - before.first:.1f} s later on {after.cluster}",
                )
            elif before.code is not None and not self._unheard(before, "lost", "frozen", "hung"):
                words = f"again on {after.cluster} {_clock(after.first)}, though it had ended with {before.code}"
                self._say(TWICE, job, task, f"{words} on {before.cluster} {_clock(before.last)}")
            else:
                self.judgement.restarted += 1
                self._judge_overlap(job, task, before, after)

    def _judge_overlap(self, job: Submitted, task: int, before: Run, after: Run) -> None:
        beside = [at for at in before.times if at > after.first]
        if not beside:
            return
        for outage in self.outages:
            frozen = outage.kind == "frozen" and before.cluster in outage.clusters
            if frozen and outage.began - GRACE <= after.first and min(beside) >= outage.ended - GRACE:
                alive = max(beside) - outage.ended
                if alive <= self.kill_time:
                    self.judgement.thawed.append(max(alive, 0.0))
                    return
        seconds = before.last - after.first
        self._say(OVERLAP, job, task, f"{before.cluster} ran on for {seconds:.1f} s beside {after.cluster}")

    def _possible(self, job: Submitted, task: int, told: Told, runs: list[Run]) -> set[str]:
        """The states that would be true of a task."""
        if not runs:
            if job.cancelled:
                return {"CANCELLED"}
            self._say(LOST, job, task, f"{told.state} without having started: {told.reason}")
            return set(told.tasks)
        late = max(run.last for run in runs) - told.since
        if late > GRACE and not self._was_frozen(runs[-1], told.since):
            self._say(WRONG, job, task, f"called {told.state} {late:.1f} s before its last sign of life")
        ends = [run for run in runs if run.code is not None]
        true = {"COMPLETED" if run.code == 0 else "FAILED" for run in ends}
        if any(self._unheard(run, "lost") for run in ends):
            true.add("FAILED")
        if not ends:
            return self._possible_without_end(job, task, told, runs[-1])
        return true

    def _possible_without_end(self, job: Submitted, task: int, told: Told, run: Run) -> set[str]:
        """A run that never came to its end was cancelled, or something took it along."""
        if job.cancelled:
            return {"CANCELLED"} if job.restartable else {"CANCELLED", "FAILED"}
        if job.restartable:
            return set()
        if told.state == "FAILED" and not self._was_ended(run):
            self._say(LOST, job, task, f"ended on {run.cluster} by nothing that was done there: {told.reason}")
            return set(told.tasks)
        self.judgement.interrupted += 1
        return {"FAILED"}

    def _was_ended(self, run: Run) -> bool:
        """Whether something happened that ends running payloads, when it was last seen or shortly after."""
        ends = [one for one in self.outages if one.kind in ("lost", "forgot") and run.cluster in one.clusters]
        return any(-UNTIL_ENDED <= one.began - run.last <= UNHEARD for one in ends)

    def _compare(self, job: Submitted, told: Told, possible: list[set[str]]) -> None:
        """Whether as many tasks are in each state as can truthfully be."""
        for state in sorted(FINAL):
            number = told.tasks.get(state, 0)
            least = sum(states == {state} for states in possible)
            most = sum(state in states for states in possible)
            if not least <= number <= most:
                truth = Counter(" or ".join(sorted(states)) for states in possible)
                words = ", ".join(f"{count} {what}" for what, count in truth.items())
                told_words = ", ".join(f"{count} {what}" for what, count in told.tasks.items())
                self._say(WRONG, job, None, f"says {told_words}; in truth {words} ({told.reason})")
                return

    def _unheard(self, run: Run, *kinds: str) -> bool:
        """Whether one of these came between its end and the result, so that nobody could be told."""
        ended = run.ended or run.last
        near = [one for one in self.outages if one.kind in kinds and run.cluster in one.clusters]
        return any(
            one.began - UNHEARD <= ended <= max(one.began, one.ended if one.kind == "hung" else 0) + GRACE
            for one in near
        )

    def _was_frozen(self, run: Run, at: float) -> bool:
        return any(
            outage.kind == "frozen"
            and run.cluster in outage.clusters
            and outage.began - GRACE <= at <= outage.ended + self.kill_time
            for outage in self.outages
        )

    def _say(self, promise: str, job: Submitted, task: int | None, words: str) -> None:
        self.judgement.broken.append(Broken(promise, job.id, task if len(job.tasks) > 1 else None, words))


def _clock(at: float) -> str:
    return f"at {datetime.fromtimestamp(at, UTC):%H:%M:%S}"
