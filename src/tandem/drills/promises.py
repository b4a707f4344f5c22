"""Whether the promises held: the payloads' evidence beside what the portal says in the end. Pure: it does nothing.

What counts is what really happened. A run that a lost zone took along has no end, and *failed* is then the truth; one
that ended with 0 has not failed, unless its zone was lost before its result was on the disk. Every excuse names what
was done to the run's own cluster, at that time; what nothing explains is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from tandem.drills.evidence import Run
from tandem.rules import FINAL_STATES

LOST, TWICE, OVERLAP, WRONG = "lost", "started twice", "overlapping restarts", "wrong final state"
PROMISES = (LOST, TWICE, OVERLAP, WRONG)
# Of an array, what went wrong in some task counts.
WORST_FIRST = ("FAILED", "TIMEOUT", "CANCELLED", "COMPLETED")
# From a payload's last line until its result is on the disk, when the storage is slow: so long before something strikes
# it, an end may remain unheard of. It may not where the result is seen to lie there.
UNHEARD = 6.0
# A tick is said to be of when it was begun; the state of a job, of when it was written down.
GRACE = 1.0
# A payload ticks twice a second. What a lost zone took along was seen so shortly before.
LAST_SEEN = 3.0
# slurmctld, killed, forgets what happened in the last seconds; the nodes' next reports end what it does not know.
FORGETS, UNTIL_ENDED = 6.0, 60.0
# A thawed run's watchdog looks every second, and kills at once.
WATCHDOG_PERIOD = 1.5


@dataclass(frozen=True)
class Submitted:
    """A job that the portal took, and what is to be expected of it."""

    id: str
    tasks: tuple[int, ...]
    restartable: bool
    code: int
    cancelled: bool = False


@dataclass(frozen=True)
class Shown:
    """A state that was shown to people, and the words beside it."""

    state: str
    reason: str


@dataclass(frozen=True)
class Told:
    """What the portal says of a job in the end: its state since when, each task's, and all that it showed before."""

    state: str
    reason: str
    since: float
    tasks: Mapping[int, str]
    history: Sequence[Shown] = ()


@dataclass(frozen=True)
class Outage:
    """What was done to clusters, and from when to when.

    They were `lost`, with all that ran; `frozen`; their shared storage was `hung`; Slurm `forgot` what it had just
    done, and ends what it started; or what may start again was `requeued`.
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
    corrected: int = 0

    def count(self, promise: str) -> int:
        """How often a promise was broken."""
        return sum(one.promise == promise for one in self.broken)


@dataclass
class Court:
    """Judges jobs, one after the other."""

    outages: Sequence[Outage]
    judgement: Judgement = field(default_factory=Judgement)

    def judge(self, job: Submitted, told: Told, runs: Mapping[tuple[str, int], list[Run]]) -> None:
        """One job with all its tasks."""
        self._judge_history(job, told.history)
        for task in job.tasks:
            self._judge_starts(job, task, runs.get((job.id, task), []))
        if told.state not in FINAL_STATES:
            self._say(LOST, job, None, f"is still {told.state}: {told.reason}")
            return
        for task in job.tasks:
            found, state = runs.get((job.id, task), []), told.tasks.get(task, "missing")
            if state not in FINAL_STATES:
                self._say(LOST, job, task, f"is still {state}, and its job {told.state}")
            elif not found and not job.cancelled:
                self._say(LOST, job, task, f"{state} without having started: {told.reason}")
            else:
                self._judge_state(job, task, told, state, found)
        merged = next((state for state in WORST_FIRST if state in told.tasks.values()), told.state)
        if merged != told.state:
            self._say(WRONG, job, None, f"says {told.state}, and its tasks {merged}")

    def _judge_history(self, job: Submitted, history: Sequence[Shown]) -> None:
        """What was final stays so, unless it was called interrupted and its result was found after all."""
        for before, after in pairwise(history):
            if before.state not in FINAL_STATES or after.state == before.state:
                continue
            if (before.state, after.state) == ("FAILED", "COMPLETED") and "interrupted" in before.reason:
                self.judgement.corrected += 1
                continue
            self._say(WRONG, job, None, f"was {before.state} ({before.reason}), and later {after.state}")
            return

    def _judge_starts(self, job: Submitted, task: int, runs: list[Run]) -> None:
        for before, after in pairwise(runs):
            if not job.restartable:
                words = f"on {before.cluster}, and {after.first - before.first:.1f} s later on {after.cluster}"
                self._say(TWICE, job, task, words)
                continue
            self._judge_overlap(job, task, before, after)
            if before.ended is None or after.first < before.ended or self._went_unheard(before, after.first):
                self.judgement.restarted += 1
            else:
                words = f"again on {after.cluster} {_clock(after.first)}, though it had ended with {before.code}"
                self._say(TWICE, job, task, f"{words} on {before.cluster} {_clock(before.ended)}")

    def _judge_overlap(self, job: Submitted, task: int, before: Run, after: Run) -> None:
        beside = [at for at in before.times if at > after.first]
        if not beside:
            return
        alive = self._after_thaw(before, beside, after.first)
        if alive is not None and alive <= WATCHDOG_PERIOD:
            self.judgement.thawed.append(alive)
            return
        seconds = max(beside) - after.first
        after_thaw = "" if alive is None else f", {alive:.1f} s of it after its thaw"
        words = f"{before.cluster} ran on for {seconds:.1f} s beside {after.cluster}{after_thaw}"
        self._say(OVERLAP, job, task, words)

    def _after_thaw(self, run: Run, beside: Sequence[float], at: float) -> float | None:
        """How long it lived after the thaw, if its zone was frozen `at` that time and all `beside` is later."""
        for outage in self._of(run, "frozen"):
            meanwhile = outage.began - GRACE <= at <= outage.ended + WATCHDOG_PERIOD
            if meanwhile and min(beside) >= outage.ended - GRACE:
                return max(max(beside) - outage.ended, 0.0)
        return None

    def _judge_state(self, job: Submitted, task: int, told: Told, state: str, runs: list[Run]) -> None:
        for run in runs:
            late = [at for at in run.times if at > told.since + GRACE]
            if not late:
                continue
            alive = self._after_thaw(run, late, told.since) if run is not runs[-1] else None
            if alive is None or alive > WATCHDOG_PERIOD:
                words = f"called {told.state} {max(late) - told.since:.1f} s before its last sign of life"
                self._say(WRONG, job, task, f"{words} on {run.cluster}")
        true = self._true_states(job, runs)
        if state in true:
            self.judgement.interrupted += state == "FAILED" and not any(run.code for run in runs)
        elif state == "FAILED" and not job.restartable and not any(run.ended for run in runs):
            words = f"ended on {runs[-1].cluster} {_clock(runs[-1].last)} by nothing that was done there"
            self._say(LOST, job, task, f"{words}: {told.reason}")
        else:
            truth = " or ".join(sorted(true)) or "to be started again"
            self._say(WRONG, job, task, f"says {state}; in truth {truth} ({told.reason})")

    def _true_states(self, job: Submitted, runs: Sequence[Run]) -> set[str]:
        """The states that would be true of a task."""
        if not runs:
            return {"CANCELLED"}
        true = set()
        for run in runs:
            if run.code is not None:
                true.add("COMPLETED" if run.code == 0 else "FAILED")
                if run.result_at is None and any(self._strikes(one, run) for one in self._of(run, "lost", "forgot")):
                    true.add("FAILED")
        # Killed before its end, or before that was written down.
        if job.cancelled and not any(run.ended and run.result_at for run in runs):
            true.add("CANCELLED")
        if not true or runs[-1].code is None:
            true |= {"FAILED"} if not job.restartable and self._was_ended(runs[-1]) else set()
        return true

    def _was_ended(self, run: Run) -> bool:
        """Whether something happened that ends running payloads, just when it was last seen."""
        for one in self._of(run, "lost", "forgot"):
            if one.kind == "lost" and abs(one.began - run.last) <= LAST_SEEN:
                return True
            recently = one.began - FORGETS <= run.first <= one.ended + GRACE
            if one.kind == "forgot" and recently and -LAST_SEEN <= run.last - one.began <= UNTIL_ENDED:
                return True
        return False

    def _went_unheard(self, run: Run, until: float) -> bool:
        """Whether its result was not on the disk `until` then, because something came between its end and that."""
        if run.result_at is not None and run.result_at <= until:
            return False
        return any(self._strikes(one, run) for one in self._of(run, "lost", "frozen", "hung", "forgot", "requeued"))

    def _strikes(self, outage: Outage, run: Run) -> bool:
        """Whether a run's end fell into it, or came so shortly before that its result may not have been written."""
        lasts_until = {
            "lost": outage.began + LAST_SEEN,
            "forgot": outage.began + UNTIL_ENDED,
        }.get(outage.kind, outage.ended + GRACE)
        return outage.began - UNHEARD <= (run.ended or run.last) <= lasts_until

    def _of(self, run: Run, *kinds: str) -> list[Outage]:
        return [one for one in self.outages if one.kind in kinds and run.cluster in one.clusters]

    def _say(self, promise: str, job: Submitted, task: int | None, words: str) -> None:
        self.judgement.broken.append(Broken(promise, job.id, task if len(job.tasks) > 1 else None, words))


def _clock(at: float) -> str:
    return f"at {datetime.fromtimestamp(at, UTC):%H:%M:%S}"
