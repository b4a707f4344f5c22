"""What a cluster last showed of an array's tasks, one by one: kept with each placement, so that whoever judges a task
has the newest picture of the very cluster that it is on, and not only that of the poll he comes from.

Tasks that wait share one *sighting*, the rest's, under None. Those of which the same can be said are stored together.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tandem.clusters.scheduler import Ending, Phase, SchedulerJob
from tandem.jobs.submission import array_indices

MISSES_UNTIL_LOST = 2
# As long as it may take until what a task left is seen. Later it only takes room to know when it completed.
LONG_COMPLETED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One task as its cluster shows it. Without phase it is not shown at all; `misses`: polls that searched.

    `over_since`: when that was first seen, by the database's clock; `ended_at` is the cluster's. One that completed
    long ago has neither.
    """

    phase: Phase | None = None
    ending: Ending | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    misses: int = 0
    over_since: datetime | None = None

    @property
    def is_over(self) -> bool:
        """It ended."""
        return self.phase is Phase.ENDED

    @property
    def is_lost(self) -> bool:
        """Its cluster answers, and does not know it any more."""
        return self.phase is None and self.misses >= MISSES_UNTIL_LOST


Sightings = Mapping[int | None, Sighting]
UNSEEN = Sighting()


def parsed(stored: Sequence[Sequence[Any]]) -> Sightings:
    """By task, from what `stored` made of them."""
    found: dict[int | None, Sighting] = {}
    for tasks, phase, ending, exit_code, signal, reason, started, ended, misses, *over in stored:
        sighting = Sighting(
            Phase(phase) if phase else None,
            Ending(ending) if ending else None,
            exit_code,
            signal,
            reason,
            datetime.fromtimestamp(started, UTC) if started else None,
            datetime.fromtimestamp(ended, UTC) if ended else None,
            misses,
            datetime.fromtimestamp(over[0], UTC) if over and over[0] else None,
        )
        if not tasks:
            found[None] = sighting
        for first, last in tasks:
            for index in range(first, last + 1):
                found[index] = sighting
    return found


def stored(sightings: Sightings) -> list[list[Any]]:
    """As JSON can hold them, the same for the same."""
    tasks: dict[Sighting, list[list[int]]] = defaultdict(list)
    for index, sighting in sorted(sightings.items(), key=lambda item: -1 if item[0] is None else item[0]):
        spans = tasks[sighting]
        if index is None:
            continue
        if spans and spans[-1][1] == index - 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    rest = sightings.get(None)
    rows = [_row(sighting, spans) for sighting, spans in tasks.items() if spans]
    return ([_row(rest, [])] if rest else []) + rows


def _row(sighting: Sighting, spans: list[list[int]]) -> list[Any]:
    return [
        spans,
        sighting.phase or "",
        sighting.ending or "",
        sighting.exit_code,
        sighting.signal,
        sighting.reason,
        sighting.started_at.timestamp() if sighting.started_at else None,
        sighting.ended_at.timestamp() if sighting.ended_at else None,
        sighting.misses,
        sighting.over_since.timestamp() if sighting.over_since else None,
    ]


def after_poll(
    before: Sightings,
    records: Iterable[SchedulerJob],
    everything: Collection[int],
    claimed: Collection[int],
    *,
    is_evidence: bool,
    now: datetime,
) -> tuple[Sightings, bool]:
    """What is known of a placement's tasks after a poll that showed these records of it; whether some are missing.

    `now` is by the database's clock.

    A task may run and end, and be forgotten by the scheduler, while nobody looks: the accounting database has it then.
    Missing in two polls in which that answered too (`is_evidence`), it waits with the rest, or is lost.
    """
    shown: dict[int | None, Sighting] = {}
    for record in records:
        for task in _tasks(record):
            if task not in shown or shown[task].is_over:
                shown[task] = _sighting(record, before.get(task), now)
    after = {**before, **shown}
    rest = after.get(None)
    if rest is not None and None not in shown and not rest.is_over:
        del after[None]
        rest = None
    searched, lost = everything, None
    if rest is not None:
        searched, lost = claimed, None if rest.is_over else Phase.WAITING
        for index in [index for index, one in after.items() if index not in shown and not one.is_over]:
            if index is not None and index not in claimed:
                del after[index]  # it waits again
    are_missing = False
    for index in searched:
        known = after.get(index, UNSEEN)
        if index in shown or known.is_over:
            continue
        if known.misses < MISSES_UNTIL_LOST:
            are_missing = True
            known = replace(known, misses=known.misses + is_evidence)
        if known.misses >= MISSES_UNTIL_LOST:
            known = Sighting(lost, misses=known.misses)
        if known != UNSEEN:
            after[index] = known
    for index, one in after.items():
        if one.ending is Ending.COMPLETED and one.over_since and now - one.over_since > LONG_COMPLETED:
            after[index] = replace(one, over_since=None)
    return after, are_missing


def _tasks(record: SchedulerJob) -> Sequence[int | None]:
    # Of tasks that were cancelled while they waited, all or some, there is one record, and maybe one for the rest.
    return tasks_named(record.tasks) or [record.task] if record.phase is Phase.ENDED else [record.task]


def tasks_named(tasks: str) -> list[int]:
    """The tasks that a scheduler's entry for several names; none when it does not say."""
    try:
        return array_indices(tasks) if tasks else []
    except ValueError:  # of somebody's own job that says it is ours
        return []


def _sighting(record: SchedulerJob, before: Sighting | None, now: datetime) -> Sighting:
    if record.phase is not Phase.ENDED:
        return Sighting(record.phase, reason=record.reason[:200], started_at=record.started_at)
    code, signal = record.exit_code, record.signal
    since: datetime | None = now
    if before is not None and before.is_over:
        since = before.over_since or (None if before.ending is Ending.COMPLETED else now)
        if code is None:  # remembered for a while only; said once, it stays true
            code, signal = before.exit_code, before.signal
    if record.ending is Ending.COMPLETED:  # most do: without times of their own they are stored together
        return Sighting(Phase.ENDED, Ending.COMPLETED, code, over_since=since)
    return Sighting(
        Phase.ENDED,
        record.ending or Ending.LOST_NODE,
        code,
        signal,
        record.reason[:200],
        record.started_at,
        record.ended_at,
        over_since=since,
    )


def waiting_reasons(sightings: Sightings) -> list[str]:
    """Why tasks wait, in the scheduler's words, each once, the rest's first; none when no task does."""
    waiting = (one for one in (sightings.get(None), *sightings.values()) if one and one.phase is Phase.WAITING)
    return list(dict.fromkeys(one.reason for one in waiting))


def ended_tasks(sightings: Sightings) -> set[int]:
    """The tasks that are over there."""
    return {index for index, one in sightings.items() if index is not None and one.is_over}


def gone_tasks(sightings: Sightings) -> set[int]:
    """The tasks that are not there any more: over, or lost."""
    return ended_tasks(sightings) | {index for index, one in sightings.items() if index is not None and one.is_lost}
