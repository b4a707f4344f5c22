"""What became of people's work: spoolers, jobs and their tasks, placements, events.

A *job* is what a person submitted, once. A *placement* is one handing of it to one cluster. A *task* is what starts at
most once: one per array index, task 0 without array. A *claim* on the shared file system says which placement runs it.
"""

import hashlib
import secrets
import uuid
from datetime import datetime
from functools import cached_property

from django.conf import settings
from django.db import models
from django.utils import timezone

from tandem import rules
from tandem.clusters.scheduler import Phase
from tandem.jobs.sightings import Sightings, parsed, waiting_reasons
from tandem.jobs.submission import array_indices


class JobState(models.TextChoices):
    ACCEPTED = "ACCEPTED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    UNKNOWN = "UNKNOWN"


FINAL_STATES = frozenset(map(JobState, rules.FINAL_STATES))


class PlacementState(models.TextChoices):
    SUBMITTING = "SUBMITTING"
    SUBMITTED = "SUBMITTED"
    REFUSED = "REFUSED"
    NOT_SENT = "NOT_SENT"
    DOUBT = "DOUBT"
    LOST = "LOST"
    ENDED = "ENDED"


LIVE_PLACEMENTS = frozenset({PlacementState.SUBMITTING, PlacementState.SUBMITTED, PlacementState.DOUBT})


class Spooler(models.Model):
    """The directory and record of one submission: `/efs/spoolers/<user>/<id>`, mode 0700.

    The record stays when the directory is gone (`removed_at`). Without `expires_at` it does not expire: it is kept, or
    a job of it is not over. Whoever removes the directory first sets `removing_until`; from then on nobody can keep it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    name = models.CharField(max_length=200)
    renamed = models.BooleanField(default=False, help_text="whether its name may be another one than its job's")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    kept = models.BooleanField(default=False, help_text="its owner wants it to stay for ever")
    expiry_told_at = models.DateTimeField(null=True, help_text="when its owner was told that it expires soon")
    delete_wanted_at = models.DateTimeField(null=True)
    removing_until = models.DateTimeField(null=True, help_text="being removed; another may take that over from then on")
    remove_not_before = models.DateTimeField(null=True, help_text="back-off after a removal that failed")
    remove_tries = models.PositiveIntegerField(default=0, help_text="removals in a row that failed")
    remove_problem = models.TextField(blank=True, help_text="in words: why the last removal failed")
    removed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # The first two are for lists, like those of jobs.
            models.Index(
                fields=["owner", "created_at", "id", "removed_at", "kept", "expires_at"],
                name="jobs_spooler_list_own",
            ),
            models.Index(
                fields=["created_at", "id", "owner", "removed_at", "kept", "expires_at"],
                name="jobs_spooler_list_all",
            ),
            models.Index(fields=["renamed", "owner"]),
            models.Index(fields=["removed_at", "kept", "expires_at"]),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """Absolute path on every cluster."""
        return f"/efs/spoolers/{self.owner.username}/{self.id}"


def new_job_id() -> uuid.UUID:
    """A fresh id. Its first half is random, and that of its placements' ids too; its second half follows from it.

    The first half says which version of ids this is, and MariaDB takes none that says what there is not.
    """
    return job_id_of(uuid.uuid4())


def new_placement_id(job_id: uuid.UUID) -> uuid.UUID:
    """A fresh id whose first half is the job's: who finds one that the database forgot can tell whose it is."""
    return uuid.UUID(bytes=job_id.bytes[:8] + secrets.token_bytes(8))


def job_id_of(placement_id: uuid.UUID) -> uuid.UUID:
    """The id of the job that has this placement. It is worked out, and not looked for by how ids begin: each database
    sorts ids in its own order, MariaDB by how they end.
    """
    half = placement_id.bytes[:8]
    return uuid.UUID(bytes=half + hashlib.sha256(half).digest()[:8])


class Job(models.Model):
    """What a person submitted, once, whatever becomes of it."""

    id = models.UUIDField(primary_key=True, default=new_job_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    spooler = models.ForeignKey(Spooler, models.PROTECT, related_name="jobs")
    name = models.CharField(max_length=200)
    project = models.CharField(max_length=80, blank=True)
    application = models.CharField(max_length=80)
    wanted_cluster = models.CharField(max_length=40, default="any")
    queue = models.CharField(max_length=80, blank=True, help_text="empty: the cluster's default queue")
    submission = models.JSONField(help_text="as checked: jobs.submission.Submission")
    payload = models.TextField(help_text="the user's script, run by the wrapper")
    array = models.CharField(max_length=200, blank=True)
    processors = models.PositiveIntegerField(default=1)
    task_count = models.PositiveIntegerField(default=1, help_text="how many array tasks; 1 without array")
    restartable = models.BooleanField(default=False)

    state = models.CharField(max_length=10, choices=JobState, default=JobState.ACCEPTED, db_index=True)
    state_since = models.DateTimeField()
    reason = models.TextField(blank=True, help_text="in words: why it waits, failed, or is unknown")
    cluster = models.CharField(max_length=40, blank=True, help_text="where it is placed or ran")
    scheduler_state = models.CharField(max_length=40, blank=True)
    scheduler_reason = models.CharField(max_length=200, blank=True)
    exit_code = models.IntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    place_wanted = models.PositiveIntegerField(null=True, default=0, help_text="attempt that wants a placement")
    next_try_at = models.DateTimeField(default=timezone.now, help_text="back-off: no placement before")
    place_tasks = models.TextField(blank=True, help_text="the array tasks that want it, as 0-9,12; empty: all")
    tries = models.PositiveIntegerField(default=0, help_text="placements in a row that came to nothing")
    cancel_wanted_at = models.DateTimeField(null=True)
    cancel_wanted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    hold_wanted = models.BooleanField(default=False)
    requeue_wanted_at = models.DateTimeField(null=True)
    sealed_at = models.DateTimeField(null=True, help_text="no further run can win a claim")
    correctable_until = models.DateTimeField(null=True, help_text="interrupted: a late result is still looked for")

    idempotency_key = models.CharField(max_length=200, null=True)
    request_digest = models.CharField(max_length=64, blank=True)

    is_outside = False

    class Meta:
        # Lists are read along the first two, newest first (see `lists.first_of`). All that a list may be narrowed by is
        # in them, so that whatever is looked for, no row is read that is not shown.
        indexes = [
            models.Index(
                fields=["owner", "created_at", "id", "state", "cluster", "queue", "project", "name"],
                name="jobs_job_list_own",
            ),
            models.Index(
                fields=["created_at", "id", "owner", "state", "cluster", "queue", "project", "name"],
                name="jobs_job_list_all",
            ),
            models.Index(fields=["owner", "ended_at"]),
            models.Index(fields=["place_wanted", "next_try_at"]),
            models.Index(fields=["cluster", "state"]),
        ]
        constraints = [models.UniqueConstraint(fields=["owner", "idempotency_key"], name="one_job_per_idempotency_key")]

    def __str__(self) -> str:
        return self.name

    @property
    def control_path(self) -> str:
        """Where claims, heartbeats and results lie: outside the spooler, kept longer than any backup."""
        return f"/efs/spoolers/{self.owner.username}/.tandem/{self.id}"

    @property
    def last_seen_at(self) -> datetime | None:
        """Of an UNKNOWN job, when it was last seen for sure; None of others. Needs `queries.with_last_sight`."""
        return _last_seen(self)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def is_held(self) -> bool:
        """It was wished that it does not start, and it did not."""
        return self.hold_wanted and not self.started_at and not self.is_final and not self.is_cancelling

    @property
    def is_cancelling(self) -> bool:
        """A cancel is wanted, and it is not yet certain that no run is left."""
        return self.cancel_wanted_at is not None and not self.is_final


def _last_seen(job: "Job | OutsideJob") -> datetime | None:
    if job.state != JobState.UNKNOWN:
        return None
    answered: datetime | None = getattr(job, "cluster_answered_at", None)
    return min(job.state_since, answered or job.state_since)


class OutsideJob(models.Model):
    """A job that somebody submitted on a cluster itself, as polls of the cluster show it. An array is one row.

    A scheduler hands its ids out again, so the time of submission counts as well. `poll_number` is that of the poll
    that changed the row last: an older poll changes nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    cluster = models.CharField(max_length=40)
    scheduler_id = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    queue = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=10, choices=JobState)
    state_since = models.DateTimeField()
    reason = models.TextField(blank=True, help_text="in words: why it is unknown, or was not cancelled")
    scheduler_state = models.CharField(max_length=40, blank=True)
    scheduler_reason = models.CharField(max_length=200, blank=True)
    nodes = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True)
    created_at = models.DateTimeField(help_text="when it was submitted, by the scheduler's clock")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    poll_number = models.PositiveBigIntegerField(default=0)
    misses = models.PositiveIntegerField(
        default=0, help_text="polls in a row that looked everywhere and did not see it"
    )
    seen_at = models.DateTimeField(help_text="a time at which it was there, not much before the last one")
    gone_at = models.DateTimeField(null=True, help_text="when its cluster was found to know nothing of it")
    cancel_wanted_at = models.DateTimeField(null=True)
    cancel_wanted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    is_outside = True
    is_held = False

    class Meta:
        indexes = [
            models.Index(fields=["created_at", "id"]),
            models.Index(fields=["owner", "created_at", "id"]),
            models.Index(fields=["cluster", "state"]),
            models.Index(fields=["scheduler_id"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "scheduler_id", "created_at"], name="one_outside_job_per_submission"
            )
        ]

    def __str__(self) -> str:
        return f"{self.cluster}/{self.scheduler_id}"

    @property
    def last_seen_at(self) -> datetime | None:
        """Of an UNKNOWN job, when it was last seen for sure; None of others. Needs `queries.with_last_sight`."""
        return _last_seen(self)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def is_over(self) -> bool:
        """It ended, or nobody knows of it any more."""
        return self.is_final or self.gone_at is not None

    @property
    def is_cancelling(self) -> bool:
        """A cancel is wanted, and it is still there."""
        return self.cancel_wanted_at is not None and not self.is_over


OPEN_OUTSIDE = models.Q(gone_at=None) & ~models.Q(state__in=FINAL_STATES)


class InputUpload(models.Model):
    """An input file that came with the form: kept here until the job's first placement takes it to the spooler."""

    job = models.OneToOneField(Job, models.CASCADE, related_name="upload")
    name = models.CharField(max_length=255)
    content = models.BinaryField()

    def __str__(self) -> str:
        return self.name


class Followed(models.Model):
    """The newest poll of a cluster that placements took into account. Its row's lock puts polls in order."""

    cluster = models.CharField(max_length=40, primary_key=True)
    poll_number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.cluster}: {self.poll_number}"


class Placement(models.Model):
    """One handing of a job to one cluster. Its id goes to the scheduler once only, as comment and wckey.

    `poll_number` is that of the poll under way at the cluster's last answer about it: that it is missing counts only in
    polls that started later.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    job = models.ForeignKey(Job, models.PROTECT, related_name="placements")
    cluster = models.CharField(max_length=40)
    attempt = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=PlacementState, default=PlacementState.SUBMITTING)
    state_since = models.DateTimeField()
    array = models.TextField(blank=True, help_text="the array tasks that went out with it; empty without array")
    scheduler_id = models.CharField(max_length=40, blank=True)
    phase = models.CharField(max_length=10, blank=True, help_text="clusters.scheduler.Phase when last seen")
    ending = models.CharField(max_length=10, blank=True, help_text="clusters.scheduler.Ending, once ended")
    scheduler_state = models.CharField(max_length=40, blank=True)
    scheduler_reason = models.CharField(max_length=200, blank=True)
    nodes = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True)
    signal = models.IntegerField(null=True)
    message = models.TextField(blank=True, help_text="the scheduler's own words when it refused")
    poll_number = models.PositiveBigIntegerField(default=0)
    misses = models.PositiveIntegerField(default=0, help_text="polls since then that did not see it")
    sightings = models.JSONField(default=list, help_text="an array's tasks as its cluster last showed each of them")
    held = models.BooleanField(default=False, help_text="we asked the scheduler to hold it")
    hold_sent = models.BooleanField(
        default=False, help_text="we did once: whenever that arrives, it is not the person's own doing on the cluster"
    )
    cancel_sent_at = models.DateTimeField(null=True, help_text="when we first asked the scheduler to cancel it")
    explained = models.TextField(
        blank=True, help_text="array tasks whose cancel is nobody's wish, as 0-9,12: it was ours or the scheduler's own"
    )
    requeue_until = models.DateTimeField(
        null=True, help_text="by the scheduler's clock: what it started until then is to start again"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["cluster", "state"]),
            models.Index(fields=["cluster", "created_at"]),
            models.Index(fields=["scheduler_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} on {self.cluster}"

    @cached_property
    def seen_tasks(self) -> Sightings:
        """An array's tasks, as its cluster showed each of them when this row was read."""
        return parsed(self.sightings)

    @property
    def waits_for(self) -> list[str]:
        """Why it waits there, or the rest of an array of which some tasks run already: in the scheduler's words.

        Empty when nothing of it waits, as far as is known.
        """
        if self.state != PlacementState.SUBMITTED:
            return []
        return waiting_reasons(self.seen_tasks) or ([self.scheduler_reason] if self.phase == Phase.WAITING else [])

    @cached_property
    def explained_tasks(self) -> frozenset[int]:
        """`explained`, as numbers."""
        return frozenset(array_indices(self.explained)) if self.explained else frozenset()

    def is_explained(self, index: int) -> bool:
        """Whether the end of a task by a cancel is known to be nobody's wish."""
        return self.cancel_sent_at is not None or index in self.explained_tasks


class Task(models.Model):
    """What starts at most once: an array index of a job, or the whole job (index 0). Made at its first sign of life."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="tasks")
    index = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=JobState, default=JobState.ACCEPTED)
    reason = models.TextField(blank=True)
    claim = models.CharField(max_length=400, blank=True, help_text="text of the highest claim")
    attempt = models.PositiveIntegerField(default=0, help_text="number of the highest claim")
    owner = models.ForeignKey(Placement, models.PROTECT, null=True, help_text="whose run holds the claim")
    heartbeat = models.CharField(max_length=120, blank=True)
    heartbeat_seen_at = models.DateTimeField(null=True, help_text="when its text was last seen to change")
    exit_code = models.IntegerField(null=True)
    correctable_until = models.DateTimeField(null=True, help_text="interrupted: a late result is still looked for")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "index"], name="one_task_per_index")]

    def __str__(self) -> str:
        return f"{self.job_id}[{self.index}]"

    @property
    def is_over(self) -> bool:
        """It is final, and no late result can correct that."""
        return self.state in FINAL_STATES and self.correctable_until is None


class Event(models.Model):
    """Append-only: what happened, to whose job. Transactions commit out of id order: readers re-read an overlap."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    job = models.ForeignKey(Job, models.PROTECT, null=True, related_name="events")
    outside_job = models.UUIDField(null=True, help_text="of an OutsideJob, which is kept for a while only")
    kind = models.CharField(max_length=40)
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%H:%M:%S}"
