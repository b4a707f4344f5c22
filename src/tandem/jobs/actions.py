"""The verbs that change jobs on a person's behalf. None of them needs a cluster to be up.

What a person wants is recorded here; the worker's loops (`dispatch`, `follow`) make it so, and only they talk to
clusters. Whether the person may do it is for the caller to have checked (`queries.visible_jobs`).
"""

import time
import uuid
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.models import (
    FINAL_STATES,
    OPEN_OUTSIDE,
    Event,
    InputUpload,
    Job,
    JobState,
    OutsideJob,
    Placement,
    PlacementState,
    Spooler,
)
from tandem.jobs.new_rows import insert
from tandem.jobs.page_seats import seat_to_wait
from tandem.jobs.script import OWN_NAMES, payload_for
from tandem.jobs.submission import LARGEST_UPLOAD, Submission, SubmissionInvalid, array_indices
from tandem.jobs.tasks import tasks_wait
from tandem.jobs.transactions import done_again

LONGEST_FILE_NAME = 255  # bytes, as file systems count


class IdempotencyConflict(Exception):
    """The key was used before, for another request."""


class ActionRefused(Exception):
    """The job is in no state for this; the text says why."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An input file that came with the submission."""

    name: str
    content: bytes


def _checked_upload(upload: Upload) -> Upload:
    name = upload.name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    is_good = name not in ("", ".", "..") and name.isprintable() and len(name.encode()) <= LONGEST_FILE_NAME
    if not is_good or OWN_NAMES.fullmatch(name):
        raise SubmissionInvalid({"input_file": ["the file's name cannot be used on the cluster: rename it"]})
    if len(upload.content) > LARGEST_UPLOAD:
        most = LARGEST_UPLOAD // 1024 // 1024
        raise SubmissionInvalid(
            {"input_file": [f"may have at most {most} MiB; put larger files on the cluster and name their path"]}
        )
    return Upload(name, upload.content)


@done_again
def submit_job(
    owner: Person,
    submission: Submission,
    idempotency_key: str | None = None,
    digest: str = "",
    upload: Upload | None = None,
) -> Job:
    """Record a submission for good: once this returns, the job will not be lost, whatever clusters do.

    1. With a key seen before, answer the job of that time (same digest) or raise IdempotencyConflict (another).
    2. In one transaction: Spooler, Job (ACCEPTED), the uploaded input file if any, Event.

    Takes no locks; two requests with one key are told apart by the unique index: the later one finds the earlier's job.
    Raises SubmissionInvalid for an upload that cannot be taken.
    """
    if idempotency_key is not None and (earlier := _job_by_key(owner, idempotency_key, digest)):
        return earlier
    spooler = Spooler(id=uuid.uuid4(), owner=owner, name=submission.title)
    if upload is not None:
        upload = _checked_upload(upload)
        submission = submission.model_copy(update={"input_file": f"{spooler.path}/{upload.name}"})
    now = timezone.now()
    job = Job(
        owner=owner,
        spooler=spooler,
        name=submission.title,
        project=submission.project,
        application=submission.application,
        wanted_cluster=submission.cluster,
        queue=submission.queue,
        submission=submission.model_dump(),
        payload=payload_for(submission),
        array=submission.array,
        processors=submission.processors,
        task_count=len(array_indices(submission.array)),
        restartable=submission.restartable,
        state_since=now,
        next_try_at=now,
        idempotency_key=idempotency_key,
        request_digest=digest,
    )
    try:
        with transaction.atomic():
            insert(spooler)
            insert(job)
            if upload is not None:
                InputUpload.objects.create(job=job, name=upload.name, content=upload.content)
            insert(Event(owner=owner, job=job, kind="job.state", data={"state": job.state}))
    except IntegrityError:
        if idempotency_key is None or (winner := _job_by_key(owner, idempotency_key, digest)) is None:
            raise
        return winner
    return job


def _job_by_key(owner: Person, key: str, digest: str) -> Job | None:
    job = Job.objects.select_related("owner", "spooler").filter(owner=owner, idempotency_key=key).first()
    if job is not None and job.request_digest != digest:
        raise IdempotencyConflict(f"the key {key!r} was used for another request")
    return job


@done_again
def cancel_job(job: Job, by: Person) -> None:
    """Record that the job is to end: it is "cancelling", and CANCELLED once it is certain that no run of it is left.

    One compare-and-swap on the job's row; asking twice is asking once. Raises ActionRefused when the job is over.
    """
    with transaction.atomic():
        recorded = (
            Job.objects.filter(pk=job.pk, cancel_wanted_at=None)
            .exclude(state__in=FINAL_STATES)
            .update(cancel_wanted_at=timezone.now(), cancel_wanted_by=by, place_wanted=None)
        )
        if recorded:
            Event.objects.create(owner_id=job.owner_id, job=job, kind="job.cancel", data={"by": by.username})
    job.refresh_from_db()
    if not recorded and job.cancel_wanted_at is None:
        raise ActionRefused(f"the job is over: {job.get_state_display()}")


@done_again
def cancel_outside_job(job: OutsideJob, by: Person) -> None:
    """Record that a job outside the portal is to end: the scheduler is asked for it as `by`, and decides.

    One compare-and-swap on the job's row; asking twice is asking once. Raises ActionRefused when the job is over.
    """
    rows = OutsideJob.objects.filter(OPEN_OUTSIDE, pk=job.pk, cancel_wanted_at=None)
    with transaction.atomic():
        if rows.update(cancel_wanted_at=timezone.now(), cancel_wanted_by=by, reason=""):
            data = {"by": by.username}
            Event.objects.create(owner_id=job.owner_id, outside_job=job.pk, kind="outside.cancel", data=data)
    job.refresh_from_db()
    if job.is_over:
        raise ActionRefused(f"the job is over: {job.get_state_display()}")


def hold_job(job: Job, by: Person) -> None:
    """Record that the job, or what of an array still waits, is not to start before it is released. One
    compare-and-swap on the job's row.

    Asking twice is asking once. Raises ActionRefused when all of it has started, or it is over.
    """
    waiting = (JobState.ACCEPTED, JobState.PENDING, JobState.UNKNOWN)
    allowed = Q(state__in=waiting, started_at=None)
    if tasks_wait(job, job.placements.all()):
        allowed |= ~Q(state__in=FINAL_STATES)
    _record_wish(job, by, "job.hold", allowed, Q(hold_wanted=True), hold_wanted=True)


def release_job(job: Job, by: Person) -> None:
    """Record that a held job may start. One compare-and-swap on the job's row.

    Nothing happens to one that nobody holds. Raises ActionRefused when it is over.
    """
    _record_wish(job, by, "job.release", ~Q(state__in=FINAL_STATES), Q(hold_wanted=False), hold_wanted=False)


def requeue_job(job: Job, by: Person) -> None:
    """Record that a running, restartable job is to be stopped and started again. One compare-and-swap on its row.

    Asking twice is asking once. Raises ActionRefused for a job that is not restartable, or does not run: submit it
    again instead.
    """
    if not job.restartable:
        raise ActionRefused("only a restartable job can start a second time; submit it again instead")
    allowed = Q(state=JobState.RUNNING) | Q(state=JobState.UNKNOWN, started_at__isnull=False)
    asked = Q(requeue_wanted_at__isnull=False)
    _record_wish(job, by, "job.requeue", allowed, asked, requeue_wanted_at=timezone.now())


@done_again
def _record_wish(job: Job, by: Person, kind: str, allowed: Q, asked: Q, **fields: object) -> None:
    """Record a wish where it is `allowed`, unless it was `asked` for before."""
    rows = Job.objects.filter(allowed, pk=job.pk, cancel_wanted_at=None)
    with transaction.atomic():
        recorded = rows.exclude(asked).update(asked_by=by, **fields)
        if recorded:
            Event.objects.create(owner_id=job.owner_id, job=job, kind=kind, data={"by": by.username})
    job.refresh_from_db()
    if not recorded and not rows.filter(asked).exists():
        word = "being cancelled" if job.is_cancelling else job.get_state_display().lower()
        raise ActionRefused(f"the job is {word}")


def wait_for_first_answer(job: Job, seconds: float = 2.0) -> Job:
    """Wait until a cluster has said something to the job, or the time is over; the job as it then stands.

    For people's convenience only: the submission is durable either way, and when many wait, others do not. Reads the
    database a few times a second.
    """
    until = time.monotonic() + seconds
    pause = 0.03
    with seat_to_wait() as seated:
        while seated and time.monotonic() < until:
            job.refresh_from_db()
            answered = job.state != JobState.ACCEPTED or job.reason
            if answered or _was_answered(job):
                break
            time.sleep(min(pause, max(until - time.monotonic(), 0)))
            pause = min(pause * 1.5, 0.2)
    return job


def _was_answered(job: Job) -> bool:
    # A refusal is an answer only once it is the job's: the look-up and the seal come in between.
    undecided = (PlacementState.SUBMITTING, PlacementState.REFUSED)
    return Placement.objects.filter(job=job).exclude(state__in=undecided).exists()
