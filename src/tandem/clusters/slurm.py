"""Slurm's verbs: each with its command line and the reading of its output. What failures mean is in slurm_words.py.

A placement is known by (user, wckey): Slurm forgets jobs that it acknowledged when it is killed, and hands their ids
out again. Every command runs with a clean environment, and under a deadline of its own that is shorter than the
door's, so that a hanging slurmctld is told from a hanging cluster.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tandem.clusters import slurm_output as output
from tandem.clusters.channel import new_nonce
from tandem.clusters.door import Answer, Door
from tandem.clusters.errors import ClusterRefused, ClusterUnreachable
from tandem.clusters.request import BatchJob, Outcome
from tandem.clusters.scheduler import Cancel, ClusterPicture, Phase, SchedulerJob
from tandem.clusters.slurm_submit import submit
from tandem.clusters.slurm_words import CLEAN, COMMAND_TIME, check, read_sections, words_of

LIST_TIME = 6  # for one that only reads
DEADLINE = COMMAND_TIME + 7.0
WATCH_TIME = 30.0

CANCEL = CLEAN + 'slurm scancel --user="$1" --wckey="$2"'
# However late it is carried out: what has started meanwhile runs on.
CANCEL_WAITING = f"""
{CLEAN}
user=$1 placement=$2
shift 2
for id; do
	case $(timeout {LIST_TIME} squeue -h -a -t all -u "$user" -j "$id" -o %T) in
	{" | ".join(sorted(output.WAITING))}) slurm scancel --user="$user" --wckey="$placement" "$id" || exit ;;
	esac
done
"""
# The scheduler hands its ids out again: what has this one now must have been submitted by this person at this time.
CANCEL_OUTSIDE = f"""
{CLEAN}
TZ=UTC0
export TZ
there=$(timeout {LIST_TIME} squeue -h -a -t all -u "$1" -j "$2" -o %V) || exit
case $there in *"$3"*) slurm scancel --user="$1" "$2" ;; esac
"""
CONTROL = CLEAN + 'slurm scontrol "$@"'

LOOK_UP = f"""
TZ=UTC0
SQUEUE_FORMAT=$3
export TZ SQUEUE_FORMAT
timeout {LIST_TIME} squeue -h -a -t all -u "$1" || exit
printf '\\n%s section jobs 0\\n' "$2"
unset SQUEUE_FORMAT
timeout {LIST_TIME} sacct -n -X -D -p --delimiter="$2" -u "$1" -S "$4" -o "$5"
printf '\\n%s section ended %s\\n' "$2" "$?"
"""

CANCELLED_BY = f"""
TZ=UTC0
export TZ
timeout {LIST_TIME} sacct -n -X -D -p -u "$1" -j "$2" -o JobID,WCKey,State
"""


class Slurm:
    """One cluster's Slurm, reached through the door. Every method raises the exceptions of errors.py."""

    def __init__(self, door: Door, cluster: str) -> None:
        self._door = door
        self.cluster = cluster

    def submit(self, user: str, jobs: Sequence[BatchJob]) -> list[Outcome]:
        """Hand batch jobs of one person over in one round trip, each once; what came of each, in the same order.

        Instead of Slurm's id: `SubmissionRefused` when Slurm read it and said no; `ClusterRefused` when something else
        on the cluster said no, such as its storage; `ClusterUnreachable` when it was not sent; `AnswerLost` whenever
        the job may be there.
        """
        return submit(self._door, self.cluster, user, jobs)

    def cancel(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        """End all jobs of this placement; none is not an error. `owner`, when an administrator acts for somebody."""
        args = [owner or user, str(placement)]
        self._expect_done(self._door.run(user, self.cluster, CANCEL, args, deadline=DEADLINE))

    def cancel_waiting(self, user: str, placement: uuid.UUID, tasks: Collection[int] = ()) -> None:
        """End a placement's job if it still waits when this arrives; of an array these tasks, as far as they do."""
        waiting = self._find(user, placement, None, {Phase.WAITING})
        if ids := sorted(_own_id(job) for job in waiting if not tasks or job.task in tasks):
            deadline = DEADLINE + LIST_TIME
            answer = self._door.run(user, self.cluster, CANCEL_WAITING, [user, str(placement), *ids], deadline=deadline)
            self._expect_done(answer)

    def cancel_outside(self, user: str, scheduler_id: str, submitted_at: datetime, owner: str) -> None:
        """End a job of `owner` that is no placement; one that is over already is not an error."""
        args = [owner, scheduler_id, f"{submitted_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"]
        deadline = DEADLINE + LIST_TIME
        self._expect_done(self._door.run(user, self.cluster, CANCEL_OUTSIDE, args, deadline=deadline))

    def hold(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        """Keep it from starting."""
        self._control("hold", user, self._of_live(user, placement, owner))

    def release(self, user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        """Undo `hold`."""
        self._control("release", user, self._of_live(user, placement, owner))

    def requeue(
        self, user: str, placement: uuid.UUID, owner: str | None = None, *, until: datetime | None = None
    ) -> None:
        """Put a running job back into the queue; of an array, the tasks that run. Only what was started `until` then,
        by Slurm's own clock: it may be asked again without stopping what has started since.
        """
        started = {Phase.RUNNING, Phase.SUSPENDED}
        jobs = self._find(user, placement, owner, started)
        self._control("requeue", user, {_own_id(one) for one in jobs if not _is_later(one, until)})

    def look_up(
        self, user: str, placement: uuid.UUID, since: datetime | None = None, as_user: str | None = None
    ) -> list[SchedulerJob]:
        """All that Slurm knows of a placement of `user`: live, or ended since `since` (a day ago when not given).

        An empty list means that both squeue and the accounting database were asked and know nothing. That is
        evidence only on a cluster that is not RECOVERING. Raises `ClusterUnreachable` when it was not to be known.
        """
        nonce = new_nonce()
        start = (since or datetime.now(UTC) - timedelta(days=1)).astimezone(UTC)
        args = [
            user,
            nonce,
            output.SQUEUE_FIELDS.format(nonce=nonce),
            f"{start:%Y-%m-%dT%H:%M:%S}",
            output.SACCT_FIELDS,
        ]
        answer = self._door.run(as_user or user, self.cluster, LOOK_UP, args, deadline=2 * LIST_TIME + 5)
        sections = read_sections(answer.text, nonce)
        if sections.get("jobs", ("", 1))[1] != 0:
            raise ClusterUnreachable(f"{self.cluster}: {words_of(answer)}")
        live = output.read_jobs(sections["jobs"][0], nonce)
        ended, status = sections.get("ended", ("", 1))
        # A job that slurmctld lost stays PENDING or RUNNING in the accounting database for ever: of what lives, only
        # squeue knows.
        history = output.read_ended(ended, nonce) if status == 0 else []
        known = live + [job for job in history if job.phase is Phase.ENDED]
        found = _once([job for job in known if job.user == user and job.placement == str(placement)])
        if not found and status != 0:
            raise ClusterUnreachable(f"{self.cluster}: the accounting database does not answer: {words_of(answer)}")
        return found

    def cancelled_by(self, user: str, placements: Mapping[uuid.UUID, str]) -> dict[uuid.UUID, frozenset[Cancel]]:
        """Who cancelled jobs of these placements of `user`, as the accounting database has it by now.

        Slurm ends jobs itself too, as root: when a node says that it has a job of the same id, for one. Asked for by
        their ids: of what was not yet to start, sacct shows nothing otherwise.
        """
        ids = ",".join(sorted(set(placements.values())))
        answer = self._door.run(user, self.cluster, CANCELLED_BY, [user, ids], deadline=LIST_TIME + 5)
        if answer.status != 0:
            raise ClusterUnreachable(f"{self.cluster}: {words_of(answer)}")
        found = output.read_cancels(answer.text)
        return {one: frozenset(found.get(str(one), ())) for one in placements}

    def picture(self, ended_since: datetime | None = None, deadline: float = WATCH_TIME) -> ClusterPicture:
        """Everything of everybody, in one pass by the watcher within `deadline` seconds. The accounting database, which
        is slow to answer, is asked only if `ended_since` is given. Raises `ClusterUnreachable` when Slurm itself does
        not answer.
        """
        since = f"{ended_since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}" if ended_since else "-"
        answer, nonce = self._door.watch(self.cluster, since, deadline=deadline)
        return read_picture(self.cluster, answer, nonce, ended_since)

    def _of_live(self, user: str, placement: uuid.UUID, owner: str | None) -> set[str]:
        return {job.scheduler_id for job in self._find(user, placement, owner, set(Phase) - {Phase.ENDED})}

    def _find(self, user: str, placement: uuid.UUID, owner: str | None, wanted: set[Phase]) -> list[SchedulerJob]:
        return [job for job in self.look_up(owner or user, placement, as_user=user) if job.phase in wanted]

    def _control(self, verb: str, user: str, ids: set[str]) -> None:
        if not ids:
            raise ClusterRefused(f"{self.cluster} has no such job that could be acted on")
        command = [verb, ",".join(sorted(ids))]
        self._expect_done(self._door.run(user, self.cluster, CONTROL, command, deadline=DEADLINE))

    def _expect_done(self, answer: Answer) -> None:
        if answer.status != 0:
            check(self.cluster, answer)
            raise ClusterRefused(f"{self.cluster}: {words_of(answer)}")


def _own_id(job: SchedulerJob) -> str:
    """What means this job alone. An array's last task has the array's own id, which to Slurm means all of its tasks."""
    return job.raw_id if job.task is None else f"{job.scheduler_id}_{job.task}"


def _is_later(job: SchedulerJob, until: datetime | None) -> bool:
    return until is not None and job.started_at is not None and job.started_at > until


def read_picture(cluster: str, answer: Answer, nonce: str, ended_since: datetime | None) -> ClusterPicture:
    """What payload/watch.sh printed. Sections that failed other than the jobs' are missing in the picture."""
    sections = read_sections(answer.text, nonce)
    if sections.get("jobs", ("", 1))[1] != 0:
        raise ClusterUnreachable(f"{cluster}: {words_of(answer)}")

    def of(name: str) -> str | None:
        content, status = sections.get(name, ("", 1))
        return content if status == 0 else None

    exits = output.read_exits(of("exits") or "")
    jobs = output.read_jobs(sections["jobs"][0], nonce)
    remembered = [_with_exit(job, exits) for job in jobs if job.phase is Phase.ENDED]
    history = of("ended")
    nodes = output.read_nodes(of("nodes") or "")
    accounts = of("accounts")
    threads = (of("threads") or "").strip()
    live = [job for job in jobs if job.phase is not Phase.ENDED]
    known = _once(live + remembered + (output.read_ended(history, nonce) if history is not None else []))
    return ClusterPicture(
        jobs=tuple(live),
        ended=tuple(job for job in known if job.phase is Phase.ENDED),  # not an earlier run of what lives again
        queues=tuple(output.read_queues(of("queues") or "", nodes)),
        nodes=tuple(nodes),
        accounts=tuple(sorted(set(accounts.split()))) if accounts is not None else None,
        ended_since=ended_since if history is not None else None,
        drained=threads.isdigit() and int(threads) <= DRAINED_THREADS,
    )


# slurmctld's threads at work when it is not behind; after a standstill every waiting client has one, up to 256.
DRAINED_THREADS = 8


def _with_exit(job: SchedulerJob, exits: Mapping[str, tuple[int, int | None]]) -> SchedulerJob:
    if job.raw_id not in exits:
        return job
    code, signal = exits[job.raw_id]
    return replace(job, exit_code=code, signal=signal)


def _once(jobs: list[SchedulerJob]) -> list[SchedulerJob]:
    """Of what squeue and sacct both know, squeue's, which is never behind; of two ends the one with its exit code."""
    found: dict[tuple[str, str, str | None, int | None], SchedulerJob] = {}
    for job in jobs:
        key = (job.raw_id, job.user, job.placement, job.task)
        known = found.setdefault(key, job)
        if known.phase is job.phase is Phase.ENDED and known.exit_code is None:
            found[key] = job
    return list(found.values())
