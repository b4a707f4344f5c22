"""Who cancelled a job that ended on its cluster before it could start, and not by us: was it a person who wished it?

Only the owner's and administrators' doing is a wish. Schedulers cancel by themselves too: such a job goes out again.
While nothing is known yet, the question stands, but not for ever: then it is taken for nobody's wish.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from secrets import SystemRandom
from typing import Protocol

import structlog
from django.db.models import Q
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.errors import DoorError
from tandem.jobs.cases import JobCase
from tandem.jobs.models import Job, Placement

log = structlog.get_logger()

# How long the accounting database may know of a cancelled job and not say by whom, or be silent altogether.
ASK_FOR = timedelta(minutes=5)
ASK_SILENT_FOR = timedelta(hours=1)
# A pass must stay short, however many jobs were cancelled: what does not fit into these is asked in a later one.
PLACEMENTS_PER_CALL = 200
CALLS = 20
AT_ONCE = 4

# By placement; None: it was asked, and nobody answered. One that is not in it was not asked this time.
Cancellers = Mapping[uuid.UUID, Collection[int] | None]


class Accounting(Protocol):
    """As much of a scheduler as is needed here. Asked as a job's owner, who may see it."""

    def cancelled_by(self, user: str, placements: Mapping[uuid.UUID, str]) -> Mapping[uuid.UUID, Collection[int]]: ...


def who_cancelled(cases: Sequence[JobCase], scheduler_of: Callable[[str], Accounting]) -> Cancellers:
    """The uids of those who did it, for all these judged jobs together: a call for each owner and so many placements.

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

    found: dict[uuid.UUID, Collection[int] | None] = {}
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
    who: set[int] = set()
    for placement in placements:
        if placement.pk not in found:
            continue
        uids = found[placement.pk]
        who |= set(uids or ())
        patience = ASK_SILENT_FOR if uids is None else ASK_FOR
        given_up = not uids and case.cancelled_for(placement) > patience
        if given_up or (uids and not _are_people(uids, case.job)):
            # Settled: its end is no person's wish, and no reason not to go out again.
            placement.cancel_sent_at = timezone.now()
            Placement.objects.filter(pk=placement.pk).update(cancel_sent_at=placement.cancel_sent_at)
    case.judge()
    if not _are_people(who, case.job):
        case.leave_open()
    elif case.job.array:
        case.take_cancels()


def _in_question(case: JobCase) -> list[Placement]:
    if not any(verdict.was_cancelled_outside for verdict in case.verdicts.values()):
        return []
    return [placement for placement in case.placements if case.was_cancelled_by_others(placement)]


def _are_people(uids: Collection[int], job: Job) -> bool:
    """Whether one of these is the job's owner or an administrator; all of them, where each may have ended one task."""
    people = Q(pk=job.owner_id) | Q(is_administrator=True)
    found = set(Person.objects.filter(people, uid__in=uids).values_list("uid", flat=True)) if uids else set()
    return found >= set(uids) if uids and job.array else bool(found)
