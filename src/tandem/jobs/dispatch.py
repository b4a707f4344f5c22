"""The dispatch loop of one cluster: jobs that want a placement and are routed here are handed to its scheduler.

A placement goes through three moments, and the worker may die between any two of them:

1. In one transaction the job's wish is taken and its placement recorded as SUBMITTING. Only now may its id leave.
2. The batch script goes through the door, as the job's owner; with others of the same person in one round trip, if
   several are due.
3. What came back is recorded. What did not come back leaves DOUBT (or SUBMITTING, until a poll finds it old), and only
   looking it up decides: nothing is sent again because an answer is missing.

Jobs of a person whose account is disabled go on where they run, and get no new placement until it is enabled again.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from django.db import connection, transaction
from django.db.models import Case, Q, Value, When
from django.utils import timezone

from tandem.clock import database_now
from tandem.clusters.errors import AnswerLost, DoorError, SubmissionRefused
from tandem.clusters.models import Cluster
from tandem.clusters.request import BatchJob, Outcome
from tandem.clusters.scheduler import Phase, SchedulerJob
from tandem.environment import Environment
from tandem.jobs.control import ranges
from tandem.jobs.flights import Flights
from tandem.jobs.models import (
    FINAL_STATES,
    LIVE_PLACEMENTS,
    Event,
    InputUpload,
    Job,
    JobState,
    Placement,
    PlacementState,
    new_placement_id,
)
from tandem.jobs.placed import numbers_wanted, tasks_out, wanted_tasks
from tandem.jobs.placements import as_fields, change
from tandem.jobs.routing import Candidate, candidates, choose_cluster, eligible
from tandem.jobs.script import Ticket, batch_script, request_for
from tandem.jobs.settle import back_off, change_job
from tandem.jobs.submission import ANY_CLUSTER, Submission, SubmissionInvalid, stored_submission
from tandem.jobs.transactions import done_again

log = structlog.get_logger()

BATCH = 24
TOGETHER = 8  # of one person, in one round trip
TRIPS_EACH = 3  # of one person, at once
LIGHT = 2**15  # bytes; what is larger goes alone
# Seconds from taking to sending. A round trip may take as long again as is left until a poll finds it overdue
# (placements.SUBMITTING_AT_MOST): what has been given up is not to go out afterwards.
SENT_WITHIN = 5.0
LOOKED_AT = 60
NO_CLUSTER_RETRY = timedelta(seconds=2)
_DUE = "SELECT 1 FROM jobs_job WHERE place_wanted IS NOT NULL AND next_try_at <= %s LIMIT 1"


class Submitting(Protocol):
    """A scheduler, as much of it as dispatch needs."""

    def submit(self, user: str, jobs: Sequence[BatchJob]) -> Sequence[Outcome]: ...

    def look_up(self, user: str, placement: uuid.UUID) -> Sequence[SchedulerJob]: ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A placement that is on its way."""

    job: Job
    placement: Placement
    ticket: Ticket
    submission: Submission
    account: str | None
    files: Mapping[str, bytes]
    taken: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of it."""

    outgoing: Outgoing
    state: PlacementState
    scheduler_id: str = ""
    message: str = ""
    found: Sequence[SchedulerJob] = ()

    @property
    def is_plain_id(self) -> bool:
        """The scheduler's id, straight from it."""
        return self.state == PlacementState.SUBMITTED and not self.found


@dataclass(slots=True)
class Dispatcher:
    """Hands jobs to one cluster. One at a time may be working for a cluster; if two do, nothing is sent twice.

    `settle_refused` is told of jobs that were refused: another cluster may still want them, otherwise they fail.
    """

    cluster: str
    scheduler: Submitting
    environment: Environment
    settle_refused: Callable[[Job], None]
    _unrecorded: list[Answered] = field(default_factory=list)
    _flights: Flights[list[Outgoing], list[Answered]] = field(init=False)

    def __post_init__(self) -> None:
        self._flights = Flights(self._send, f"submit-{self.cluster}")

    def step(self, seconds: float = 0.25) -> bool:
        """Take what is due, send it, record what is answered within `seconds`. True: there was something to do."""
        if self._flights.has_room:
            for together in _round_trips(self._take(BATCH)):
                self._flights.add(together[0].job.owner_id, together)
        if not self._flights and not self._unrecorded:
            return False
        for future, together in self._flights.land(seconds):
            self._unrecorded += _answers(future, together)
        self._record()
        return True

    def drain(self, seconds: float) -> None:
        """Take nothing new, and record what is still answered within `seconds`."""
        for future, together in self._flights.close(seconds):
            self._unrecorded += _answers(future, together)
        self._record()

    @done_again
    def _take(self, most: int) -> list[Outgoing]:
        """Jobs whose turn it is, with a placement recorded for each.

        One small query when nothing is due. Locks the rows of the jobs taken, for one short transaction; rows that
        somebody else has locked are left to him.
        """
        if not _anything_due():
            return []
        due = Q(place_wanted__isnull=False, next_try_at__lte=timezone.now())
        free = Q(hold_wanted=False, cancel_wanted_at=None, owner__is_active=True)
        jobs = Job.objects.select_related("owner", "spooler").filter(due, free)
        jobs = jobs.filter(wanted_cluster__in=(self.cluster, ANY_CLUSTER)).order_by("next_try_at")
        # Nobody waits for others. What a person submits while earlier jobs of the same are handed over goes together:
        # a turn costs much, and a further job in it little.
        jobs = jobs.exclude(owner__in=self._flights.owners)
        waiting = list(jobs[:LOOKED_AT])
        if not waiting:
            return []
        chosen = self._route(waiting, most)
        if not chosen:
            return []
        now = database_now()
        with transaction.atomic():
            locked = Job.objects.select_for_update(skip_locked=True).filter(
                pk__in=[job.pk for job, _, _ in chosen],
                place_wanted__isnull=False,
                hold_wanted=False,
                cancel_wanted_at=None,
            )
            wishes = {job.pk: _wish(job) for job, _, _ in chosen}
            mine = {
                job.pk: job
                for job in locked.only("pk", "place_wanted", "place_tasks", "next_try_at", "array")
                if _wish(job) == wishes[job.pk]
            }
            going = {job.pk: wanted_tasks(mine[job.pk]) - stay for job, _, stay in chosen if job.pk in mine}
            taken = [(job, submission) for job, submission, _ in chosen if going.get(job.pk)]
            placements = [
                Placement(
                    id=new_placement_id(job.pk),
                    job=job,
                    cluster=self.cluster,
                    attempt=mine[job.pk].place_wanted or 0,
                    array=_array(job, going[job.pk]),
                    state_since=now,
                )
                for job, _ in taken
            ]
            ids = {job.pk for job, _ in taken}
            # One whose run holds a claim, as its owner says, stays: it is forged, and nobody else is to be held up.
            Placement.objects.filter(job__in=ids, state=PlacementState.NOT_SENT, task=None).delete()
            Placement.objects.bulk_create(placements)
            Job.objects.filter(pk__in=ids).update(place_wanted=None, place_tasks="", cluster=self.cluster)
            for pk in ids:
                if left := wanted_tasks(mine[pk]) - going[pk]:
                    Job.objects.filter(pk=pk).update(place_wanted=mine[pk].place_wanted, place_tasks=ranges(left))
        return self._outgoing(taken, placements)

    def _route(self, waiting: Sequence[Job], most: int) -> list[tuple[Job, Submission, frozenset[int]]]:
        """Those of the jobs that go to this cluster now, so many at most, and the tasks of them that do not."""
        clusters = candidates()
        known = Placement.objects.filter(job__in=[job.pk for job in waiting])
        placed: dict[uuid.UUID, list[Placement]] = defaultdict(list)
        states = (PlacementState.REFUSED, PlacementState.ENDED, *LIVE_PLACEMENTS)
        for placement in known.filter(state__in=states).order_by("created_at"):
            placed[placement.job_id].append(placement)
        uploads = set(InputUpload.objects.filter(job__in=[job.pk for job in waiting]).values_list("job", flat=True))
        numbers = numbers_wanted(waiting)
        trips: dict[int, float] = defaultdict(float)
        chosen: list[tuple[Job, Submission, frozenset[int]]] = []
        for job in waiting:
            if len(chosen) == most:
                break
            share = 1.0 if job.pk in uploads or _is_large(job) else 1 / TOGETHER
            if trips[job.owner_id] + share > (1 if self._flights.is_late(job.owner_id) else TRIPS_EACH):
                continue
            try:
                submission = stored_submission(job.submission)
            except SubmissionInvalid as invalid:
                self._refuse(job, f"its submission cannot be carried out any more: {invalid}")
                continue
            out = tasks_out(job, placed[job.pk], numbers.get(job.pk, {}))
            nowhere = {name for name, tasks in out.items() if tasks >= wanted_tasks(job)}
            among = eligible(job, submission, clusters, self.environment, nowhere)
            # Where it just came to nothing it may again: another cluster first, if there is one.
            came_to_nothing = {row.cluster for row in placed[job.pk][-1:] if row.state == PlacementState.ENDED}
            others = [one for one in among if one.name not in came_to_nothing]
            best = choose_cluster([one for one in others if not out.get(one.name)], submission)
            best = best or choose_cluster(others, submission) or choose_cluster(among, submission)
            if best is None:
                self._let_wait(job, among)
                continue
            best.take(job.processors)
            if best.name == self.cluster:
                trips[job.owner_id] += share
                chosen.append((job, submission, out.get(self.cluster, frozenset())))
        return chosen

    def _refuse(self, job: Job, words: str) -> None:
        """What no scheduler can be asked for ends as what a scheduler refused: it fails once its claims are closed."""
        log.error("a stored submission is not valid", job=str(job.pk), error=words)
        with transaction.atomic():
            rows = Job.objects.filter(pk=job.pk, place_wanted=job.place_wanted, cancel_wanted_at=None)
            if not rows.update(place_wanted=None, place_tasks="", cluster=self.cluster):
                return  # another worker, or a cancel, was quicker
            Placement.objects.create(
                id=new_placement_id(job.pk),
                job=job,
                cluster=self.cluster,
                attempt=job.place_wanted or 0,
                array=_array(job, wanted_tasks(job)),
                state=PlacementState.REFUSED,
                state_since=database_now(),
                message=words,
            )
        self.settle_refused(Job.objects.select_related("owner").get(pk=job.pk))

    def _let_wait(self, job: Job, among: Sequence[Candidate]) -> None:
        """No cluster that could have it is up. It keeps its turn; others are not held up meanwhile."""
        names = " or ".join(cluster.name for cluster in among) or "a cluster"
        Job.objects.filter(pk=job.pk, place_wanted=job.place_wanted).update(
            next_try_at=timezone.now() + NO_CLUSTER_RETRY
        )
        if job.state == JobState.ACCEPTED:
            change_job(job, {"reason": f"waits for {names}, which does not answer"})

    def _outgoing(self, taken: Sequence[tuple[Job, Submission]], placements: Sequence[Placement]) -> list[Outgoing]:
        accounts = set(Cluster.objects.values_list("accounts", flat=True).get(name=self.cluster))
        uploads = {row.job_id: row for row in InputUpload.objects.filter(job__in=[job.pk for job, _ in taken])}
        found = []
        for (job, submission), placement in zip(taken, placements, strict=True):
            upload = uploads.get(job.pk)
            account = submission.project if submission.project in accounts else None
            files = {upload.name: bytes(upload.content)} if upload else {}
            if job.array:
                submission = submission.model_copy(update={"array": placement.array})
            job.spooler.owner = job.owner
            ticket = Ticket(job.pk, placement.pk, self.cluster, job.control_path, job.spooler.path)
            found.append(Outgoing(job, placement, ticket, submission, account, files, time.monotonic()))
        return found

    def _send(self, together: Sequence[Outgoing]) -> list[Answered]:
        """Hand over what one person has due, on a thread of the pool: no database here."""
        if time.monotonic() - together[0].taken > SENT_WITHIN:
            words = f"{self.cluster} takes long over what others submitted"
            return [Answered(outgoing, PlacementState.NOT_SENT, message=words) for outgoing in together]
        ready, answers = [], []
        for outgoing in together:
            try:
                ready.append((outgoing, self._batch_job(outgoing)))
            except Exception:
                log.exception("a batch script could not be made", job=str(outgoing.job.pk))
                words = "its batch script could not be made: an error in Tandem, see the worker's log"
                answers.append(Answered(outgoing, PlacementState.NOT_SENT, message=words))
        if ready:
            outcomes = self.scheduler.submit(together[0].job.owner.username, [job for _, job in ready])
            answers += [self._answered(outgoing, came) for (outgoing, _), came in zip(ready, outcomes, strict=True)]
        return answers

    def _batch_job(self, outgoing: Outgoing) -> BatchJob:
        ticket, submission = outgoing.ticket, outgoing.submission
        return BatchJob(
            outgoing.placement.pk,
            batch_script(ticket, submission, outgoing.job.payload, self.environment.failover),
            request_for(ticket, submission, outgoing.account),
            ticket.control_path,
            outgoing.files,
        )

    def _answered(self, outgoing: Outgoing, outcome: Outcome) -> Answered:
        """Every way to fail is another state."""
        match outcome:
            case str():
                return Answered(outgoing, PlacementState.SUBMITTED, outcome)
            case AnswerLost():
                return Answered(outgoing, PlacementState.DOUBT, message=str(outcome))
            case SubmissionRefused():
                return self._look_up_refused(outgoing, str(outcome))
            case _:
                return Answered(outgoing, PlacementState.NOT_SENT, message=str(outcome))

    def _look_up_refused(self, outgoing: Outgoing, words: str) -> Answered:
        """A no counts once a look-up finds nothing: the scheduler may have taken it all the same."""
        try:
            found = self.scheduler.look_up(outgoing.job.owner.username, outgoing.placement.pk)
        except DoorError as problem:
            return Answered(outgoing, PlacementState.DOUBT, message=f"{words} ({problem})")
        if found:
            return Answered(outgoing, PlacementState.SUBMITTED, found[0].scheduler_id, found=found)
        return Answered(outgoing, PlacementState.REFUSED, message=words)

    def _record(self) -> None:
        """Write down what was answered; what a failing database did not take is kept for the next turn."""
        if not self._unrecorded:
            return
        refused = self._record_answers(self._unrecorded)
        self._unrecorded = []
        for job in Job.objects.select_related("owner").filter(pk__in=refused):
            self.settle_refused(job)

    @done_again
    def _record_answers(self, answers: Sequence[Answered]) -> list[uuid.UUID]:
        """In one transaction, placements and jobs changed by compare-and-swap. Answers which jobs were refused."""
        number = Cluster.objects.values_list("poll_number", flat=True).get(name=self.cluster)
        refused = []
        with transaction.atomic():
            # Everywhere in the same order: fewer transactions stand in each other's way.
            ordered = sorted(answers, key=lambda answer: answer.outgoing.placement.pk)
            submitted = self._record_ids({a.outgoing.placement.pk: a for a in ordered if a.is_plain_id}, number)
            for answer in ordered:
                if answer.is_plain_id or not self._record_placement(answer, number):
                    continue
                match answer.state:
                    case PlacementState.SUBMITTED:
                        submitted.append(answer.outgoing.job.pk)
                    case PlacementState.NOT_SENT:
                        self._try_later(answer)
                    case PlacementState.REFUSED:
                        refused.append(answer.outgoing.job.pk)
            if submitted:
                self._show_pending(submitted)
        for answer in answers:
            placement = answer.outgoing.placement
            log.info("placement", placement=str(placement.pk), job=str(placement.job_id), state=answer.state.value)
        return refused

    def _record_ids(self, answers: Mapping[uuid.UUID, Answered], number: int) -> list[uuid.UUID]:
        """By far the most answers: all in two queries. The jobs whose placements took theirs."""
        # An answer with an id is good at any time: also after a poll that gave the placement up for slow.
        open_states = (PlacementState.SUBMITTING, PlacementState.DOUBT, PlacementState.LOST)
        rows = Placement.objects.filter(pk__in=answers, state__in=open_states).order_by("pk")
        taken = [answers[pk] for pk in rows.select_for_update().values_list("pk", flat=True)]
        if taken:
            ids = [When(pk=a.outgoing.placement.pk, then=Value(a.scheduler_id)) for a in taken]
            fields = self._fields(PlacementState.SUBMITTED, number)
            Placement.objects.filter(pk__in=[a.outgoing.placement.pk for a in taken]).update(
                **fields, scheduler_id=Case(*ids), phase=Phase.WAITING
            )
        return [answer.outgoing.job.pk for answer in taken]

    def _record_placement(self, answer: Answered, number: int) -> bool:
        placement = answer.outgoing.placement
        if answer.found:
            return change(placement, {**as_fields(answer.found), "poll_number": number})
        rows = Placement.objects.filter(pk=placement.pk, state=PlacementState.SUBMITTING)
        return bool(rows.update(**self._fields(answer.state, number, answer.message)))

    def _fields(self, state: PlacementState, number: int, message: str = "") -> dict[str, Any]:
        return {
            "state": state,
            "message": message,
            "poll_number": number,
            "misses": 0,
            "state_since": database_now(),
        }

    def _show_pending(self, ids: Sequence[uuid.UUID]) -> None:
        rows = Job.objects.filter(pk__in=ids, state=JobState.ACCEPTED)
        shown = list(rows.select_for_update().values_list("pk", "owner"))
        rows.update(state=JobState.PENDING, state_since=timezone.now(), reason="", cluster=self.cluster)
        data = {"from": JobState.ACCEPTED, "state": JobState.PENDING, "reason": "", "cluster": self.cluster}
        Event.objects.bulk_create(Event(owner_id=owner, job_id=pk, kind="job.state", data=data) for pk, owner in shown)

    def _try_later(self, answer: Answered) -> None:
        """Nothing was sent: it may go again without looking up, here or elsewhere, after a while."""
        job = answer.outgoing.job
        tasks = answer.outgoing.placement.array
        rows = Job.objects.filter(pk=job.pk, place_wanted=None, cancel_wanted_at=None).exclude(state__in=FINAL_STATES)
        rows.update(
            place_wanted=answer.outgoing.placement.attempt,
            place_tasks=tasks.partition("%")[0] if job.array != tasks else "",
            next_try_at=timezone.now() + back_off(job.tries + 1),
            tries=job.tries + 1,
        )
        if job.state == JobState.ACCEPTED:
            change_job(job, {"reason": f"{answer.message}; it is tried again"})


def _wish(job: Job) -> tuple[int | None, str, datetime]:
    """What tells one wish for a placement from the next: what was routed for an earlier one may be out already."""
    return job.place_wanted, job.place_tasks, job.next_try_at


def _anything_due() -> bool:
    """By hand: it is asked several times a second, and to compile a query takes ten times as long as to answer it."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [connection.ops.adapt_datetimefield_value(timezone.now())])
        return cursor.fetchone() is not None


def _is_large(job: Job) -> bool:
    return len(job.payload) + len(job.array) > LIGHT


def _round_trips(due: Sequence[Outgoing]) -> list[list[Outgoing]]:
    """What goes out together: what one person has due, but what is large alone."""
    trips: list[list[Outgoing]] = []
    light: dict[int, list[Outgoing]] = defaultdict(list)
    for outgoing in due:
        if outgoing.files or _is_large(outgoing.job):
            trips.append([outgoing])
        else:
            light[outgoing.job.owner_id].append(outgoing)
    for theirs in light.values():
        trips += [theirs[start : start + TOGETHER] for start in range(0, len(theirs), TOGETHER)]
    return trips


def _answers(future: Future[list[Answered]], together: Sequence[Outgoing]) -> list[Answered]:
    """What came of it. An error that nobody foresaw says nothing about what was sent, and concerns no others."""
    try:
        return future.result()
    except Exception as problem:
        log.exception("handing jobs over failed", placements=[str(outgoing.placement.pk) for outgoing in together])
        words = f"handing it over failed: {type(problem).__name__}"
        return [Answered(outgoing, PlacementState.DOUBT, message=words) for outgoing in together]


def _array(job: Job, tasks: frozenset[int]) -> str:
    """These tasks as they go out: never more at a time on this cluster than the job said."""
    if len(tasks) == job.task_count:
        return job.array
    _, percent, most = job.array.partition("%")
    return f"{ranges(tasks)}{percent}{most}"
