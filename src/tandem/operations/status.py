"""How the environment is doing, for its administrators: all from the database, none of it from a cluster.

Attention: what a person should look at, in words. Empty means that everything is as it should be.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Min, Q, QuerySet

from tandem.clock import database_now
from tandem.clusters.models import Cluster, ClusterState
from tandem.jobs.models import FINAL_STATES, Followed, Job, Placement, PlacementState
from tandem.operations.leases import lease_names
from tandem.operations.models import Lease

# A job that is due is placed within a second or two; polls come every few seconds and are followed at once.
PLACED_WITHIN = timedelta(seconds=30)
POLLS_BEHIND = 3
SLOW_DATABASE = 100.0  # milliseconds
_SERVER = ("version", "hostname", "read_only", "innodb_read_only", "aurora_server_id", "max_connections")


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster and its loops. `unanswered`: polls since the last answer; `behind`: answers not yet followed."""

    name: str
    zone: str
    state: ClusterState
    state_since: datetime | None
    last_answer_at: datetime | None
    age: float | None
    poll: int
    unanswered: int
    behind: int
    error: str
    shortages: dict[str, str]


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """Who does what. `held` by the database's clock; `holder` is a worker, `node` the portal node that it runs on."""

    name: str
    holder: str
    node: str
    held: bool
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """The server behind this request's connection. `role` is `writer` or `reader`; times in milliseconds."""

    version: str
    host: str
    role: str
    read_only: bool
    round_trip: float
    connections: int | None
    most_connections: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The job that has waited longest for a placement it could have had by now, or for news of the one it has."""

    id: str
    name: str
    owner: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PlacementCount:
    """How many placements of jobs that are not over are in a state, and since when the oldest is."""

    state: PlacementState
    number: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything."""

    at: datetime
    attention: list[str]
    clusters: list[ClusterStatus]
    leases: list[LeaseStatus]
    database: DatabaseStatus
    placements: list[PlacementCount]
    jobs: dict[str, int]
    unplaced: int
    oldest_unplaced: Waiting | None
    cancelling: int


def read_status() -> Status:
    """Look at everything once: a dozen short queries, however many jobs there are."""
    now = database_now()
    clusters, leases, database = _clusters(now), _leases(now), _database()
    placements = _placements()
    waiting = _unplaced(now)
    oldest = waiting.select_related("owner").order_by("created_at").first()
    going_on = Job.objects.exclude(state__in=FINAL_STATES)
    states = going_on.order_by().values_list("state").annotate(number=Count("pk"))
    unplaced = waiting.count()
    return Status(
        at=now,
        attention=_attention(now, clusters, leases, database, placements, oldest),
        clusters=clusters,
        leases=leases,
        database=database,
        placements=placements,
        jobs={str(state): int(number) for state, number in states},
        unplaced=unplaced,
        oldest_unplaced=_waiting(oldest) if oldest else None,
        cancelling=going_on.filter(cancel_wanted_at__isnull=False).count(),
    )


def _clusters(now: datetime) -> list[ClusterStatus]:
    followed = dict(Followed.objects.values_list("cluster", "poll_number"))
    return [
        ClusterStatus(
            name=row.name,
            zone=row.zone,
            state=ClusterState(row.state),
            state_since=row.state_since,
            last_answer_at=row.last_answer_at,
            age=round(max((now - row.last_answer_at).total_seconds(), 0.0), 1) if row.last_answer_at else None,
            poll=row.poll_number,
            unanswered=row.poll_number - row.answered_poll,
            behind=max(row.answered_poll - followed.get(row.name, 0), 0),
            error=row.error,
            shortages={str(queue): _words(about) for queue, about in row.shortages.items()},
        )
        for row in Cluster.objects.filter(present=True).order_by("name")
    ]


def _words(about: object) -> str:
    return str(about.get("reason", "") if isinstance(about, dict) else about)


def _leases(now: datetime) -> list[LeaseStatus]:
    rows = {row.name: row for row in Lease.objects.all()}
    clusters = list(Cluster.objects.filter(present=True).values_list("name", flat=True))
    expected = lease_names(clusters) if clusters else []  # a development server has no workers
    found = []
    for name in sorted(expected):
        row = rows.get(name)
        held = row is not None and row.holder != "" and row.expires_at > now
        holder = row.holder if row else ""
        until = row.expires_at if row and holder else None
        found.append(LeaseStatus(name, holder, holder.partition(":")[0], held, until))
    return found


def _database() -> DatabaseStatus:
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
        round_trip = round((time.monotonic() - began) * 1000, 1)
        if connection.vendor != "mysql":
            version = ".".join(str(part) for part in connection.get_database_version())
            return DatabaseStatus(f"{connection.display_name} {version}", "", "writer", False, round_trip, None, None)
        marks = ", ".join(["%s"] * len(_SERVER))
        cursor.execute(f"SHOW VARIABLES WHERE Variable_name IN ({marks})", _SERVER)
        server = {str(name): str(value) for name, value in cursor.fetchall()}
        cursor.execute("SHOW STATUS LIKE 'Threads_connected'")
        row = cursor.fetchone()
    read_only = any(server.get(name, "OFF") in ("ON", "1") for name in ("read_only", "innodb_read_only"))
    return DatabaseStatus(
        version=server.get("version", ""),
        host=server.get("aurora_server_id") or server.get("hostname", ""),
        role="reader" if read_only else "writer",
        read_only=read_only,
        round_trip=round_trip,
        connections=int(row[1]) if row else None,
        most_connections=int(server["max_connections"]) if "max_connections" in server else None,
    )


def _unplaced(now: datetime) -> QuerySet[Job]:
    """Those that no cluster is known to have: due, or handed over without an answer."""
    due = Q(place_wanted__isnull=False, hold_wanted=False)
    unanswered = Placement.objects.filter(state__in=(PlacementState.SUBMITTING, PlacementState.DOUBT))
    doubtful = unanswered.filter(state_since__lt=now - PLACED_WITHIN).values("job")
    placed = Placement.objects.filter(state=PlacementState.SUBMITTED).values("job")
    jobs = Job.objects.filter(cancel_wanted_at=None, owner__is_active=True, created_at__lte=now)
    return jobs.filter(due | Q(pk__in=doubtful)).exclude(state__in=FINAL_STATES).exclude(pk__in=placed)


def _waiting(job: Job) -> Waiting:
    return Waiting(str(job.pk), job.name, job.owner.username, job.created_at, job.reason)


def _placements() -> list[PlacementCount]:
    rows = (
        Placement.objects.exclude(job__state__in=FINAL_STATES)
        .order_by()
        .values_list("state")
        .annotate(number=Count("pk"), oldest=Min("state_since"))
    )
    found = {state: (number, oldest) for state, number, oldest in rows}
    return [
        PlacementCount(state, *found.get(state.value, (0, None)))
        for state in PlacementState
        if state.value in found or state in (PlacementState.DOUBT, PlacementState.LOST)
    ]


def _attention(
    now: datetime,
    clusters: list[ClusterStatus],
    leases: list[LeaseStatus],
    database: DatabaseStatus,
    placements: list[PlacementCount],
    oldest: Job | None,
) -> list[str]:
    found = []
    for cluster in clusters:
        if cluster.state is not ClusterState.UP:
            found.append(f"{cluster.name} is {cluster.state}{f': {cluster.error}' if cluster.error else ''}")
        elif cluster.behind >= POLLS_BEHIND:
            found.append(f"{cluster.name} answers, and {cluster.behind} of its answers were not taken into account yet")
        found += [f"{cluster.name} lacks nodes for {queue}: {why}" for queue, why in cluster.shortages.items()]
    idle = [lease.name for lease in leases if not lease.held]
    if idle:
        found.append(f"no worker holds {', '.join(idle)}")
    if database.read_only:
        found.append("the database can only be read: nothing can be submitted or changed")
    if database.round_trip > SLOW_DATABASE:
        found.append(f"the database took {database.round_trip:.0f} ms to answer")
    if oldest is not None and now - oldest.created_at > PLACED_WITHIN and now - oldest.state_since > PLACED_WITHIN:
        found.append(f"“{oldest.name}” of {oldest.owner.username} is not placed: {oldest.reason or 'nobody says why'}")
    for count in placements:
        if count.state is PlacementState.LOST and count.number:
            found.append(f"LOST placements, which their cluster does not know any more: {count.number}")
    return found
