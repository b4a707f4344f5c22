"""The follow loop of one cluster: what a poll saw, and what lies in control directories, becomes what jobs are.

A pass, after each poll:

1. The picture is applied to the cluster's placements (placements.py). Those missed twice are looked up, then LOST.
2. The jobs that something may have happened to are chosen; most, that just wait or run, are left alone.
3. Their control directories are read as their owners: one round trip for each of them.
4. Each job is judged (cases.py, verdict.py). By whom jobs were cancelled is asked for all at once (who_cancelled.py).
5. Claims are closed where a verdict wants that first, and jobs settled (settle.py).
6. What people or the protocol want of the scheduler is asked of it: cancel, hold, release, requeue.

Each of it can be done by two workers at once, or be cut off anywhere, and be done again.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

import structlog
from django.db import DatabaseError, OperationalError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from tandem.clock import database_now
from tandem.clusters.errors import DoorError
from tandem.clusters.models import Cluster, ClusterState, answering_clusters
from tandem.clusters.scheduler import ClusterPicture, Phase, SchedulerJob
from tandem.environment import Environment
from tandem.jobs import outside
from tandem.jobs.cases import Circumstances, JobCase
from tandem.jobs.control import FLOODED, Door, Reading, read_controls, seal
from tandem.jobs.models import FINAL_STATES, LIVE_PLACEMENTS, Job, JobState, Placement, PlacementState, Task
from tandem.jobs.patience import Patience
from tandem.jobs.placements import SUBMITTING_AT_MOST, Applied, apply_picture, look_up_from, mark_lost
from tandem.jobs.reading import ControlReader, Read, Wanted
from tandem.jobs.routing import alternatives, candidates
from tandem.jobs.settle import settle, show_silence, show_unread, show_waiting
from tandem.jobs.submission import ANY_CLUSTER
from tandem.jobs.transactions import was_in_the_way
from tandem.jobs.who_cancelled import Accounting, Cancellers, weigh, who_cancelled
from tandem.jobs.wishes import Scheduler, cancel_leftovers, carry_out_wishes

log = structlog.get_logger()

# What nothing is known to have happened to is looked at all the same: so many every so many passes.
SWEEP = 60
SWEEP_EVERY = 3
CORRECT_EVERY = 15
HEDGES = 200
STORAGE_AVOIDED = 30.0  # seconds
Found = TypeVar("Found")


class LookingUp(Scheduler, Accounting, outside.Cancels, Protocol):
    """A scheduler, as much of it as following needs."""

    def look_up(self, user: str, placement: uuid.UUID, since: datetime | None = None) -> Sequence[SchedulerJob]: ...


def caretaker_of(cluster: str, answering: Sequence[str]) -> str | None:
    """Through whose door the control directories of a cluster's jobs are read: its own, else the first that answers."""
    return cluster if cluster in answering else next(iter(answering), None)


@dataclass(slots=True)
class Follower:
    """Follows the jobs of one cluster, and those of silent ones that it cares for."""

    cluster: str
    door: Door
    scheduler_of: Callable[[str], LookingUp]
    environment: Environment
    ask_history_since: datetime | None = None
    sweep_every: int = SWEEP_EVERY
    _pass: int = 0
    _swept: uuid.UUID = field(default=uuid.UUID(int=0))
    _hedged: uuid.UUID = field(default=uuid.UUID(int=0))
    _answering: Sequence[str] = ()
    _avoided_until: float = 0.0
    _reader: ControlReader = field(init=False)

    def __post_init__(self) -> None:
        self._reader = ControlReader(self._read_some, self.cluster)

    def step(self, picture: ClusterPicture | None) -> None:
        """One pass, with what the poll before it saw; None: the cluster did not answer it."""
        self._pass += 1
        applied = None
        if picture is not None:
            applied = apply_picture(self.cluster, picture)
            if applied is None:
                return
            unseen = (applied.unseen_since, outside.take_in(self.cluster, applied.strangers, picture))
            self.ask_history_since = min((since for since in unseen if since), default=None)
            show_waiting(self.cluster, applied.waiting)
            applied.changed |= self._look_up_missing(applied.missing, picture.poll)
        answering = answering_clusters()
        if self.cluster not in answering:
            self._show_silence()
            return
        if applied is None:
            return
        cancel_leftovers(self.cluster, self.scheduler_of(self.cluster))
        outside.carry_out_cancels(self.cluster, self.scheduler_of(self.cluster))
        self.follow_jobs(self._choose(applied, answering), answering)

    def _show_silence(self) -> None:
        last = Cluster.objects.filter(name=self.cluster).values_list("last_answer_at", flat=True).first()
        since = f" since {last:%H:%M:%S} UTC" if last else ""
        show_silence(self.cluster, since)
        outside.show_silence(self.cluster, since)

    def _look_up_missing(self, missing: Iterable[uuid.UUID], poll: int) -> set[uuid.UUID]:
        """Ask once more, precisely, before a placement counts as lost. No answer: it stays what it is."""
        changed, patience = set(), Patience()
        for placement in Placement.objects.select_related("job__owner").filter(pk__in=list(missing)):
            if patience.is_out_for(placement.job.owner_id):
                continue
            try:
                with patience.spent_on(placement.job.owner_id):
                    found = self.scheduler_of(self.cluster).look_up(
                        placement.job.owner.username, placement.pk, look_up_from(placement)
                    )
            except DoorError as problem:
                log.info("a missing placement could not be looked up", placement=str(placement.pk), error=str(problem))
                continue
            if mark_lost(placement, found, poll):
                changed.add(placement.job_id)
        return changed

    def _choose(self, applied: Applied, answering: Sequence[str]) -> list[Job]:
        """The jobs to look at in this pass: those that something happened to, or may have; now and then some in turn.

        Of most passes nothing comes: only ids are asked for, since whole rows cost more to ask for than to find.
        """
        names = {self.cluster, *Cluster.objects.values_list("name", flat=True)}
        cared_for = Q(cluster__in={name for name in names if caretaker_of(name, answering) == self.cluster})
        if caretaker_of("", answering) == self.cluster:
            cared_for |= ~Q(cluster__in=names)  # on none yet, or on one that a forged claim names
        jobs = Job.objects.filter(cared_for)
        going_on = jobs.exclude(state__in=FINAL_STATES)
        looked_at, ids = going_on, set(applied.changed)
        if going_on.exists():
            own = Placement.objects.filter(job=OuterRef("pk"))
            ids.update(_ids(going_on.filter(_may_have_changed(own, answering))), self._hedgeable(going_on, own))
            if self._pass % self.sweep_every == 0:
                sweep = _ids(going_on.filter(pk__gt=self._swept).order_by("pk")[:SWEEP])
                self._swept = sweep[-1] if len(sweep) == SWEEP else uuid.UUID(int=0)
                ids.update(sweep)
        if self._pass % CORRECT_EVERY == 0:
            correctable = jobs.filter(correctable_until__gt=timezone.now())
            ids.update(_ids(correctable))
            looked_at |= correctable
        wanted, chosen = sorted(ids), list[Job]()
        for start in range(0, len(wanted), 500):
            chosen += looked_at.select_related("owner").filter(pk__in=wanted[start : start + 500])
        return chosen

    def _hedgeable(self, going_on: QuerySet[Job], own: QuerySet[Placement]) -> list[uuid.UUID]:
        """Some, in turn, of those that wait on this cluster alone and may wait in vain: see `alternatives`."""
        queues = self.environment.cluster(self.cluster).queues
        patience = timedelta(seconds=min(queue.hedge_after for queue in queues))
        here = own.filter(cluster=self.cluster, state=PlacementState.SUBMITTED, phase=Phase.WAITING)
        if not Cluster.objects.exclude(shortages={}).filter(pk=self.cluster).exists():
            here = here.filter(created_at__lt=database_now() - patience)
        elsewhere = own.filter(state__in=LIVE_PLACEMENTS).exclude(cluster=self.cluster)
        rows = going_on.filter(Exists(here), ~Exists(elsewhere), wanted_cluster=ANY_CLUSTER, place_wanted=None)
        found = _ids(rows.filter(pk__gt=self._hedged).order_by("pk")[:HEDGES])
        self._hedged = found[-1] if len(found) == HEDGES else uuid.UUID(int=0)
        return found

    def follow_now(self, job: Job) -> None:
        """Judge one job at once, outside a pass."""
        self.follow_jobs([job], answering_clusters())

    def follow_jobs(self, jobs: Sequence[Job], answering: Sequence[str]) -> None:
        """Read, judge and settle these jobs."""
        if not jobs:
            return
        clusters = dict(Cluster.objects.values_list("name", "state"))
        down = {name for name, state in clusters.items() if state == ClusterState.DOWN}
        now = database_now()
        around = Circumstances(clusters.keys(), answering, down, self.environment.failover, now, now)
        self._answering = answering
        cases = _cases(jobs, around, self.environment)
        readings = self._reader.read(cases, now)
        read_by = database_now()
        patience = Patience()
        judged = [
            case for case in cases if _worked(partial(self._judge, readings.get(case.job.pk), read_by), case, patience)
        ]
        found = who_cancelled(judged, self.scheduler_of)
        for case in judged:
            _worked(partial(self._settle, found, is_read=case.job.pk in readings), case, patience)

    def _read_some(self, jobs: Wanted) -> dict[uuid.UUID, Reading]:
        # Runs beside others, on a thread of the pool: no database here.
        return self._through_a_door(lambda cluster: read_controls(self.door, cluster, jobs), jobs[0][0]) or {}

    def _through_a_door(self, act: Callable[[str], Found], job: Job) -> Found | None:
        """Have something done in control directories: through this cluster, or another whose storage is in order.

        None when nobody did it. A storage that hangs is asked again after a while only: each time takes long.
        """
        others = [name for name in self._answering if name != self.cluster]
        own_is_avoided = time.monotonic() < self._avoided_until
        for cluster in [*others, self.cluster] if own_is_avoided else [self.cluster, *others]:
            try:
                return act(cluster)
            except DoorError as problem:
                log.info("control directories", through=cluster, owner=job.owner.username, error=str(problem))
                if cluster == self.cluster and others and not own_is_avoided:
                    self._avoided_until = time.monotonic() + STORAGE_AVOIDED
        return None

    @staticmethod
    def _judge(found: Read | None, read_by: datetime, case: JobCase) -> None:
        if found is None:
            return
        if found.reading is FLOODED:
            case.is_flooded = True
            return
        case.reading = found.reading
        case.around = replace(case.around, looked_at=found.looked_at, read_by=read_by)
        if case.adopt_unknown_runs():
            case.placements = list(Placement.objects.filter(job=case.job).order_by("created_at"))
        case.judge()

    def _settle(self, found: Cancellers, case: JobCase, *, is_read: bool) -> None:
        """Seal what was judged, judge again with what the seal found, write it down; ask for what is wished."""
        if is_read and not case.is_flooded:
            weigh(case, found)
            wanted = case.seals_wanted()
            for why, numbers in wanted.items():
                close = partial(seal, self.door, job=case.job, why=why, numbers=numbers)
                case.sealed(self._through_a_door(close, case.job) or {})
            if wanted:
                case.judge()
            settle(case)
        else:
            show_unread(case)
        carry_out_wishes(case, self.scheduler_of)


def _may_have_changed(own: QuerySet[Placement], answering: Sequence[str]) -> Q:
    """What something may have happened to, though the scheduler says nothing new of the `own` placements."""
    # What was on its way when its worker was lost along with the cluster looks as if it still were.
    stuck = Q(state=PlacementState.SUBMITTING) & (
        ~Q(cluster__in=answering) | Q(state_since__lt=database_now() - SUBMITTING_AT_MOST)
    )
    came_to_nothing = (PlacementState.DOUBT, PlacementState.LOST, PlacementState.ENDED, PlacementState.REFUSED)
    over = own.filter(Q(state__in=came_to_nothing) | stuck)
    started = own.filter(state=PlacementState.SUBMITTED, phase__in=(Phase.RUNNING, Phase.SUSPENDED))
    unexplained = Q(Exists(over), place_wanted=None) | Q(Exists(started), state__in=(JobState.ACCEPTED, "PENDING"))
    watched = Q(restartable=True) | ~Q(array="")
    wished = Q(cancel_wanted_at__isnull=False) | Q(requeue_wanted_at__isnull=False) | Q(hold_wanted=True)
    held = Q(Exists(own.filter(held=True)))
    running = (JobState.RUNNING, JobState.SUSPENDED)
    return Q(state=JobState.UNKNOWN) | unexplained | wished | held | (watched & Q(state__in=running))


def _ids(jobs: QuerySet[Job]) -> list[uuid.UUID]:
    return list(jobs.values_list("pk", flat=True))


def _worked(step: Callable[[JobCase], None], case: JobCase, patience: Patience) -> bool:
    """Do this with one job, which must not keep all others from being followed when it cannot be done, or takes long.

    What is left undone is done in a later pass: whatever was chosen and not settled is chosen again.
    """
    if patience.is_out_for(case.job.owner_id):
        return False
    try:
        with patience.spent_on(case.job.owner_id):
            step(case)
    except OperationalError as problem:
        if not was_in_the_way(problem):
            raise
        log.info("a job is judged again at the next pass", job=str(case.job.pk), error=str(problem))
    except DatabaseError:
        raise
    except Exception:  # see above
        log.exception("a job could not be followed", job=str(case.job.pk))
    else:
        return True
    return False


def _cases(jobs: Sequence[Job], around: Circumstances, environment: Environment) -> list[JobCase]:
    """What the database knows of these jobs: two queries for each few hundred."""
    cases = []
    clusters = candidates()
    for start in range(0, len(jobs), 500):
        some = jobs[start : start + 500]
        placements: dict[uuid.UUID, list[Placement]] = defaultdict(list)
        for placement in Placement.objects.filter(job__in=[job.pk for job in some]).order_by("created_at"):
            placements[placement.job_id].append(placement)
        tasks: dict[uuid.UUID, dict[int, Task]] = defaultdict(dict)
        for task in Task.objects.filter(job__in=[job.pk for job in some]):
            tasks[task.job_id][task.index] = task
        for job in some:
            elsewhere = alternatives(job, placements[job.pk], clusters, environment, around.looked_at)
            cases.append(JobCase(job, placements[job.pk], tasks[job.pk], {}, around, elsewhere))
    return cases
