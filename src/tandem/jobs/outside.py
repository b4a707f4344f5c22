"""Jobs that people submitted on a cluster itself: kept as its polls show them, cancelled when somebody wants that.

They are not Tandem's: nothing is placed, claimed or taken over. What the scheduler says is what they are.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.errors import ClusterRefused, DoorError
from tandem.clusters.models import Cluster, ClusterState
from tandem.clusters.scheduler import ClusterPicture, Ending, Phase, SchedulerJob
from tandem.jobs.models import FINAL_STATES, OPEN_OUTSIDE, Event, JobState, OutsideJob
from tandem.jobs.patience import Patience
from tandem.jobs.placements import as_fields
from tandem.jobs.sightings import MISSES_UNTIL_LOST
from tandem.jobs.transactions import done_again

log = structlog.get_logger()

# How long one is listed after its end, or after its cluster was found to know nothing of it.
KEPT = timedelta(days=7)
# `seen_at` is written that often, not at each poll: it only says how far back the accounting database is asked.
SEEN_EVERY = timedelta(minutes=10)
MARGIN = timedelta(hours=1)
CHUNK = 500

STATES = {
    Phase.WAITING: JobState.PENDING,
    Phase.RUNNING: JobState.RUNNING,
    Phase.SUSPENDED: JobState.SUSPENDED,
}
ENDS = {
    Ending.COMPLETED: JobState.COMPLETED,
    Ending.FAILED: JobState.FAILED,
    Ending.CANCELLED: JobState.CANCELLED,
    Ending.TIMEOUT: JobState.TIMEOUT,
    Ending.LOST_NODE: JobState.FAILED,
}
Submission = tuple[str, datetime]


class Cancels(Protocol):
    """As much of a scheduler as is needed here."""

    def cancel_outside(self, user: str, scheduler_id: str, submitted_at: datetime, owner: str) -> None: ...


def take_in(cluster: str, strangers: Sequence[SchedulerJob], picture: ClusterPicture) -> datetime | None:
    """Bring the outside jobs of a cluster up to what a poll saw of them; only those of people of the environment.

    1. What the poll saw is compared with what is known, and each difference written, unless a later poll was there.
    2. One that was open and is seen no more has ended out of sight: answers since when the accounting database is to
       be asked about it. When that knows nothing either, twice, the cluster has forgotten it.

    No locks: rows change by compare-and-swap on the number of the poll that changed them last.
    """
    people = dict(Person.objects.values_list("username", "pk"))
    seen: dict[Submission, list[SchedulerJob]] = defaultdict(list)
    for record in strangers:
        if record.user in people and record.submitted_at:
            seen[record.scheduler_id, record.submitted_at].append(record)
    known = _known(cluster, {scheduler_id for scheduler_id, _ in seen})
    unseen = [row for submission, row in known.items() if submission not in seen and not row.is_over]
    for submission, records in seen.items():
        row = known.get(submission) or _requeued(records[0], unseen, people)
        if row is None:
            _add(cluster, submission, records, people, picture.poll)
        else:
            _change(row, _fields(records, submission[1]), picture.poll)
    now = timezone.now()
    old = [row.pk for submission, row in known.items() if submission in seen and now - row.seen_at > SEEN_EVERY]
    for start in range(0, len(old), CHUNK):
        OutsideJob.objects.filter(pk__in=old[start : start + CHUNK]).update(seen_at=now)
    return _miss(cluster, unseen, picture)


def _known(cluster: str, ids: set[str]) -> dict[Submission, OutsideJob]:
    """Those that are open, and those that the poll may have seen."""
    rows = list(OutsideJob.objects.filter(OPEN_OUTSIDE, cluster=cluster))
    others = sorted(ids)
    for start in range(0, len(others), CHUNK):
        rows += OutsideJob.objects.filter(cluster=cluster, scheduler_id__in=others[start : start + CHUNK]).exclude(
            OPEN_OUTSIDE
        )
    return {(row.scheduler_id, row.created_at): row for row in rows}


def _requeued(record: SchedulerJob, unseen: list[OutsideJob], people: dict[str, int]) -> OutsideJob | None:
    """The same job under a new time of submission, which a scheduler gives to one that it puts back into its queue."""
    for row in unseen:
        same = (row.scheduler_id, row.owner_id, row.name) == (
            record.scheduler_id,
            people[record.user],
            record.name[:200],
        )
        if same and record.submitted_at and record.submitted_at > row.created_at:
            unseen.remove(row)
            return row
    return None


def _fields(records: Sequence[SchedulerJob], submitted_at: datetime) -> dict[str, Any]:
    told = as_fields(records)
    state = STATES.get(told["phase"]) or ENDS[told["ending"]]
    return {
        "state": state,
        "reason": "its node was lost" if told["ending"] == Ending.LOST_NODE else "",
        "name": records[0].name[:200],
        "queue": records[0].queue[:80],
        "scheduler_state": told["scheduler_state"],
        "scheduler_reason": told["scheduler_reason"],
        "nodes": told["nodes"],
        "exit_code": told["exit_code"],
        "created_at": submitted_at,
        "started_at": told["started_at"],
        "ended_at": told["ended_at"],
        "misses": 0,
        "gone_at": None,
    }


@done_again
def _add(
    cluster: str, submission: Submission, records: Sequence[SchedulerJob], people: dict[str, int], poll: int
) -> None:
    now, fields = timezone.now(), _fields(records, submission[1])
    if (fields["ended_at"] or now) < now - KEPT:
        return
    row = OutsideJob(
        owner_id=people[records[0].user],
        cluster=cluster,
        scheduler_id=submission[0],
        state_since=now,
        seen_at=now,
        poll_number=poll,
        **fields,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            _tell(row)
    except IntegrityError:
        log.info("another worker was first to see a job", cluster=cluster, job=submission[0])


@done_again
def _change(row: OutsideJob, fields: dict[str, Any], poll: int) -> bool:
    """Compare-and-swap on the poll's number; False when nothing is to change, or a later poll was there first."""
    if row.state == fields.get("state"):
        # Why it was not cancelled stays with it. The scheduler remembers an exit code only for a while.
        fields = fields | {"reason": fields["reason"] or row.reason}
        if row.is_final:
            fields = {name: value for name, value in fields.items() if value is not None}
    differing = {name: value for name, value in fields.items() if getattr(row, name) != value}
    if not differing:
        return False
    told = differing.keys() - {"misses"}
    if "state" in differing:
        differing["state_since"] = timezone.now()
    with transaction.atomic():
        if not OutsideJob.objects.filter(pk=row.pk, poll_number__lt=poll).update(poll_number=poll, **differing):
            return False
        for name, value in differing.items():
            setattr(row, name, value)
        if told:
            _tell(row)
    return True


def _miss(cluster: str, unseen: Sequence[OutsideJob], picture: ClusterPicture) -> datetime | None:
    """What a poll did not see counts only when everything was asked: squeue, and the accounting database."""
    if not unseen:
        return None
    since = min(row.seen_at for row in unseen) - MARGIN
    is_up = Cluster.objects.filter(name=cluster, state=ClusterState.UP).exists()
    for row in unseen:
        if picture.ended_since is None or not (is_up and picture.drained):
            break
        if picture.ended_since > row.seen_at - MARGIN:
            continue
        fields: dict[str, Any] = {"misses": row.misses + 1}
        if row.misses + 1 >= MISSES_UNTIL_LOST:
            words = f"{cluster} knows nothing of it any more: how it ended is not known"
            fields |= {"state": JobState.UNKNOWN, "reason": words, "gone_at": timezone.now()}
        _change(row, fields, picture.poll)
    return since


@done_again
def show_silence(cluster: str, since: str) -> None:
    """Call the open jobs of a cluster that does not answer UNKNOWN: they may run on, unseen. One change for all."""
    shown = OutsideJob.objects.filter(OPEN_OUTSIDE, cluster=cluster).exclude(state=JobState.UNKNOWN)
    with transaction.atomic():
        rows = list(shown.values_list("pk", "owner"))
        for start in range(0, len(rows), CHUNK):
            ids = [pk for pk, _ in rows[start : start + CHUNK]]
            some = OutsideJob.objects.filter(OPEN_OUTSIDE, pk__in=ids)
            reason = f"{cluster} does not answer{since}"
            some.update(state=JobState.UNKNOWN, state_since=timezone.now(), reason=reason)
        Event.objects.bulk_create(Event(owner_id=owner, outside_job=pk, kind="outside.change") for pk, owner in rows)


def carry_out_cancels(cluster: str, scheduler: Cancels) -> None:
    """Ask for the end of those that are to end, until they have. What the scheduler refuses is told and dropped."""
    wanted = OutsideJob.objects.filter(OPEN_OUTSIDE, cluster=cluster, cancel_wanted_at__isnull=False)
    if not wanted.exists():
        return
    patience = Patience()
    for job in wanted.select_related("owner", "cancel_wanted_by"):
        by = job.cancel_wanted_by or job.owner
        if patience.is_out_for(by.pk):
            continue
        try:
            with patience.spent_on(by.pk):
                scheduler.cancel_outside(by.username, job.scheduler_id, job.created_at, job.owner.username)
        except ClusterRefused as refused:
            _drop_cancel(job, f"not cancelled: {refused}")
        except DoorError as problem:
            log.info("a job outside the portal is not cancelled yet", job=str(job), error=str(problem))


@done_again
def _drop_cancel(job: OutsideJob, reason: str) -> None:
    with transaction.atomic():
        rows = OutsideJob.objects.filter(pk=job.pk, cancel_wanted_at=job.cancel_wanted_at)
        if rows.update(cancel_wanted_at=None, reason=reason):
            _tell(job)


def _tell(job: OutsideJob) -> None:
    Event.objects.create(owner_id=job.owner_id, outside_job=job.pk, kind="outside.change")


def forget_outside_jobs() -> int:
    """Forget those that ended, or were lost sight of, more than `KEPT` ago. How many."""
    before = timezone.now() - KEPT
    ended = Q(state__in=FINAL_STATES) & (Q(ended_at__lt=before) | Q(ended_at=None, state_since__lt=before))
    return OutsideJob.objects.filter(ended | Q(gone_at__lt=before)).delete()[0]
