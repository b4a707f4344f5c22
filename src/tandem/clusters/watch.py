"""The watch loop's one turn: ask a cluster for everything, and keep what the pages show of it.

A cluster is UP, SUSPECT (silent for a while), DOWN (silent for long) or RECOVERING: it answers again, but Slurm may
still have requests from before in hand, so that what it does not show proves nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from tandem.clusters.door import DoorError
from tandem.clusters.models import Cluster, ClusterState, Shortages
from tandem.clusters.scheduler import ClusterPicture, Node, Phase, get_scheduler
from tandem.environment import Environment, Failover

# A cluster is UP again when this many polls that started after its first answer have been answered, and Slurm's
# threads are no longer busy with what had queued up. No request outlives `RECOVERED_ANYWAY`.
POLLS_TO_RECOVER = 2
RECOVERED_ANYWAY = timedelta(seconds=60)
# A poll is given up after as long as makes a cluster suspect, but not before a busy one has had time to answer.
SHORTEST_DEADLINE = 8.0
# That a queue lacks nodes is believed for so long after it was last seen: the reason is soon written over.
SHORTAGE_HOLDS = timedelta(seconds=60)

log = structlog.get_logger("watch")


def sync_clusters(environment: Environment) -> list[str]:
    """Have one row for each cluster of the environment; rows of others stay, marked as gone. Answers their names.

    Nobody asks those any more, so they do not answer: whoever goes by their state must not wait for them.
    """
    for cluster in environment.clusters:
        Cluster.objects.update_or_create(name=cluster.name, defaults={"zone": cluster.zone, "present": True})
    gone = Cluster.objects.exclude(name__in=[cluster.name for cluster in environment.clusters])
    gone.update(present=False)
    gone.exclude(state=ClusterState.DOWN).update(
        state=ClusterState.DOWN, state_since=timezone.now(), error="it is in the environment file no more"
    )
    return list(gone.values_list("name", flat=True))


def poll_once(name: str, failover: Failover, ended_since: datetime | None = None) -> ClusterPicture | None:
    """Ask once; record the answer or its absence; return the answer.

    The poll's number is taken before it starts, so whatever has a number not below it may have happened after what
    the poll saw. With `ended_since` the accounting database is asked as well, which takes a tenth of a second more.
    """
    Cluster.objects.filter(pk=name).update(poll_number=F("poll_number") + 1)
    number = Cluster.objects.values_list("poll_number", flat=True).get(pk=name)
    asked_at = timezone.now()
    try:
        picture = get_scheduler(name).picture(ended_since, max(failover.suspect_after, SHORTEST_DEADLINE))
    except DoorError as problem:
        record_silence(name, number, asked_at, str(problem), failover)
        return None
    record_answer(name, number, asked_at, picture, failover)
    return replace(picture, poll=number)


def record_answer(name: str, number: int, asked_at: datetime, picture: ClusterPicture, failover: Failover) -> None:
    """Keep what a poll saw, unless a later one has answered already. Locks the cluster's row."""
    with transaction.atomic():
        row = Cluster.objects.select_for_update().get(pk=name)
        if number <= row.answered_poll:
            return
        now = timezone.now()
        state = _state_after_answer(row, number, asked_at, picture, now, failover)
        _enter(row, state, now)
        row.answered_poll, row.last_answer_at, row.silent_since, row.error = number, now, None, ""
        row.queues = queue_rows(picture)
        row.nodes = node_rows(row.nodes, picture.nodes, now)
        row.shortages = shortages_after(row.shortages, picture.nodes, now)
        if picture.accounts is not None:
            row.accounts = list(picture.accounts)
        seen = ["queues", "nodes", "shortages", "accounts"]
        row.save(update_fields=[*_STATE, "answered_poll", "last_answer_at", "error", *seen])


def queue_rows(picture: ClusterPicture) -> list[dict[str, Any]]:
    """Each queue as it is kept: with how many jobs run and wait in it, whoever's, and wherever they came from."""
    counts: Counter[tuple[str, Phase]] = Counter()
    for job in picture.jobs:
        # A waiting job may name several queues.
        counts.update((queue, job.phase) for queue in job.queue.split(","))
    return [
        {
            **asdict(queue),
            "jobs_running": counts[queue.name, Phase.RUNNING] + counts[queue.name, Phase.SUSPENDED],
            "jobs_waiting": counts[queue.name, Phase.WAITING],
        }
        for queue in picture.queues
    ]


def node_rows(before: Sequence[dict[str, Any]], nodes: Sequence[Node], now: datetime) -> list[dict[str, Any]]:
    """Each node as it is kept: with since when it has been in its condition, as far as we have seen."""
    known = {node["name"]: node for node in before}
    rows = []
    for node in nodes:
        last = known.get(node.name, {})
        same = last.get("condition") == node.condition and last.get("since")
        rows.append({**asdict(node), "since": last["since"] if same else now.isoformat()})
    return rows


def shortages_after(before: Shortages, nodes: Sequence[Node], now: datetime) -> Shortages:
    """Which queues lack nodes after a poll: by queue why, on which node, since when, and when that was last seen.

    Slurm writes its own "ResumeTimeout reached" over the cloud's reason, so the first one said is kept.
    """
    after = {
        queue: shortage
        for queue, shortage in before.items()
        if now - datetime.fromisoformat(shortage["seen_at"]) < SHORTAGE_HOLDS
    }
    for node in nodes:
        for queue in node.queues if node.shortage else ():
            new = {"reason": node.shortage, "node": node.name, "since": now.isoformat()}
            after[queue] = {**new, **after.get(queue, {}), "seen_at": now.isoformat()}
    return after


def record_silence(name: str, number: int, asked_at: datetime, problem: str, failover: Failover) -> None:
    """Note that a poll was not answered, unless a later one was. Locks the cluster's row.

    A cluster is silent from when it was first asked in vain: that nobody asked it, or late, is not its silence.
    """
    with transaction.atomic():
        row = Cluster.objects.select_for_update().get(pk=name)
        if number <= row.answered_poll:
            return
        now = timezone.now()
        row.silent_since = row.silent_since or asked_at
        silent = now - row.silent_since
        if row.last_answer_at is None or silent >= timedelta(seconds=failover.down_after):
            _enter(row, ClusterState.DOWN, now)
        elif silent >= timedelta(seconds=failover.suspect_after):
            _enter(row, ClusterState.SUSPECT, now)
        row.error = problem
        row.save(update_fields=[*_STATE, "error"])


_STATE = ("state", "state_since", "silent_since", "recovering_poll")


def _state_after_answer(
    row: Cluster, number: int, asked_at: datetime, picture: ClusterPicture, now: datetime, failover: Failover
) -> ClusterState:
    if row.last_answer_at is None:  # never seen before: nothing of ours can be there
        return ClusterState.UP
    was_away = row.state in {ClusterState.SUSPECT, ClusterState.DOWN}
    was_silent = now - (row.silent_since or asked_at) >= timedelta(seconds=failover.suspect_after)
    was_unwatched = now - row.last_answer_at >= timedelta(seconds=failover.down_after)
    if was_away or was_silent or was_unwatched:
        row.recovering_poll = number
        return ClusterState.RECOVERING
    if row.state == ClusterState.UP:
        return ClusterState.UP
    if row.error:  # silent once more on the way back: count from here
        row.recovering_poll = number
    if number < row.recovering_poll + POLLS_TO_RECOVER:
        return ClusterState.RECOVERING
    waited = row.state_since is not None and now - row.state_since >= RECOVERED_ANYWAY
    return ClusterState.UP if picture.drained or waited else ClusterState.RECOVERING


def _enter(row: Cluster, state: ClusterState, now: datetime) -> None:
    if row.state == state and row.state_since is not None:
        return
    log.info("cluster", cluster=row.name, was=row.state, now=state.value)
    row.state, row.state_since = state, now
