"""What people, and the protocol itself, want of the scheduler: asked of it at each pass until it is so.

An administrator's wish is asked for as that administrator: that he may do it is for the scheduler to say, not for us.
"""

import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from tandem.clusters.errors import DoorError
from tandem.clusters.scheduler import Phase, Wait, wait_of
from tandem.jobs.cases import JobCase
from tandem.jobs.control import ranges
from tandem.jobs.models import FINAL_STATES, LIVE_PLACEMENTS, Job, JobState, Placement, PlacementState, Task
from tandem.jobs.patience import Patience

log = structlog.get_logger()


class Scheduler(Protocol):
    """As much of a scheduler as is needed here. Placements are found by (owner, id), never by the scheduler's id."""

    def cancel(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None: ...
    def cancel_waiting(self, user: str, placement: uuid.UUID, tasks: Collection[int] = ()) -> None: ...
    def hold(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None: ...
    def release(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None: ...
    def requeue(
        self, user: str, placement: uuid.UUID, owner: str | None = None, *, until: datetime | None = None
    ) -> None: ...


def carry_out_wishes(case: JobCase, scheduler_of: Callable[[str], Scheduler]) -> None:
    """Ask the schedulers for what is wanted of a job's placements; what fails is asked for again at the next pass."""
    job, owner = case.job, case.job.owner.username
    live = [
        placement
        for placement in case.placements
        if placement.state == PlacementState.SUBMITTED and placement.cluster in case.around.answering
    ]
    if job.cancel_wanted_at is not None:
        by = job.cancel_wanted_by.username if job.cancel_wanted_by else owner
        for placement in live:
            cancel(placement, scheduler_of(placement.cluster), by, owner)
        return
    for placement in case.losers():
        if placement in live:
            cancel(placement, scheduler_of(placement.cluster), owner, owner)
    for placement in live:
        _end_what_never_starts(placement, scheduler_of(placement.cluster), owner)
    for placement in live:
        if placement.waits_for:
            _hold_or_release(placement, job, scheduler_of(placement.cluster))
    if job.requeue_wanted_at is not None:
        _requeue(case, live, scheduler_of)


def _hold_or_release(placement: Placement, job: Job, scheduler: Scheduler) -> None:
    """Until the scheduler shows it so. That a hold was asked for is noted first: its answer may get lost; and for good:
    it may arrive when it is wished no more (see placements.py).
    """
    rows = Placement.objects.filter(pk=placement.pk)
    held = [wait_of(reason) is Wait.HELD for reason in placement.waits_for]
    if job.hold_wanted and not (placement.held and all(held)):
        rows.update(held=True, hold_sent=True)
        _ask(scheduler.hold, placement, job)
    elif placement.held and not job.hold_wanted and (not any(held) or _ask(scheduler.release, placement, job) is None):
        rows.update(held=False)


def _end_what_never_starts(placement: Placement, scheduler: Scheduler, owner: str) -> None:
    """What nobody but an operator could let start is ended, and goes out again under another id; of an array no more
    than these tasks. If somebody did let it start meanwhile, it runs on.
    """
    if not any(wait_of(reason) is Wait.STUCK for reason in placement.waits_for):
        return
    stuck = {
        index
        for index, seen in placement.seen_tasks.items()
        if index is not None and seen.phase is Phase.WAITING and wait_of(seen.reason) is Wait.STUCK
    }
    if not placement.array:
        _note_cancel(placement)
    elif not (stuck and explain(placement, stuck)):
        return
    with _told(placement):
        scheduler.cancel_waiting(owner, placement.pk, stuck)


def explain(placement: Placement, tasks: Collection[int]) -> bool:
    """Note that these array tasks are not cancelled because a person wished it. False: another worker was quicker."""
    before, explained = placement.explained, ranges(placement.explained_tasks | set(tasks))
    if explained == before:
        return True
    placement.explained, placement.explained_tasks = explained, placement.explained_tasks | frozenset(tasks)
    return bool(Placement.objects.filter(pk=placement.pk, explained=before).update(explained=explained))


def _requeue(case: JobCase, live: list[Placement], scheduler_of: Callable[[str], Scheduler]) -> None:
    """Ask until what ran at the wish runs no more. Until then the wish stays: a worker may die at any point.

    Asked twice, a later run must not be stopped too. So which runs are meant is noted first, by when the scheduler
    started them, and it is asked for those only. What was placed after the wish has started again already.
    """
    job = case.job
    meant = [one for one in case.placements if job.requeue_wanted_at and one.created_at <= job.requeue_wanted_at]
    is_open = False
    for placement in meant:
        if placement not in live:
            # Nothing is known of it now: it is told once its cluster answers, and has it. One that lost it cannot be
            # told: the wish stands for as long as its run does.
            is_open |= placement.state in LIVE_PLACEMENTS or (
                placement.state == PlacementState.LOST and case.has_run(placement)
            )
            continue
        runs = case.starts_of(placement)
        if runs is None:
            is_open = True
            continue
        if runs and placement.requeue_until is None and not _note_runs(placement, max(runs)):
            return  # another worker does it
        if placement.requeue_until and any(start <= placement.requeue_until for start in runs):
            is_open = True
            _ask(partial(scheduler_of(placement.cluster).requeue, until=placement.requeue_until), placement, job)
    if not is_open:
        with transaction.atomic():
            if Job.objects.filter(pk=job.pk, requeue_wanted_at=job.requeue_wanted_at).update(requeue_wanted_at=None):
                Placement.objects.filter(job=job).exclude(requeue_until=None).update(requeue_until=None)


def _note_runs(placement: Placement, until: datetime) -> bool:
    placement.requeue_until = until
    return bool(Placement.objects.filter(pk=placement.pk, requeue_until=None).update(requeue_until=until))


def cancel(placement: Placement, scheduler: Scheduler, by: str, owner: str) -> None:
    """Have the scheduler end a placement's jobs. That it was us who asked is noted first: its end is then no news."""
    _note_cancel(placement)
    with _told(placement):
        scheduler.cancel(by, placement.pk, None if by == owner else owner)


def _note_cancel(placement: Placement) -> None:
    if placement.cancel_sent_at is None:
        Placement.objects.filter(pk=placement.pk, cancel_sent_at=None).update(cancel_sent_at=timezone.now())


@contextmanager
def _told(placement: Placement) -> Iterator[None]:
    try:
        yield
    except DoorError as problem:
        log.info("a placement could not be cancelled", placement=str(placement.pk), error=str(problem))


def _ask(verb: Callable[[str, uuid.UUID, str | None], None], placement: Placement, job: Job) -> DoorError | None:
    """None when the scheduler did as asked, else what came in between."""
    owner = job.owner.username
    by = job.asked_by.username if job.asked_by else owner
    try:
        verb(by, placement.pk, None if by == owner else owner)
    except DoorError as problem:
        log.info("the scheduler did not do as asked", placement=str(placement.pk), error=str(problem))
        return problem
    return None


def cancel_leftovers(cluster: str, scheduler: Scheduler) -> None:
    """End what a cluster still has of jobs that are over: placements that lost, or that it had while it was silent.

    The run that a job's result is of ends by itself; what runs of a restartable job's others finds its claims closed.
    What waits could not do more than that, and may wait for ever.
    """
    cancelled = Q(job__state=JobState.CANCELLED) | Q(job__cancel_wanted_at__isnull=False)
    owns = Exists(Task.objects.filter(owner=OuterRef("pk")))
    leftovers = Placement.objects.filter(
        cancelled | Q(phase=Phase.WAITING) | (~owns & Q(job__restartable=False)),
        cluster=cluster,
        state=PlacementState.SUBMITTED,
        job__state__in=FINAL_STATES,
    )
    if not leftovers.exists():  # as nearly always: whole rows cost more to ask for than to find
        return
    patience = Patience()
    for placement in leftovers.select_related("job__owner", "job__cancel_wanted_by")[:100]:
        owner = placement.job.owner.username
        wanted_by = placement.job.cancel_wanted_by
        if not patience.is_out_for(placement.job.owner_id):
            with patience.spent_on(placement.job.owner_id):
                cancel(placement, scheduler, wanted_by.username if wanted_by else owner, owner)
