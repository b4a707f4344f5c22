"""What is true of a task, from what lies in its control directory and what its cluster shows. Pure: it does nothing.

The state comes from the run that holds the current claim, never from just any of the scheduler's jobs: one task may
have been handed over twice, and only the claim says which run is it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tandem.clusters.scheduler import Ending, Phase
from tandem.environment import Failover
from tandem.jobs.control import Claim, Result, TaskReading
from tandem.jobs.models import LIVE_PLACEMENTS, JobState, PlacementState
from tandem.jobs.routing import Alternatives

# Exit codes by which the wrapper says that it did not run, or ended, the payload: no evidence of how that went.
SUPERSEDED, NOCLAIM, FENCED = 113, 114, 115
NOWHERE = Alternatives()
WRAPPER_CODES = frozenset({SUPERSEDED, NOCLAIM, FENCED})
STARTS_GIVEN_UP_AFTER = 5


@dataclass(frozen=True, slots=True)
class PlacementView:
    """A placement as last known, or one array task of it.

    `answers`: its cluster does, at this moment. `is_down`: it has not for so long that it is taken for lost.
    `exists`: the environment has such a cluster; there is nobody to wait for an answer from otherwise.
    """

    state: PlacementState
    cluster: str
    answers: bool
    is_down: bool = False
    exists: bool = True
    phase: Phase | None = None
    ending: Ending | None = None
    exit_code: int | None = None
    signal: int | None = None
    scheduler_words: str = ""
    cancel_sent: bool = False
    seconds_in_state: float = 0.0
    attempt: int = 0

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_PLACEMENTS

    @property
    def is_gone(self) -> bool:
        """Its cluster says that it is over, or does not know it any more."""
        return self.answers and self.state in (PlacementState.ENDED, PlacementState.LOST)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a task is, and what has to be done before that may be said (`seal`) or because of it."""

    state: JobState
    reason: str = ""
    exit_code: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seal: str = ""
    place_attempt: int | None = None
    was_cancelled_outside: bool = False
    is_interrupted: bool = False


def judge_claimed(
    reading: TaskReading,
    owner: PlacementView,
    still_for: float,
    times: Failover,
    *,
    restartable: bool = False,
    cancel_wanted: bool = False,
    successor_waits: bool = False,
) -> Verdict:
    """The verdict on a task that a run claimed.

    `still_for` is for how many seconds its heartbeat was watched without a change; `successor_waits` says that a
    placement for the next attempt is out already.
    """
    run = reading.run
    assert run is not None  # noqa: S101
    # A restored database may have forgotten the wish; the claim that was closed for it has not.
    cancel_wanted = cancel_wanted or reading.is_cancelled
    if result := reading.result:
        return _by_result(result, owner, restartable=restartable, cancel_wanted=cancel_wanted)
    # A restartable placement may have been started anew and speak of that: the first run has fenced itself by then.
    is_still = still_for >= (times.take_over if restartable else times.self_fence)
    by_ending = _by_ending(owner) if is_still else None
    if cancel_wanted and not reading.is_closed:
        return replace(_alive(owner), seal="cancel")
    if cancel_wanted and (by_ending or (is_still and _ended_itself(owner, restartable=restartable))):
        return Verdict(JobState.CANCELLED)
    if by_ending:
        return by_ending
    if reading.is_closed:
        is_silent = owner.is_gone and still_for >= times.take_over
        return _interrupted(owner, cancel_wanted=cancel_wanted) if is_silent else _alive(owner)
    if restartable and owner.phase == Phase.WAITING and owner.answers and still_for > 2 * times.heartbeat:
        words = f"attempt {run.number} was interrupted; {owner.cluster} starts it again"
        return Verdict(JobState.PENDING, words, place_attempt=None if successor_waits else run.number + 1)
    if still_for >= times.take_over:
        if restartable and owner.phase != Phase.SUSPENDED:
            return _interrupted_restartable(run, owner, successor_waits)
        if not restartable and owner.is_gone:
            return _interrupted(owner)
    return _alive(owner)


def _by_result(result: Result, owner: PlacementView, *, restartable: bool, cancel_wanted: bool) -> Verdict:
    """A result is what happened. Only who sent the signal that ended it, the scheduler knows better.

    A restartable payload that saves its state when it is told to end, and calls that a success, did not complete.
    """
    state = JobState.COMPLETED if result.code == 0 else JobState.FAILED
    reason = "" if result.code == 0 else _exit_words(result.code, result.words)
    if result.signal == "TERM":
        if owner.is_live and owner.answers and not cancel_wanted:
            return Verdict(JobState.RUNNING, "it was told to end; waiting for the cluster to say why")
        if owner.ending == Ending.TIMEOUT:
            state, reason = JobState.TIMEOUT, "it reached its time limit"
        elif (result.code != 0 or restartable) and (cancel_wanted or owner.ending == Ending.CANCELLED):
            state, reason = JobState.CANCELLED, "" if cancel_wanted else f"cancelled on {owner.cluster}"
    return Verdict(
        state,
        reason,
        result.code,
        datetime.fromtimestamp(result.start, UTC),
        datetime.fromtimestamp(result.end, UTC),
        seal="ended",
    )


def _exit_words(code: int, words: str) -> str:
    head = f"exit code {code}" if code <= 128 or code > 192 else f"ended by signal {code - 128}"
    return f"{head}: {words}" if words else head


def _ended_itself(owner: PlacementView, *, restartable: bool) -> bool:
    """Whether a run that left no result has surely ended, though no scheduler saw it end.

    A restartable one that is silent for this long has: it fences itself. Another one only says so by its exit code: the
    scheduler loses sight of nodes on which it runs on, and then neither its word nor silence is evidence.
    """
    said_so = owner.state == PlacementState.ENDED and owner.exit_code == FENCED
    return owner.is_gone and (restartable or said_so)


def _interrupted(owner: PlacementView, *, cancel_wanted: bool = False) -> Verdict:
    """Silent and gone, and nobody saw it end: as much as can be said. What turns up later corrects it."""
    when = "interrupted while it was being cancelled" if cancel_wanted else "interrupted"
    words = f"{when}: {owner.cluster} no longer has it, and it left no result"
    return Verdict(JobState.FAILED, words, seal="interrupted", is_interrupted=True)


def _by_ending(owner: PlacementView) -> Verdict | None:
    """What the scheduler says of a run that left no result: good enough where it tells of the run itself."""
    if owner.state != PlacementState.ENDED or not owner.answers or owner.exit_code in WRAPPER_CODES:
        return None
    code = owner.exit_code
    match owner.ending:
        case Ending.COMPLETED:
            return Verdict(JobState.COMPLETED, exit_code=code, seal="ended")
        case Ending.TIMEOUT:
            return Verdict(JobState.TIMEOUT, "it reached its time limit", code, seal="ended")
        case Ending.CANCELLED:
            return Verdict(JobState.CANCELLED, f"cancelled on {owner.cluster}", code, seal="ended")
        case Ending.FAILED:
            how = f"ended by signal {owner.signal}" if owner.signal else f"exit code {code}"
            words = ", ".join(filter(None, [how, owner.scheduler_words]))
            return Verdict(JobState.FAILED, words, code, seal="ended")
    return None


def _interrupted_restartable(run: Claim, owner: PlacementView, successor_waits: bool) -> Verdict:
    """Silent for as long as a successor waits anyway. The successor's wrapper watches for itself before it starts."""
    state = JobState.PENDING if owner.is_gone else JobState.UNKNOWN
    words = f"attempt {run.number} on {owner.cluster} is silent; it starts again"
    return Verdict(state, words, place_attempt=None if successor_waits else run.number + 1)


def _alive(owner: PlacementView) -> Verdict:
    if not owner.answers:
        return Verdict(JobState.UNKNOWN, f"{owner.cluster} does not answer")
    if not owner.exists:
        words = f"it was claimed from {owner.cluster}, which is no cluster of this environment; watching its heartbeat"
        return Verdict(JobState.UNKNOWN, words)
    if owner.state == PlacementState.LOST:
        return Verdict(JobState.UNKNOWN, f"{owner.cluster} does not know it any more; watching its heartbeat")
    if owner.phase == Phase.SUSPENDED:
        return Verdict(JobState.SUSPENDED)
    if owner.state == PlacementState.ENDED:
        return Verdict(JobState.RUNNING, f"{owner.cluster} says it ended; waiting for its result")
    return Verdict(JobState.RUNNING)


def judge_unclaimed(
    reading: TaskReading | None,
    placements: Sequence[PlacementView],
    times: Failover,
    *,
    cancel_wanted: bool = False,
    elsewhere: Alternatives = NOWHERE,
    refusal: str = "",
) -> Verdict:
    """The verdict on a task that no run claimed; `elsewhere`: the clusters that could have it."""
    highest = reading.highest if reading else None
    if highest is not None:
        return _never_ran(highest.why, placements, refusal)
    if cancel_wanted:
        return Verdict(JobState.CANCELLED, seal="cancel")
    if live := [placement for placement in placements if placement.is_live]:
        return _waiting(live, elsewhere, times)
    if not placements:  # it waits for its first, or the database forgot that one: then it wants another
        return Verdict(JobState.ACCEPTED, place_attempt=0)
    return _place_again(placements, times, elsewhere, refusal)


def _waiting(live: Sequence[PlacementView], elsewhere: Alternatives, times: Failover) -> Verdict:
    """Some cluster has it. It goes to another one too where that is the better chance: the first claim wins."""
    there = {placement.cluster for placement in live}
    sure = {placement.cluster for placement in live if placement.state == PlacementState.SUBMITTED}
    if answering := [placement for placement in live if placement.answers]:
        if all(placement.state == PlacementState.DOUBT for placement in answering):
            return _in_doubt(answering, elsewhere.up - there, times)
        waits = {placement.cluster for placement in live if placement.phase not in (Phase.RUNNING, Phase.SUSPENDED)}
        why = next((elsewhere.obstacles[name] for name in sorted(waits) if name in elsewhere.obstacles), "")
        if why and elsewhere.ample - there:
            return Verdict(JobState.PENDING, f"{why}; it goes to another cluster, too", place_attempt=0)
        others = " and ".join(sorted(sure - elsewhere.obstacles.keys()))
        return Verdict(JobState.PENDING, f"{why}; {others} has it, too" if why and others else why)
    if elsewhere.up - there and all(placement.is_down for placement in live):
        return Verdict(JobState.ACCEPTED, f"{live[-1].cluster} is down; it goes to another cluster", place_attempt=0)
    return Verdict(JobState.UNKNOWN, f"{live[-1].cluster} does not answer")


def _in_doubt(doubtful: Sequence[PlacementView], others: frozenset[str], times: Failover) -> Verdict:
    """Handed over without an answer. Mostly the next polls tell; without its accounting database a cluster cannot."""
    names = " and ".join(sorted({placement.cluster for placement in doubtful}))
    words = f"{names} did not answer when it was handed over, and cannot say yet whether it arrived"
    if others and all(placement.seconds_in_state >= times.down_after for placement in doubtful):
        return Verdict(JobState.PENDING, f"{words}; it goes to another cluster, too", place_attempt=0)
    return Verdict(JobState.PENDING, words)


def _never_ran(why: str, placements: Sequence[PlacementView], refusal: str) -> Verdict:
    match why:
        case "cancel":
            return Verdict(JobState.CANCELLED)
        case "refused":
            return Verdict(JobState.FAILED, refusal or "no cluster would take it")
        case "no-start":
            return Verdict(JobState.FAILED, _no_start_words(placements))
    return Verdict(JobState.FAILED, f"its control directory was closed by somebody else ({why})")


def _place_again(
    placements: Sequence[PlacementView], times: Failover, elsewhere: Alternatives, refusal: str
) -> Verdict:
    """None is live and none ran: it goes out again, unless that can only come to nothing."""
    ended = [placement for placement in placements if placement.state == PlacementState.ENDED]
    if any(placement.ending == Ending.CANCELLED and not placement.cancel_sent for placement in ended):
        return Verdict(JobState.PENDING, was_cancelled_outside=True)
    last = placements[-1]
    if last.state == PlacementState.REFUSED and not elsewhere.possible:
        return Verdict(JobState.FAILED, refusal, seal="refused")
    if last.state == PlacementState.REFUSED and not elsewhere.up:
        others = " or ".join(sorted(elsewhere.possible))
        words = f"{last.cluster} refused it: {refusal}; it waits for {others}, which does not answer"
        return Verdict(JobState.ACCEPTED, words, place_attempt=0)
    # A node that was lost or never came, and storage that was not there, say nothing about the job.
    own = [one for one in ended if one.ending != Ending.LOST_NODE and one.exit_code != NOCLAIM]
    if len(own) >= STARTS_GIVEN_UP_AFTER:
        return Verdict(JobState.FAILED, _no_start_words(placements), seal="no-start")
    saw_too_early = last.state == PlacementState.ENDED and last.exit_code != NOCLAIM
    if saw_too_early and last.seconds_in_state < times.visibility:
        return Verdict(JobState.PENDING, f"{last.cluster} says it ended; looking for what it left")
    words = {
        PlacementState.LOST: f"{last.cluster} forgot it; it goes out again",
        PlacementState.ENDED: f"it could not start on {last.cluster}; it goes out again",
    }.get(last.state, "it goes out again")
    return Verdict(JobState.ACCEPTED, words, place_attempt=0)


def _no_start_words(placements: Sequence[PlacementView]) -> str:
    ended = [placement for placement in placements if placement.state == PlacementState.ENDED]
    words = f"it ended {len(ended)} times before it could start"
    return ": ".join(filter(None, [words, *(placement.scheduler_words for placement in ended[-1:])]))


# An array's state from its tasks': what is still going on counts before what is over, bad before good.
ORDER = (
    JobState.RUNNING,
    JobState.UNKNOWN,
    JobState.SUSPENDED,
    JobState.PENDING,
    JobState.ACCEPTED,
    JobState.FAILED,
    JobState.TIMEOUT,
    JobState.CANCELLED,
    JobState.COMPLETED,
)


def merge(states: Iterable[JobState]) -> JobState:
    """The state of a job whose tasks are in these states."""
    return min(states, key=ORDER.index, default=JobState.COMPLETED)
