"""Writing down what a job is found to be: its own row, its tasks' rows, the event that tells of it.

Every change of a job is a compare-and-swap on the state it was judged from. Who finds it changed leaves it: the next
pass judges anew.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, OuterRef, Q, Value, When
from django.utils import timezone

from tandem.clusters.models import ANSWERING, Cluster
from tandem.clusters.scheduler import Phase
from tandem.jobs.cases import CORRECTABLE_FOR, JobCase, Summary
from tandem.jobs.control import ranges
from tandem.jobs.models import FINAL_STATES, LIVE_PLACEMENTS, Event, InputUpload, Job, JobState, Placement, Task
from tandem.jobs.transactions import done_again

LONGEST_BACK_OFF = 300.0
TASKS_AT_ONCE = 100
_TASK_FIELDS = (
    "state",
    "reason",
    "claim",
    "attempt",
    "owner_id",
    "heartbeat",
    "heartbeat_seen_at",
    "exit_code",
    "correctable_until",
    "started_at",
    "ended_at",
)
_FIELDS = {field.attname: field for field in Task._meta.concrete_fields}
# Told to pages as they change; the rest changes along with them.
_TOLD = ("reason", "cluster", "scheduler_state", "scheduler_reason", "exit_code", "started_at", "ended_at")


def back_off(tries: int) -> timedelta:
    """How long to wait before the next placement after so many in a row that came to nothing."""
    return timedelta(seconds=min(2.0**tries - 1, LONGEST_BACK_OFF))


def settle(case: JobCase) -> bool:
    """Write down the verdicts of a case; True when the job's row changed.

    In one transaction: tasks' rows, the job's row (compare-and-swap on its state), an event if anything to be shown
    changed. No row of a task that is over changes, except to correct one that was called interrupted.
    """
    job, summary = case.job, case.summary()
    changes = _job_changes(case, summary)
    with transaction.atomic():
        _save_tasks(case.note_tasks())
        changed = change_job(job, changes)
        if summary.place and summary.state not in FINAL_STATES:
            changed |= _want_placement(case, summary)
        elif job.place_wanted is not None:
            # It was wanted because of what is no longer so: the cluster came back, the job started after all.
            Job.objects.filter(pk=job.pk, place_wanted=job.place_wanted).update(place_wanted=None, place_tasks="")
        if changed and summary.state in FINAL_STATES:
            InputUpload.objects.filter(job=job).delete()
        if summary.was_cancelled_outside and not job.array:
            changed |= _note_cancel_outside(job)
    return changed


def _save_tasks(tasks: list[Task]) -> None:
    new = [task for task in tasks if task.pk is None]
    if new:
        Task.objects.bulk_create(new, ignore_conflicts=True)
    for is_final in (True, False):
        open_ = ~Q(state__in=FINAL_STATES)
        if is_final:
            open_ |= Q(correctable_until__isnull=False)
        known = [task for task in tasks if task.pk is not None and (task.state in FINAL_STATES) is is_final]
        for start in range(0, len(known), TASKS_AT_ONCE):
            some = known[start : start + TASKS_AT_ONCE]
            rows = Task.objects.filter(open_, pk__in=[task.pk for task in some])
            rows.update(**{name: _value_of_each(some, name) for name in _TASK_FIELDS})


def _value_of_each(tasks: Sequence[Task], name: str) -> Any:
    """A field's value for an UPDATE of all these rows: what differs, row by row."""
    rows: dict[Any, list[int]] = defaultdict(list)
    for task in tasks:
        rows[getattr(task, name)].append(task.pk)
    if len(rows) == 1:
        return next(iter(rows))
    field = _FIELDS[name]
    return Case(*(When(pk__in=ids, then=Value(value, field)) for value, ids in rows.items()), output_field=field)


def _job_changes(case: JobCase, summary: Summary) -> dict[str, Any]:
    job = case.job
    shown = case.shown_placement()
    changes: dict[str, Any] = {"state": summary.state, "reason": summary.reason, "exit_code": summary.exit_code}
    if shown is not None:
        changes["cluster"] = shown.cluster
        changes["scheduler_state"] = shown.scheduler_state
        changes["scheduler_reason"] = shown.scheduler_reason
    verdicts = list(case.verdicts.values())
    if summary.is_claimed:
        starts = [verdict.started_at for verdict in verdicts if verdict.started_at]
        if shown is not None and shown.started_at and shown.phase != Phase.WAITING:
            starts.append(shown.started_at)
        changes["started_at"] = min(filter(None, [job.started_at, *starts]), default=None)
        if not summary.place:
            changes["tries"] = 0
    if summary.state in FINAL_STATES:
        now = timezone.now()
        ends = [verdict.ended_at for verdict in verdicts if verdict.ended_at]
        corrected = {index for index, verdict in case.verdicts.items() if verdict.ended_at}
        ends += [task.ended_at for index, task in case.tasks.items() if task.ended_at and index not in corrected]
        placed_end = shown.ended_at if shown is not None else None
        changes["ended_at"] = max(ends, default=placed_end or job.ended_at or now)
        changes["place_wanted"] = None
        changes["sealed_at"] = job.sealed_at or now
        if not job.is_final:
            changes["correctable_until"] = now + CORRECTABLE_FOR if summary.is_interrupted else None
        elif not summary.is_interrupted:
            changes["correctable_until"] = None
    return changes


def change_job(job: Job, changes: dict[str, Any]) -> bool:
    """Compare-and-swap on the job's state, with an event when something shown changes. False when nothing did.

    A job that is over changes only as long as it is correctable. The caller's `job` is brought up to date on success.
    """
    differing = {name: value for name, value in changes.items() if getattr(job, name) != value}
    if not differing or (job.is_final and job.correctable_until is None):
        return False
    before = job.state
    if "state" in differing:
        differing["state_since"] = timezone.now()
    with transaction.atomic():
        if not Job.objects.filter(pk=job.pk, state=before).update(**differing):
            return False  # another worker got there first
        for name, value in differing.items():
            setattr(job, name, value)
        if "state" in differing:
            data = {"from": before, "state": job.state, "reason": job.reason, "cluster": job.cluster}
            Event.objects.create(owner_id=job.owner_id, job=job, kind="job.state", data=data)
        elif differing.keys() & set(_TOLD):
            data = {"state": job.state, "reason": job.reason, "cluster": job.cluster}
            Event.objects.create(owner_id=job.owner_id, job=job, kind="job.update", data=data)
    return True


def _want_placement(case: JobCase, summary: Summary) -> bool:
    """Ask for another placement, unless one was made that this case does not know of, or the job was cancelled.

    While it waits for its turn, more tasks may come to want one, and others not any more: that changes no turn.
    """
    job = case.job
    unknown = Placement.objects.filter(job=OuterRef("pk")).exclude(pk__in=[known.pk for known in case.placements])
    everything = not job.array or len(summary.place) == job.task_count
    # The number is the highest of its tasks'. What each of them goes out for is known by its last run: dispatch.py.
    number, tasks = max(summary.place.values()), "" if everything else ranges(summary.place)
    rows = Job.objects.filter(~Exists(unknown), pk=job.pk, place_wanted=job.place_wanted, cancel_wanted_at=None)
    rows = rows.exclude(state__in=FINAL_STATES)  # another worker may have seen more of it meanwhile
    if job.place_wanted is not None:
        if (number, tasks) == (job.place_wanted, job.place_tasks):
            return False
        return bool(rows.filter(place_tasks=job.place_tasks).update(place_wanted=number, place_tasks=tasks))
    return bool(
        rows.update(
            place_wanted=number,
            place_tasks=tasks,
            next_try_at=timezone.now() + back_off(job.tries),
            tries=job.tries + 1,
        )
    )


def _note_cancel_outside(job: Job) -> bool:
    """Somebody ended it on the cluster itself before it started: that is a wish like any other, and sealed like any."""
    noted = Job.objects.filter(pk=job.pk, cancel_wanted_at=None).update(
        cancel_wanted_at=timezone.now(), place_wanted=None, place_tasks=""
    )
    if noted:
        Event.objects.create(owner_id=job.owner_id, job=job, kind="job.cancel", data={"by": "", "where": job.cluster})
    return bool(noted)


@done_again
def show_waiting(cluster: str, waiting: Mapping[tuple[str, str], Sequence[Placement]]) -> None:
    """Show what the scheduler says of jobs that wait as before, at once for all of which it says the same."""
    for (state, reason), placements in waiting.items():
        ids = [placement.job_id for placement in placements]
        for start in range(0, len(ids), 500):
            with transaction.atomic():
                rows = Job.objects.filter(pk__in=ids[start : start + 500], state=JobState.PENDING, cluster=cluster)
                told = list(rows.values_list("pk", "owner"))
                rows.update(scheduler_state=state, scheduler_reason=reason)
                data = {"state": JobState.PENDING, "reason": "", "cluster": cluster}
                Event.objects.bulk_create(
                    Event(owner_id=owner, job_id=pk, kind="job.update", data=data) for pk, owner in told
                )


def show_unread(case: JobCase) -> bool:
    """What can be said of a job whose control directory was not read in this pass: what its scheduler shows, no more.

    A disabled account cannot be entered, so what its jobs left cannot be read until it is enabled again.
    """
    job, shown = case.job, case.shown_placement()
    if job.is_final:
        return False
    if case.is_flooded:
        words = "holds far more files than its runs can have left there: what became of it is seen once they are gone"
        return change_job(job, {"state": JobState.UNKNOWN, "reason": f"{job.control_path} {words}"})
    if shown is None:
        return False
    changes: dict[str, Any] = {
        "cluster": shown.cluster,
        "scheduler_state": shown.scheduler_state,
        "scheduler_reason": shown.scheduler_reason,
    }
    if not job.owner.is_active and shown.state not in LIVE_PLACEMENTS:
        words = "its owner's account is disabled: how it ended is seen when that is enabled again"
        changes |= {"state": JobState.UNKNOWN, "reason": f"{shown.cluster} no longer has it, and {words}"}
    elif shown.cluster not in case.around.answering and job.state in (JobState.PENDING, JobState.RUNNING):
        changes |= {"state": JobState.UNKNOWN, "reason": f"{shown.cluster} does not answer"}
    return change_job(job, changes)


@done_again
def show_silence(cluster: str, since: str) -> int:
    """Call the jobs of a cluster that does not answer UNKNOWN: nothing is known of them, which does not make them dead.

    Arrays that have a part elsewhere are judged there, task by task. One compare-and-swap for all; returns how many.
    """
    shown = (JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED)
    live = Placement.objects.filter(job=OuterRef("pk"), state__in=LIVE_PLACEMENTS)
    answering = Cluster.objects.filter(state__in=ANSWERING).exclude(name=cluster).values("name")
    elsewhere = ~Q(array="") & Exists(live.filter(cluster__in=answering))
    reason = f"{cluster} does not answer{since}"
    with transaction.atomic():
        tasks = Task.objects.filter(owner__cluster=cluster, owner__state__in=LIVE_PLACEMENTS, state__in=shown)
        unseen = list(tasks.exclude(owner__array="").values_list("pk", flat=True))
        for start in range(0, len(unseen), 500):
            some = Task.objects.filter(pk__in=unseen[start : start + 500], state__in=shown)
            some.update(state=JobState.UNKNOWN, reason=reason)
        found = Job.objects.filter(~elsewhere, Exists(live.filter(cluster=cluster)), cluster=cluster, state__in=shown)
        rows = list(found.values_list("pk", "owner", "state"))
        now = timezone.now()
        for state in {state for _, _, state in rows}:
            ids = [pk for pk, _, before in rows if before == state]
            Job.objects.filter(pk__in=ids, state=state).update(state=JobState.UNKNOWN, state_since=now, reason=reason)
        Event.objects.bulk_create(
            Event(
                owner_id=owner,
                job_id=pk,
                kind="job.state",
                data={"from": state, "state": JobState.UNKNOWN, "reason": reason, "cluster": cluster},
            )
            for pk, owner, state in rows
        )
    return len(rows)
