"""Reading what Slurm's commands print, as they print it from 22.05 on.

Names of jobs and wckeys come from people and may hold anything, line ends and separators included; Slurm prints them
raw. Hence fields that a person can choose stand between nonces, and nothing is split at line ends before that.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from tandem.clusters.errors import ClusterRefused
from tandem.clusters.scheduler import Cancel, Ending, Node, NodeCondition, Phase, Queue, SchedulerJob, Wait

_TASKS = re.compile(r"[0-9]+(-[0-9]+(:[0-9]+)?)?(,[0-9]+(-[0-9]+(:[0-9]+)?)?)*")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

SQUEUE_FIELDS = "%A|%F|%K|%u|%T|%r|%P|%N|%V|%S|%e{nonce}%w{nonce}%j{nonce}"
SACCT_FIELDS = "JobIDRaw,JobID,User,State,ExitCode,Partition,NodeList,Submit,Start,End,WCKey,JobName"

ENDINGS = {
    "BOOT_FAIL": Ending.LOST_NODE,
    "CANCELLED": Ending.CANCELLED,
    "COMPLETED": Ending.COMPLETED,
    "DEADLINE": Ending.TIMEOUT,
    "FAILED": Ending.FAILED,
    "NODE_FAIL": Ending.LOST_NODE,
    "OUT_OF_MEMORY": Ending.FAILED,
    "PREEMPTED": Ending.LOST_NODE,
    "TIMEOUT": Ending.TIMEOUT,
}
WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
SUSPENDED = {"SUSPENDED", "STOPPED"}

# The first of these words that a node's state holds says how it is: of a node that is being switched on or off it does
# not matter that it does not answer, of others it does.
CONDITIONS = {
    "POWERING_UP": NodeCondition.STARTING,
    "POWER_UP": NodeCondition.STARTING,
    "POWERING_DOWN": NodeCondition.STOPPING,
    "POWER_DOWN": NodeCondition.STOPPING,
    "POWERED_DOWN": NodeCondition.OFF,
    "DOWN": NodeCondition.DOWN,
    "ERROR": NodeCondition.DOWN,
    "FAIL": NodeCondition.DOWN,
    "NOT_RESPONDING": NodeCondition.SILENT,
    "ALLOCATED": NodeCondition.BUSY,
    "MIXED": NodeCondition.BUSY,
    "COMPLETING": NodeCondition.BUSY,
    "IDLE": NodeCondition.IDLE,
}

RESUME_TIMEOUT = "ResumeTimeout reached"
_ERROR_CODE = re.compile(r"\(Code: ?([A-Za-z0-9_.-]{1,80})\)")
# Of a node's state: it failed, or it is being given back (scontrol(1), "State").
_OUT = {"DOWN", "POWER_DOWN", "POWERING_DOWN"}
# Reasons of waiting jobs, as in squeue(1). Slurm puts a job on hold that it could not start on its node, and only an
# operator can release it: after slurmctld forgot a job that still ran there, and gave its id to this one.
_WAITS = {
    "BeginTime": Wait.WISH,
    "Dependency": Wait.WISH,
    "DependencyNeverSatisfied": Wait.WISH,
    "Reservation": Wait.WISH,
    "JobArrayTaskLimit": Wait.ARRAY_LIMIT,
    "launch failed requeued held": Wait.STUCK,
}
_CANCELLED = re.compile(r"^[0-9]+(?:_([^|]+))?\|([0-9a-f-]{36})\|CANCELLED by ([0-9]{1,10})\|$", re.MULTILINE)


class UnexpectedOutput(ClusterRefused):
    """Slurm printed something that we do not know how to read."""


def phase_of(state: str) -> tuple[Phase, Ending | None]:
    """Of a state in Slurm's words. A word that we do not know is no evidence of an end: it counts as running."""
    word = state.split(" ", 1)[0].rstrip("+")
    if word in ENDINGS:
        return Phase.ENDED, ENDINGS[word]
    if word in WAITING:
        return Phase.WAITING, None
    return (Phase.SUSPENDED if word in SUSPENDED else Phase.RUNNING), None


def read_jobs(text: str, nonce: str) -> list[SchedulerJob]:
    """What squeue printed in `SQUEUE_FIELDS`: one entry a job, one for all waiting tasks of an array together."""
    jobs = []
    for head, wckey, name in _records(text, nonce, 3):
        fields = head.split("|")
        if len(fields) != 11:
            raise UnexpectedOutput(f"squeue printed {head!r}")
        raw, array, index, user, state, reason, queue, nodes, submitted, started, ended = fields
        phase, ending = phase_of(state)
        jobs.append(
            SchedulerJob(
                scheduler_id=array or raw,
                raw_id=raw,
                user=user,
                name=shown(name),
                placement=placement_of(wckey),
                phase=phase,
                ending=ending,
                state=state,
                reason="" if reason == "None" else reason,
                queue=queue,
                task=int(index) if index.isdigit() else None,
                tasks=tasks_of(index),
                nodes=nodes,
                submitted_at=read_time(submitted),
                started_at=None if phase is Phase.WAITING else read_time(started),
                ended_at=read_time(ended) if phase is Phase.ENDED else None,
            )
        )
    return jobs


def read_ended(text: str, nonce: str) -> list[SchedulerJob]:
    """What sacct printed in `SACCT_FIELDS`; of several records of one job, each run's, the last one."""
    latest: dict[tuple[str, str, str | None, int | None], SchedulerJob] = {}
    for fields in _records(text, nonce, 12):
        raw, job_id, user, state, exit_code, queue, nodes, submitted, started, ended, wckey, name = fields
        phase, ending = phase_of(state)
        array, _, index = job_id.partition("_")
        code, _, signal = exit_code.partition(":")
        job = SchedulerJob(
            scheduler_id=array,
            raw_id=raw,
            user=user,
            name=shown(name),
            placement=placement_of(wckey),
            phase=phase,
            ending=ending,
            state=state,
            reason="",
            queue=queue,
            task=int(index) if index.isdigit() else None,
            tasks=tasks_of(index.strip("[]")),
            nodes="" if nodes == "None assigned" else nodes,
            exit_code=int(code) if code.isdigit() else None,
            signal=int(signal) or None if signal.isdigit() else None,
            submitted_at=read_time(submitted),
            started_at=read_time(started),
            ended_at=read_time(ended),
        )
        key = (job.scheduler_id, job.user, job.placement, job.task)
        before = latest.get(key)
        if before is None or _when(before) <= _when(job):
            latest[key] = job
    return list(latest.values())


def read_exits(text: str) -> dict[str, tuple[int, int | None]]:
    """Exit code and signal by raw job id, from squeue's wait status."""
    found = {}
    for line in text.splitlines():
        match line.split():
            case [raw, status] if status.isdigit():
                found[raw] = (int(status) >> 8 & 255, int(status) & 127 or None)
            case [raw, status] if ":" in status:  # later versions print code:signal
                code, _, signal = status.partition(":")
                found[raw] = (int(code), int(signal) or None)
    return found


def read_nodes(text: str) -> list[Node]:
    """What `scontrol -o show nodes` printed."""
    nodes = []
    for line in text.splitlines():
        values, reason = _pairs(line)
        if "NodeName" not in values:
            continue
        state = values.get("State", "")
        nodes.append(
            Node(
                name=values["NodeName"],
                state=state,
                reason=reason,
                queues=tuple(part for part in values.get("Partitions", "").split(",") if part),
                cpus=_number(values.get("CPUTot")),
                cpus_used=_number(values.get("CPUAlloc")),
                memory=_number(values.get("RealMemory")),
                memory_used=_number(values.get("AllocMem")),
                load=_float(values.get("CPULoad")),
                shortage=shortage_in(reason) if _is_out(state) else "",
                condition=condition_of(state),
                elastic=is_elastic(values["NodeName"], state),
            )
        )
    return nodes


def _is_out(state: str) -> bool:
    """Whether a node cannot be asked for now: down, or on its way off.

    Slurm goes on showing the reason afterwards, until it is asked for the node again.
    """
    return not _OUT.isdisjoint(words_in(state))


def condition_of(state: str) -> NodeCondition:
    """Of a node's state as scontrol prints it: a word, often with more behind plus signs."""
    words = words_in(state)
    if "*" in state:
        words.add("NOT_RESPONDING")
    found = next((condition for word, condition in CONDITIONS.items() if word in words), NodeCondition.UNKNOWN)
    if "DRAIN" in words and found in (NodeCondition.IDLE, NodeCondition.BUSY):
        return NodeCondition.DRAINED if found is NodeCondition.IDLE else NodeCondition.DRAINING
    return found


def words_in(state: str) -> set[str]:
    """What a node's state says, without the marks behind its words."""
    return {word.rstrip("*~#!%$@^-") for word in state.split("+")}


def is_elastic(name: str, state: str) -> bool:
    """Whether a node comes and goes. To Slurm all of a cloud's nodes do; ParallelCluster's `-st-` ones always run."""
    return "CLOUD" in state and "-st-" not in name


def shortage_in(reason: str) -> str:
    """Why a node was not provided, of what its reason says; empty for other reasons.

    ParallelCluster writes the cloud's error code into the reason; Slurm writes its own over it when the node has not
    come up in time.
    """
    if match := _ERROR_CODE.match(reason):
        return match[1]
    return RESUME_TIMEOUT if reason.startswith(RESUME_TIMEOUT) else ""


def wait_of(reason: str) -> Wait:
    """What keeps a waiting job from starting, by Slurm's reason."""
    if reason.startswith("JobHeld"):
        return Wait.HELD
    return _WAITS.get(reason) or _WAITS.get(reason.lower().replace("_", " "), Wait.TURN)


def read_cancels(text: str) -> dict[str, set[Cancel]]:
    """By wckey, who cancelled what: lines of sacct's JobID, WCKey and State. An array's task stands behind its id."""
    found: dict[str, set[Cancel]] = defaultdict(set)
    for index, wckey, uid in _CANCELLED.findall(text):
        tasks = index if index.isdigit() else tasks_of(index.strip("[]"))
        found[wckey].add(Cancel(int(uid), tasks))
    return found


def read_queues(text: str, nodes: list[Node]) -> list[Queue]:
    """What `scontrol -o show partitions` printed; sizes of the nodes come from `nodes`."""
    queues = []
    for line in text.splitlines():
        values, _ = _pairs(line)
        name = values.get("PartitionName")
        if name is None:
            continue
        members = [node for node in nodes if name in node.queues]
        queues.append(
            Queue(
                name=shown(name),
                available=values.get("State") == "UP",
                is_default=values.get("Default") == "YES",
                time_limit=read_duration(values.get("MaxTime", "")),
                nodes=_number(values.get("TotalNodes")),
                cpus_per_node=max((node.cpus for node in members), default=0),
                memory_per_node=max((node.memory for node in members), default=0),
            )
        )
    return queues


def read_time(text: str) -> datetime | None:
    """A time as Slurm prints it under TZ=UTC0; None for its words that mean none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def read_duration(text: str) -> int | None:
    """`[days-]hours:minutes:seconds` in seconds; None for UNLIMITED."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def tasks_of(indices: str) -> str:
    """The tasks of an entry for several; empty for one task, and for a list that Slurm has cut off."""
    tasks = indices.partition("%")[0]
    return tasks if _TASKS.fullmatch(tasks) and not tasks.isdigit() else ""


def placement_of(wckey: str) -> str | None:
    """The placement that a wckey names, if it can be one. Anybody can write any: the job's user counts as well."""
    return wckey if UUID.fullmatch(wckey) else None


def shown(name: str) -> str:
    """A name that people chose, as text that can be stored: bytes that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _records(text: str, nonce: str, size: int) -> Iterator[list[str]]:
    """Fields of each record, where every field, the last one too, is followed by the nonce."""
    fields = text.split(nonce)
    rest = fields.pop()
    if rest.strip() or len(fields) % size:
        raise UnexpectedOutput(f"a record ends in the middle: {rest[-200:]!r}")
    for start in range(0, len(fields), size):
        record = fields[start : start + size]
        record[0] = record[0].removeprefix("\n")
        yield record


def _pairs(line: str) -> tuple[dict[str, str], str]:
    """`Key=value` pairs of a line of scontrol, and the reason, which is free text at its end."""
    head, _, reason = line.partition(" Reason=")
    values: dict[str, str] = {}
    for key, value in re.findall(r"(?:^|\s)(\w+)=(\S*)", head):
        values.setdefault(key, value)
    return values, re.sub(r" \[[^\[\]]*@[^\[\]]*\]$", "", reason.strip())


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _float(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _when(job: SchedulerJob) -> tuple[datetime, datetime]:
    never = datetime.min.replace(tzinfo=UTC)
    return job.submitted_at or never, job.ended_at or never
