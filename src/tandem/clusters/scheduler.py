"""What the rest of Tandem may know of a scheduler: plain data, in words that are no one scheduler's own."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tandem.clusters.slurm import Slurm


class Phase(StrEnum):
    """Where a scheduler's job stands, as far as all schedulers agree."""

    WAITING = "waiting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Ending(StrEnum):
    """How it ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    LOST_NODE = "lost node"


class Wait(StrEnum):
    """What keeps a waiting job from starting, as far as that matters."""

    TURN = "its turn"
    WISH = "a wish"
    ARRAY_LIMIT = "the array's own limit"
    HELD = "a hold"
    STUCK = "an operator"


@dataclass(frozen=True, slots=True)
class Cancel:
    """That tasks were cancelled by somebody, as the accounting database has it. Without tasks: the job, or it does not
    say which.
    """

    uid: int
    tasks: str = ""


@dataclass(frozen=True, slots=True)
class SchedulerJob:
    """One job, or one array task of it, as the scheduler shows it.

    `task` is None without array, and for an array's tasks that still wait, or were cancelled while they did: they share
    one entry, and `tasks` are its indices as far as it says, such as 3,5-9. `scheduler_id` is the whole job's and what
    `submit` returned, `raw_id` the task's own. `placement` is what the job *says* it belongs to: anybody can write
    anything there, so it counts together with `user` only.
    """

    scheduler_id: str
    user: str
    name: str
    placement: str | None
    phase: Phase
    ending: Ending | None
    state: str
    reason: str
    queue: str
    task: int | None = None
    tasks: str = ""
    nodes: str = ""
    exit_code: int | None = None
    signal: int | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    raw_id: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as the scheduler shows it; times in seconds, memory in MiB; None where it sets no limit."""

    name: str
    available: bool
    is_default: bool
    time_limit: int | None
    nodes: int
    cpus_per_node: int
    memory_per_node: int


class NodeCondition(StrEnum):
    """How a node is, as far as people care. OFF: the cloud provides it when a job needs it."""

    IDLE = "idle"
    BUSY = "busy"
    STARTING = "starting"
    STOPPING = "stopping"
    OFF = "off"
    DRAINING = "draining"
    DRAINED = "drained"
    SILENT = "no answer"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """A compute node as the scheduler shows it; memory in MiB. `shortage`: why the cloud did not provide it, if so.

    `state` is the scheduler's own word. `elastic`: comes and goes with the work.
    """

    name: str
    state: str
    reason: str
    queues: tuple[str, ...]
    cpus: int
    cpus_used: int
    memory: int
    memory_used: int
    load: float | None
    shortage: str = ""
    condition: NodeCondition = NodeCondition.UNKNOWN
    elastic: bool = False


@dataclass(frozen=True, slots=True)
class ClusterPicture:
    """All that one poll saw: every live job of every person, recently ended ones, queues, nodes, accounts.

    `poll` is the number taken when the poll started (0 outside the watch loop). `ended` holds what the scheduler still
    remembers and, if the accounting database was asked and answered, all that ended since `ended_since`. Only then is a
    placement's absence evidence: do not count a miss while `ended_since` is None. `accounts` is None likewise.
    `drained` is False while the scheduler may still have requests from before in hand.
    """

    jobs: tuple[SchedulerJob, ...] = ()
    ended: tuple[SchedulerJob, ...] = ()
    queues: tuple[Queue, ...] = ()
    nodes: tuple[Node, ...] = ()
    accounts: tuple[str, ...] | None = None
    ended_since: datetime | None = None
    drained: bool = True
    poll: int = 0


def wait_of(reason: str) -> Wait:
    """What a scheduler's word for it means."""
    from tandem.clusters import slurm_output

    return slurm_output.wait_of(reason)


def get_scheduler(cluster: str) -> "Slurm":
    """The scheduler of a cluster, behind this process's door."""
    from tandem.clusters.door import get_door
    from tandem.clusters.slurm import Slurm

    return Slurm(get_door(), cluster)
