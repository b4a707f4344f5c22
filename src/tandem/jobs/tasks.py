"""An array's tasks as one list, wherever each of them runs or ran."""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from tandem.jobs.models import LIVE_PLACEMENTS, Job, JobState, Task
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


def state_of_the_rest(job: Job) -> JobState:
    """The state of the tasks that have shown no sign of life: they wait with the job, or for it."""
    if job.state in (JobState.ACCEPTED, JobState.PENDING, JobState.UNKNOWN) or job.is_final:
        return JobState(job.state)
    placed = job.placements.filter(state__in=LIVE_PLACEMENTS).exists()
    return JobState.PENDING if placed else JobState.ACCEPTED


def task_counts(job: Job) -> dict[str, int]:
    """How many tasks are in which state; all of them, whether or not they have been heard of. Empty without array."""
    if not job.array:
        return {}
    rows = job.tasks.order_by().values_list("state").annotate(number=Count("pk"))
    counts = Counter({str(state): int(number) for state, number in rows})
    if (rest := job.task_count - counts.total()) > 0:
        counts[state_of_the_rest(job).value] += rest
    return {state: counts[state] for state in JobState.values if counts[state]}


def task_page(job: Job, size: int, after: int | None = None, state: str = "") -> TaskPage:
    """Tasks in the order of their indices: those beyond `after`, of one state if one is given. Two queries at most."""
    indices = array_indices(job.array)
    rest = state_of_the_rest(job)
    if state:
        known = dict(job.tasks.values_list("index", "state"))
        indices = [index for index in indices if known.get(index, rest) == state]
    start = 0 if after is None else bisect_right(indices, after)
    shown = indices[start : start + size]
    rows = {task.index: task for task in Task.objects.select_related("owner").filter(job=job, index__in=shown)}
    lines = [_line(rows[index]) if index in rows else TaskLine(index, rest) for index in shown]
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
