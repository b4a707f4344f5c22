"""Placements, as clusters' answers and polls change them: by compare-and-swap on the state that a change started from.

new        -> SUBMITTING  the row is committed; its id goes to the scheduler once only
SUBMITTING -> SUBMITTED   an answer with the scheduler's id
           -> REFUSED     the scheduler's no, and a look-up finds nothing
           -> NOT_SENT    connecting failed before anything was sent
           -> DOUBT       time is over, the answer is lost, the worker is gone
SUBMITTED, DOUBT -> LOST  missing in two polls that started after the last answer, and in a look-up; cluster UP
LOST, DOUBT -> SUBMITTED  seen in any later poll
any        -> ENDED       over, and not live; ENDED -> SUBMITTED if it is live again
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from tandem.clock import database_now
from tandem.clusters.models import Cluster, ClusterState
from tandem.clusters.scheduler import ClusterPicture, Ending, Phase, SchedulerJob, Wait, wait_of
from tandem.jobs.models import FINAL_STATES, Followed, Job, Placement, PlacementState, Task, job_id_of
from tandem.jobs.sightings import MISSES_UNTIL_LOST, after_poll, stored
from tandem.jobs.submission import array_indices
from tandem.jobs.transactions import done_again

log = structlog.get_logger()

SUBMITTING_AT_MOST = timedelta(seconds=40)

# An array's tasks end differently; what went wrong counts.
_WORST = [Ending.FAILED, Ending.TIMEOUT, Ending.LOST_NODE, Ending.CANCELLED, Ending.COMPLETED]
_LIVELIEST = [Phase.RUNNING, Phase.SUSPENDED, Phase.WAITING]
_COMPARED = (
    "state",
    "phase",
    "ending",
    "scheduler_id",
    "scheduler_state",
    "scheduler_reason",
    "nodes",
    "exit_code",
    "signal",
    "started_at",
    "ended_at",
    "misses",
    "sightings",
    "held",
)


@dataclass(slots=True)
class Applied:
    """What a poll brought: jobs with a change, and placements missed often enough to look them up.

    With `unseen_since`, some placement or task of one was not seen: the next poll is to ask the accounting database
    from then on.
    `waiting` has those that wait as before, by what the scheduler now says of it: that is only to be shown.
    `strangers` are not Tandem's: see outside.py. `now` is when it was applied, by the database's clock.
    """

    now: datetime
    changed: set[uuid.UUID] = field(default_factory=set)
    missing: list[uuid.UUID] = field(default_factory=list)
    unseen_since: datetime | None = None
    waiting: dict[tuple[str, str], list[Placement]] = field(default_factory=lambda: defaultdict(list))
    strangers: list[SchedulerJob] = field(default_factory=list)


@done_again
def apply_picture(cluster: str, picture: ClusterPicture) -> Applied | None:
    """Bring the placements of a cluster up to what a poll saw. None when a newer poll was there first.

    Locks the cluster's `Followed` row for the duration, so that polls are taken into account in their order, whichever
    worker made them and however long it slept in between. Placements change by compare-and-swap: dispatch goes on.
    """
    seen = _by_placement(picture)
    Followed.objects.get_or_create(cluster=cluster)
    with transaction.atomic():
        followed = Followed.objects.select_for_update().get(cluster=cluster)
        if followed.poll_number >= picture.poll:
            return None
        Followed.objects.filter(cluster=cluster).update(poll_number=picture.poll)
        evidence = picture.ended_since is not None and picture.drained and _is_up(cluster)
        strangers = [job for job in (*picture.jobs, *picture.ended) if not job.placement]
        applied = Applied(database_now(), strangers=strangers)
        known = _known_placements(cluster, seen)
        claimed = _claimed_tasks([one for username, one in known if one.array and (username, one.pk) in seen])
        for username, placement in known:
            records = seen.pop((username, placement.pk), [])
            _take_into_account(placement, records, picture, evidence, applied, claimed.get(placement.pk, ()))
        for (user, placement_id), records in seen.items():
            if adopted := adopt(user, placement_id, cluster, PlacementState.SUBMITTED, records=records):
                applied.changed.add(adopted.job_id)
            else:
                applied.strangers += records
        for (state, reason), placements in applied.waiting.items():
            _still_waiting(placements, state, reason)
    return applied


def _still_waiting(placements: Sequence[Placement], state: str, reason: str) -> None:
    """One change for all placements of which the scheduler says the same: a thousand may come in at once."""
    ids = [placement.pk for placement in placements]
    for start in range(0, len(ids), 500):
        rows = Placement.objects.filter(pk__in=ids[start : start + 500], state=PlacementState.SUBMITTED)
        rows.update(scheduler_state=state, scheduler_reason=reason, phase=Phase.WAITING, misses=0)


def _is_up(cluster: str) -> bool:
    return Cluster.objects.filter(name=cluster, state=ClusterState.UP).exists()


def _by_placement(picture: ClusterPicture) -> dict[tuple[str, uuid.UUID], list[SchedulerJob]]:
    """By (user, id): anybody can write a visible id anywhere, so the user counts."""
    found: dict[tuple[str, uuid.UUID], list[SchedulerJob]] = defaultdict(list)
    for job in (*picture.jobs, *picture.ended):
        if job.placement:
            found[job.user, uuid.UUID(job.placement)].append(job)
    return found


def _known_placements(cluster: str, seen: Iterable[tuple[str, uuid.UUID]]) -> list[tuple[str, Placement]]:
    """Those that may still change, and those that should not but are seen; with their owners' login names."""
    going_on = ~Q(job__state__in=FINAL_STATES) | Q(job__correctable_until__gt=timezone.now())
    watched = Q(state__in=(PlacementState.SUBMITTING, PlacementState.SUBMITTED, PlacementState.DOUBT, "LOST"))
    annotated = Placement.objects.filter(cluster=cluster).annotate(username=F("job__owner__username"))
    known = {placement.pk: placement for placement in annotated.filter(going_on | watched)}
    others = [placement_id for _, placement_id in seen if placement_id not in known]
    for start in range(0, len(others), 500):
        known.update({row.pk: row for row in annotated.filter(pk__in=others[start : start + 500])})
    return [(str(row.__dict__["username"]), row) for row in known.values()]


def _claimed_tasks(arrays: Sequence[Placement]) -> dict[uuid.UUID, set[int]]:
    """By placement, the tasks that its runs hold and that are not over."""
    found: dict[uuid.UUID, set[int]] = defaultdict(set)
    rows = Task.objects.exclude(state__in=FINAL_STATES).filter(owner__in=[placement.pk for placement in arrays])
    for owner, index in rows.values_list("owner", "index") if arrays else ():
        found[owner].add(index)
    return found


def _take_into_account(
    placement: Placement,
    records: list[SchedulerJob],
    picture: ClusterPicture,
    evidence: bool,
    applied: Applied,
    claimed: Collection[int],
) -> None:
    if records:
        changes = as_fields(records)
        since = look_up_from(placement)
        if placement.array:
            is_evidence = evidence and picture.ended_since is not None and picture.ended_since <= since
            changes["sightings"], are_missing = _sightings(placement, records, claimed, is_evidence, applied.now)
            if are_missing:
                applied.unseen_since = min(since, applied.unseen_since or since)
        if placement.hold_sent and any(_is_held(record) for record in records):
            changes["held"] = True  # a hold that was on its way for long: to be undone like any that is wished no more
        if _only_waits_on(placement, changes):
            applied.waiting[changes["scheduler_state"], changes["scheduler_reason"]].append(placement)
            return
    elif placement.state == PlacementState.SUBMITTING:
        if applied.now - placement.state_since < SUBMITTING_AT_MOST:
            return
        changes = {"state": PlacementState.DOUBT, "poll_number": picture.poll}
    elif placement.state in (PlacementState.SUBMITTED, PlacementState.DOUBT):
        if picture.poll <= placement.poll_number:
            return
        since = look_up_from(placement)
        applied.unseen_since = min(since, applied.unseen_since or since)
        if not evidence or (picture.ended_since and picture.ended_since > since):
            return
        changes = {"misses": min(placement.misses + 1, MISSES_UNTIL_LOST)}
        if changes["misses"] == MISSES_UNTIL_LOST:
            applied.missing.append(placement.pk)
    else:
        return
    if change(placement, changes, applied.now):
        applied.changed.add(placement.job_id)
        if changes.get("state") == PlacementState.ENDED:
            # A job is over as soon as its result is read; what the scheduler says in the end is shown all the same.
            over = Job.objects.filter(pk=placement.job_id, state__in=FINAL_STATES, cluster=placement.cluster)
            over.filter(Q(tasks__owner=placement.pk) | Q(tasks=None)).update(
                scheduler_state=changes["scheduler_state"], scheduler_reason=changes["scheduler_reason"]
            )


def _is_held(record: SchedulerJob) -> bool:
    return record.phase is Phase.WAITING and wait_of(record.reason) is Wait.HELD


def _only_waits_on(placement: Placement, changes: dict[str, Any]) -> bool:
    """Whether it waited before and does now, and nothing but the scheduler's words for it changes."""
    if placement.phase != Phase.WAITING or changes["phase"] != Phase.WAITING:
        return False
    differing = {name for name, value in changes.items() if getattr(placement, name) != value}
    return bool(differing) and differing <= {"scheduler_state", "scheduler_reason", "misses"}


def _sightings(
    placement: Placement, records: Sequence[SchedulerJob], claimed: Collection[int], is_evidence: bool, now: datetime
) -> tuple[list[list[Any]], bool]:
    known, everything = placement.seen_tasks, array_indices(placement.array)
    after, are_missing = after_poll(known, records, everything, claimed, is_evidence=is_evidence, now=now)
    return stored(after), are_missing


def as_fields(records: Sequence[SchedulerJob]) -> dict[str, Any]:
    """What the scheduler's records of one placement say, as the placement's fields."""
    live = [record for record in records if record.phase is not Phase.ENDED]
    if live:
        chosen = min(live, key=lambda record: _LIVELIEST.index(record.phase))
        state, ending, exit_code, signal, ended_at = PlacementState.SUBMITTED, "", None, None, None
    else:
        chosen = min(records, key=lambda record: _WORST.index(record.ending or Ending.LOST_NODE))
        state, ending = PlacementState.ENDED, chosen.ending or Ending.LOST_NODE
        exit_code, signal = chosen.exit_code, chosen.signal
        ended_at = max((record.ended_at for record in records if record.ended_at), default=None)
    return {
        "state": state,
        "phase": chosen.phase,
        "ending": ending,
        "scheduler_id": chosen.scheduler_id,
        "scheduler_state": chosen.state[:40],
        "scheduler_reason": chosen.reason[:200],
        "nodes": chosen.nodes,
        "exit_code": exit_code,
        "signal": signal,
        "started_at": min((record.started_at for record in records if record.started_at), default=None),
        "ended_at": ended_at,
        "misses": 0,
    }


def change(placement: Placement, changes: dict[str, Any], now: datetime | None = None) -> bool:
    """Compare-and-swap on the placement's state; False when nothing is to change, or somebody else got there first.

    `now` is by the database's clock, for who has asked it already.
    """
    differing = {name: value for name, value in changes.items() if getattr(placement, name) != value}
    if not differing.keys() & {*_COMPARED, "poll_number"}:
        return False
    if "state" in differing:
        differing["state_since"] = now or database_now()
    rows = Placement.objects.filter(pk=placement.pk, state=placement.state)
    # The scheduler remembers an exit code only for a while; what it said once stays true.
    if placement.state == PlacementState.ENDED == changes.get("state"):
        differing = {name: value for name, value in differing.items() if value is not None}
    return bool(differing and rows.update(**differing))


def adopt(
    username: str,
    placement_id: uuid.UUID,
    cluster: str,
    state: PlacementState,
    *,
    job: Job | None = None,
    records: Sequence[SchedulerJob] = (),
) -> Placement | None:
    """Make a row for a placement that the database does not know, as after its restore from a backup.

    Its id leads back to its job; only jobs of the user who has it on the cluster count. None when there is no such job.
    """
    if job is None:
        job = Job.objects.filter(pk=job_id_of(placement_id), owner__username=username).first()
        if job is None:
            return None
    fields = as_fields(records) if records else {"state": state}
    number = Cluster.objects.filter(name=cluster).values_list("poll_number", flat=True).first() or 0
    placement, is_new = Placement.objects.get_or_create(
        pk=placement_id,
        defaults={
            "job": job,
            "cluster": cluster,
            "array": job.array,
            "poll_number": number,
            "state_since": database_now(),
            **fields,
        },
    )
    if is_new:
        log.warning("adopted a placement that was forgotten", placement=str(placement_id), job=str(job.pk))
    return placement if is_new else None


@done_again
def mark_lost(placement: Placement, looked_up: Sequence[SchedulerJob], poll: int) -> bool:
    """The last look before giving a placement up: by (user, id), from before it was sent. True when it changed.

    As polls do, it locks the cluster's `Followed` row: when another poll than the one that missed it has been taken
    into account meanwhile, that one knows better.
    """
    with transaction.atomic():
        followed = Followed.objects.select_for_update().get(cluster=placement.cluster)
        if followed.poll_number != poll:
            return False
        return _mark_lost(placement, looked_up, database_now())


def _mark_lost(placement: Placement, looked_up: Sequence[SchedulerJob], now: datetime) -> bool:
    if looked_up:
        changes = as_fields(looked_up)
        if placement.array:
            claimed = _claimed_tasks([placement]).get(placement.pk, ())
            changes["sightings"], _ = _sightings(placement, looked_up, claimed, False, now)
        return change(placement, changes, now)
    rows = Placement.objects.filter(pk=placement.pk, state=placement.state, misses__gte=MISSES_UNTIL_LOST)
    lost = rows.update(state=PlacementState.LOST, state_since=now)
    if lost:
        log.warning("a placement was lost", placement=str(placement.pk), cluster=placement.cluster)
    return bool(lost)


def look_up_from(placement: Placement) -> datetime:
    """From when on the accounting database is asked for it: generously before it can have been sent."""
    return placement.created_at - timedelta(hours=1)
