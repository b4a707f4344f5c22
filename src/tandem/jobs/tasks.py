"""An array's tasks as one list, wherever each of them runs or ran."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tandem.clusters.models import silent_clusters
from tandem.clusters.scheduler import Ending
from tandem.jobs.cases import ASKING_BY_WHOM
from tandem.jobs.models import LIVE_PLACEMENTS, Job, JobState, Placement, PlacementState, Task
from tandem.jobs.sightings import ended_tasks, gone_tasks
from tandem.jobs.submission import array_indices


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One task. `attempt` counts from 0; `cluster` is where it was claimed, empty before."""

    index: int
    state: JobState
    cluster: str = ""
    attempt: int = 0
    exit_code: int | None = None
    reason: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some of the tasks, by index. `next` is the index after which the next page begins, if there is one."""

    lines: list[TaskLine]
    next: int | None


class TheRest:
    """The tasks that have shown no sign of life: each waits where a placement has it, or for a placement."""

    def __init__(self, job: Job) -> None:
        self._job = job
        silent = silent_clusters()
        known = list(job.placements.filter(state__in=(*LIVE_PLACEMENTS, PlacementState.ENDED)).order_by("created_at"))
        live = [one for one in known if one.state in LIVE_PLACEMENTS]
        self._ended = self._over_in(known)
        self._silent = [one for one in live if one.cluster in silent]
        self._seen = self._tasks_of([one for one in live if one.cluster not in silent])
        self._unseen = self._tasks_of(self._silent)
        self._wanted = set(array_indices(job.place_tasks or job.array)) if job.place_wanted is not None else set()

    def _tasks_of(self, placements: Sequence[Placement]) -> set[int]:
        return {
            index
            for placement in placements
            for index in set(array_indices(placement.array or self._job.array)) - gone_tasks(placement.seen_tasks)
        }

    def _over_in(self, placements: Sequence[Placement]) -> dict[int, str]:
        """Tasks that ended where they waited, and why that is not the last word on them."""
        words: dict[int, str] = {}
        for placement in placements:
            for index in ended_tasks(placement.seen_tasks):
                was_cancelled = placement.seen_tasks[index].ending is Ending.CANCELLED
                asking = was_cancelled and not placement.is_explained(index)
                words[index] = ASKING_BY_WHOM if asking else f"{placement.cluster} says it ended; being looked into"
        return words

    def state(self, index: int) -> JobState:
        """What one of them is, as far as that is known at this moment."""
        if self._job.is_final or self._job.state == JobState.ACCEPTED:
            return JobState(self._job.state)
        if index in self._seen:
            return JobState.PENDING
        if index in self._wanted:
            return JobState.ACCEPTED
        if index in self._ended:
            return JobState.PENDING
        is_unknown = index in self._unseen or self._job.state == JobState.UNKNOWN
        return JobState.UNKNOWN if is_unknown else JobState.ACCEPTED

    def line(self, index: int) -> TaskLine:
        """One of them, as it is listed."""
        state, reason = self.state(index), ""
        if state == JobState.UNKNOWN and index in self._unseen:
            reason = f"{self._silent[-1].cluster} does not answer"
        elif state == JobState.PENDING and index not in self._seen:
            reason = self._ended.get(index, "")
        return TaskLine(index, state, reason=reason)


def tasks_wait(job: Job, placements: Iterable[Placement]) -> bool:
    """Whether some of an array's tasks still wait, on a cluster or for one, however many have started."""
    if not job.array:
        return False
    return job.place_wanted is not None or any(placement.waits_for for placement in placements)


def task_counts(job: Job) -> dict[str, int]:
    """How many tasks are in which state; all of them, whether or not they have been heard of. Empty without array."""
    if not job.array:
        return {}
    known = dict(job.tasks.values_list("index", "state"))
    counts = Counter(map(str, known.values()))
    if len(known) < job.task_count:
        rest = TheRest(job)
        counts.update(rest.state(index).value for index in array_indices(job.array) if index not in known)
    return {state: counts[state] for state in JobState.values if counts[state]}


def task_page(job: Job, size: int, after: int | None = None, state: str = "") -> TaskPage:
    """Tasks in the order of their indices: those beyond `after`, of one state if one is given. Four queries at most."""
    indices = array_indices(job.array)
    rest = TheRest(job)
    if state:
        known = dict(job.tasks.values_list("index", "state"))
        indices = [index for index in indices if (known.get(index) or rest.state(index)) == state]
    start = 0 if after is None else bisect_right(indices, after)
    shown = indices[start : start + size]
    rows = {task.index: task for task in Task.objects.select_related("owner").filter(job=job, index__in=shown)}
    lines = [_line(rows[index]) if index in rows else rest.line(index) for index in shown]
    return TaskPage(lines, shown[-1] if start + size < len(indices) else None)


def _line(task: Task) -> TaskLine:
    return TaskLine(
        index=task.index,
        state=JobState(task.state),
        cluster=task.owner.cluster if task.owner else "",
        attempt=task.attempt,
        exit_code=task.exit_code,
        reason=task.reason,
        started_at=task.started_at,
        ended_at=task.ended_at,
    )
