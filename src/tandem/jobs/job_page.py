"""What a job's page tells: gathered here from the database alone, put into words, arranged by the templates."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from tandem.clusters.models import ANSWERING, Cluster, silent_clusters
from tandem.clusters.scheduler import Phase
from tandem.jobs.models import Event, Job, JobState, Placement, PlacementState, Task
from tandem.jobs.parameters import Parameter, parameters_of
from tandem.jobs.script import ERROR, OUTPUT, output_name
from tandem.jobs.spoolers.words import gone
from tandem.jobs.submission import array_indices
from tandem.jobs.tasks import task_counts, tasks_wait
from tandem.jobs.wish_words import Wish, wishes

# A final state may still be corrected by a result that comes late; until then the page goes on listening.
CORRECTED_WITHIN = timedelta(minutes=5)
MOST_EVENTS = 200
WAITING = (JobState.ACCEPTED, JobState.PENDING, JobState.UNKNOWN)
PLACED = (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class OutputTab:
    """One of the two output streams; `pattern` has a `*` where an array task's index goes."""

    label: str
    file: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline."""

    at: datetime
    words: str
    detail: str
    state: str


@dataclass(frozen=True, slots=True)
class Handing:
    """A placement as the page shows it: what became of it, and what the scheduler says."""

    placement: Placement
    became: str
    words: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """One job as its page shows it."""

    job: Job
    placement: Placement | None
    placements: list[Placement]
    tasks: list[tuple[str, int]]
    wishes: list[Wish]
    cluster: Cluster | None
    moments: list[Moment]
    now: datetime

    @property
    def is_live(self) -> bool:
        """Whether anything may still change."""
        ended = self.job.ended_at or self.job.state_since
        return not self.job.is_final or self.now - ended < CORRECTED_WITHIN

    @property
    def silent_cluster(self) -> Cluster | None:
        """The cluster that this job is on, while it does not answer: what is shown is what was last seen."""
        return None if self.job.is_final or not self.cluster or self.cluster.state in ANSWERING else self.cluster

    @property
    def handings(self) -> list[Handing]:
        """Every handing of the job to a cluster, where there is more to tell than that it was handed over once."""
        told = [handing(placement, self.placement, self.job) for placement in self.placements]
        uncertain = (PlacementState.NOT_SENT, PlacementState.DOUBT, PlacementState.LOST)
        return told if len(told) > 1 or any(one.state in uncertain for one in self.placements) else []

    @property
    def was_refused(self) -> bool:
        """Whether schedulers refused it, and it never ran."""
        return self.job.started_at is None and any(
            placement.state == PlacementState.REFUSED for placement in self.placements
        )

    @property
    def refusals(self) -> list[Placement]:
        """Placements that a scheduler refused in words that the job's reason does not have."""
        return [
            placement
            for placement in self.placements
            if placement.state == PlacementState.REFUSED and placement.message.strip() not in self.job.reason
        ]

    @property
    def scheduler_words(self) -> str:
        """What the scheduler says beyond the state itself: `CONFIGURING`, `Resources`."""
        if self.job.is_final:
            return ""
        words = (self.job.scheduler_state, self.job.scheduler_reason)
        said = ", ".join(word for word in words if word and word not in (self.job.state, "None"))
        return f"last seen {said}" if said and self.job.state == JobState.UNKNOWN else said

    @property
    def files_gone(self) -> str:
        """What became of the job's files, once they were removed."""
        return gone(self.job)

    @property
    def took(self) -> str:
        """How long it ran, once that is known."""
        if not self.job.is_final or self.job.started_at is None or self.job.ended_at is None:
            return ""
        return span(self.job.ended_at - self.job.started_at)

    @property
    def mark(self) -> str:
        """The same for the same content: a page that shows this already is left alone."""
        rows = (self.job, *self.placements)
        fields = [getattr(row, column.attname) for row in rows for column in row._meta.concrete_fields]
        state = self.cluster and self.cluster.state
        shown = (fields, self.tasks, self.wishes, self.moments, self.is_live, state, self.job.last_seen_at)
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]

    @property
    def parameters(self) -> list[Parameter]:
        """What was asked for."""
        return list(parameters_of(self.job))

    @property
    def outputs(self) -> list[OutputTab]:
        """Standard output and standard error."""
        is_array, first = bool(self.job.array), self.first_task
        return [
            OutputTab(label, output_name(stream, is_array, first), output_name(stream, is_array))
            for label, stream in (("Standard output", OUTPUT), ("Standard error", ERROR))
        ]

    @property
    def first_task(self) -> int:
        """The lowest index of an array; 0 without one."""
        return array_indices(self.job.array)[0]

    @property
    def last_task(self) -> int:
        """The highest index of an array; 0 without one."""
        return array_indices(self.job.array)[-1]

    @property
    def may_cancel(self) -> bool:
        """Not over, and not asked for yet."""
        return not self.job.is_final and self.job.cancel_wanted_at is None

    @property
    def may_hold(self) -> bool:
        """It waits, or some of its tasks do, and nobody holds it yet."""
        is_waiting = self.job.state in WAITING and not self.job.started_at
        return self.may_cancel and not self.job.hold_wanted and (is_waiting or tasks_wait(self.job, self.placements))

    @property
    def may_release(self) -> bool:
        """Somebody holds it."""
        return self.may_cancel and self.job.hold_wanted

    @property
    def may_requeue(self) -> bool:
        """It runs, and its owner said that it may start again."""
        runs = self.job.state == JobState.RUNNING or (self.job.state == JobState.UNKNOWN and self.job.started_at)
        return bool(self.may_cancel and self.job.restartable and runs and not self.job.requeue_wanted_at)


def job_page(job: Job) -> JobPage:
    """Everything that the page of `job` shows, in a handful of queries."""
    placements = list(job.placements.order_by("created_at"))
    owners = Task.objects.filter(job=job).exclude(owner=None).order_by("index").values_list("owner_id", flat=True)
    owner, newest = owners.first(), placements[-1] if placements else None
    current = next((placement for placement in placements if placement.pk == owner), newest)
    name = job.cluster or (current.cluster if current else "")
    events = Event.objects.filter(job=job).order_by("-id")[:MOST_EVENTS]
    silent = silent_clusters()
    return JobPage(
        job=job,
        placement=current,
        placements=placements,
        tasks=list(task_counts(job).items()),
        wishes=wishes(job, placements, silent),
        cluster=Cluster.objects.filter(pk=name).first() if name else None,
        moments=[told for told in map(moment, reversed(events)) if told],
        now=timezone.now(),
    )


ACTS = {
    "job.cancel": "Cancel asked for",
    "job.hold": "Held",
    "job.release": "Released",
    "job.requeue": "Stop and start again asked for",
    "spooler.keep": "Files kept for ever",
    "spooler.extend": "Files kept longer",
    "spooler.delete": "Deletion of the files asked for",
    "spooler.expiring": "Files expire soon",
    "spooler.removed": "Files removed",
}


def moment(event: Event) -> Moment | None:
    """An event in words; None for one that has none to say."""
    data: dict[str, str] = event.data
    if event.kind == "job.state":
        where = f"on {data['cluster']}" if data.get("cluster") and data["state"] in PLACED else ""
        return Moment(event.at, "", data.get("reason") or where, data["state"])
    if event.kind in ACTS:
        who = f"by {data['by']}" if data.get("by") else f"on {data['where']} itself" if data.get("where") else ""
        return Moment(event.at, ACTS[event.kind], who, "")
    return Moment(event.at, data["reason"], "", "") if data.get("reason") else None


BECAME = {
    PlacementState.SUBMITTING: "being handed over",
    PlacementState.REFUSED: "refused",
    PlacementState.NOT_SENT: "could not be handed over",
    PlacementState.DOUBT: "not known whether it arrived",
    PlacementState.LOST: "no longer known there",
}
PHASES = {Phase.WAITING: "waits", Phase.RUNNING: "runs", Phase.SUSPENDED: "is suspended"}


def handing(placement: Placement, shown: Placement | None, job: Job) -> Handing:
    """What became of a placement, in words."""
    state = PlacementState(placement.state)
    became = BECAME.get(state, "")
    if state is PlacementState.SUBMITTED:
        became = PHASES.get(Phase(placement.phase), "") if placement.phase else ""
        became = became or "handed over"
    elif state is PlacementState.ENDED:
        gave_way = job.started_at and shown and shown.pk != placement.pk and not placement.attempt
        became = "gave way" if gave_way else f"ended: {placement.ending}" if placement.ending else "ended"
    said = [placement.message.strip(), placement.scheduler_state, placement.scheduler_reason]
    return Handing(placement, became, ", ".join(one for one in said if one not in ("", "None", job.reason)))


def span(duration: timedelta) -> str:
    """A length of time as people say it: `1 h 12 min`, `8 s`."""
    seconds = max(0, int(duration.total_seconds()))
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    said = [part for part in parts[:2] if part[0]] or parts[-1:]
    return " ".join(f"{number} {unit}" for number, unit in said)
