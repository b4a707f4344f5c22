"""Who cancelled a job that ended on its cluster before it could start, and not by us: was it a person who wished it?

Only the owner's and administrators' doing is a wish. Schedulers cancel by themselves too: such a job goes out again.
While nothing is known yet, the question stands, but not for ever: then it is taken for nobody's wish.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from secrets import SystemRandom
from typing import Protocol

import structlog
from django.db.models import Q
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.errors import DoorError
from tandem.clusters.scheduler import Cancel
from tandem.jobs.cases import JobCase
from tandem.jobs.models import Job, Placement
from tandem.jobs.sightings import tasks_named
from tandem.jobs.wishes import explain

log = structlog.get_logger()

# How long the accounting database may know of a cancelled job and not say by whom, or be silent altogether.
ASK_FOR = timedelta(minutes=5)
ASK_SILENT_FOR = timedelta(hours=1)
# A pass must stay short, however many jobs were cancelled: what does not fit into these is asked in a later one.
PLACEMENTS_PER_CALL = 200
CALLS = 20
AT_ONCE = 4

# By placement; None: it was asked, and nobody answered. One that is not in it was not asked this time.
Cancellers = Mapping[uuid.UUID, Collection[Cancel] | None]


class Accounting(Protocol):
    """As much of a scheduler as is needed here. Asked as a job's owner, who may see it."""

    def cancelled_by(
        self, user: str, placements: Mapping[uuid.UUID, str]
    ) -> Mapping[uuid.UUID, Collection[Cancel]]: ...


def who_cancelled(cases: Sequence[JobCase], scheduler_of: Callable[[str], Accounting]) -> Cancellers:
    """Who did it, for all these judged jobs together: a call for each owner and so many placements.

    Writes nothing down; a cluster that did not answer once is not asked again.
    """
    groups: dict[tuple[str, str], list[Placement]] = defaultdict(list)
    for case in cases:
        for placement in _in_question(case):
            groups[placement.cluster, case.job.owner.username].append(placement)
    calls = [
        (cluster, owner, group[start : start + PLACEMENTS_PER_CALL])
        for (cluster, owner), group in groups.items()
        for start in range(0, len(group), PLACEMENTS_PER_CALL)
    ]
    # In no order, so that none waits behind the same others at every pass.
    calls = SystemRandom().sample(calls, min(CALLS, len(calls)))
    silent = {cluster for cluster, _, _ in calls if cluster not in cases[0].around.answering}

    def ask(call: tuple[str, str, list[Placement]]) -> Cancellers:
        # Runs beside others, on a thread of the pool: no database here.
        cluster, owner, placements = call
        try:
            if cluster not in silent:
                found = scheduler_of(cluster).cancelled_by(owner, {one.pk: one.scheduler_id for one in placements})
                return {one.pk: found.get(one.pk, ()) for one in placements}
        except DoorError as problem:
            log.info("who cancelled jobs cannot be asked", cluster=cluster, owner=owner, error=str(problem))
            silent.add(cluster)
        return {one.pk: None for one in placements}

    found: dict[uuid.UUID, Collection[Cancel] | None] = {}
    if calls:
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="who-cancelled") as pool:
            for answers in pool.map(ask, calls):
                found |= answers
    return found


def weigh(case: JobCase, found: Cancellers) -> None:
    """Judge a job that this is the question of once more, with what was found; writes down what is settled by it."""
    placements = _in_question(case)
    if not placements:
        return
    people = _people(case.job, found)
    wished: set[int] = set()
    for placement in placements:
        if placement.pk not in found:
            continue
        tasks, cancels = case.cancelled_by_others(placement), found[placement.pk]
        who = _by_task(tasks, cancels or ())
        patience = ASK_SILENT_FOR if cancels is None else ASK_FOR
        # One task may be the owner's doing, and another the scheduler's own.
        wished |= {task for task in tasks if _is_wish(who[task], people, case.job)}
        settled = {task for task in tasks if who[task] or case.cancelled_for(placement, task) > patience} - wished
        if settled and case.job.array:
            explain(placement, settled)
        elif settled:
            placement.cancel_sent_at = timezone.now()
            Placement.objects.filter(pk=placement.pk).update(cancel_sent_at=placement.cancel_sent_at)
    case.judge()
    case.weigh_cancels(wished)


def _in_question(case: JobCase) -> list[Placement]:
    if not any(verdict.was_cancelled_outside for verdict in case.verdicts.values()):
        return []
    return [placement for placement in case.placements if case.cancelled_by_others(placement)]


def _by_task(tasks: Collection[int], cancels: Iterable[Cancel]) -> dict[int, set[int]]:
    """The uids of those who cancelled each of the tasks. Who cancelled nobody knows which may have cancelled any."""
    who: dict[int, set[int]] = {task: set() for task in tasks}
    for one in cancels:
        for task in set(tasks_named(one.tasks) or tasks) & who.keys():
            who[task].add(one.uid)
    return who


def _people(job: Job, found: Cancellers) -> set[int]:
    """Of all uids found, those of the job's owner and of administrators."""
    uids = {one.uid for cancels in found.values() for one in cancels or ()}
    people = Q(pk=job.owner_id) | Q(is_administrator=True)
    return set(Person.objects.filter(people, uid__in=uids).values_list("uid", flat=True)) if uids else set()


def _is_wish(uids: set[int], people: set[int], job: Job) -> bool:
    """Whether one of these is the job's owner or an administrator; all of them, where it is not said which task each
    of them ended.
    """
    return bool(uids) and (uids <= people if job.array else not uids.isdisjoint(people))
