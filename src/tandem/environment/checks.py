"""What must hold between the parts of an environment: checked on whatever parts are sound in themselves.

Each check yields problems, so that a file with a wrong type in one place still hears about a contradiction in another.
"""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from tandem.environment.instances import INSTANCE_TYPES
from tandem.environment.marked import Key, Marked
from tandem.environment.model import Administrator, AwsSettings, Database, Failover, Part, Scratch
from tandem.environment.problems import Problem, shown
from tandem.rules import UIDS_OF_OTHERS

AnyPart = TypeVar("AnyPart", bound=Part)

# Names that Debian or Amazon Linux, Slurm or Tandem itself give to accounts and groups of their own.
SYSTEM_NAMES = frozenset(
    """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup adm tty
    disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users
    wheel input kvm render sgx crontab netdev messagebus ssh sshd ssh_keys _ssh polkitd rtkit uuidd tss dbus ntp chrony
    halt shutdown ftp rpc rpcuser nfsnobody haproxy mysql munge slurm slurmrestd postgres docker pcluster pcluster-admin
    apps
    """.split()  # noqa: SIM905
)
# A scratch file system mounted on or under one of these would hide what the node itself needs.
SYSTEM_DIRECTORIES = tuple(
    PurePosixPath(f"/{name}")
    for name in (
        *("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt", "proc"),
        *("root", "run", "sbin", "srv", "sys", "tmp", "usr", "var"),
    )
)


def contradictions(marked: Marked) -> Iterator[Problem]:
    """All that is wrong between the parts of the file."""
    checks: tuple[Callable[[Marked], Iterator[Problem]], ...] = (
        _zones_and_clusters,
        _queues,
        _mounts,
        _scratch_sizes,
        _people,
        _failover_times,
        _database_capacity,
        _network_on_aws,
    )
    for check in checks:
        yield from check(marked)


def _at(data: object, key: Key) -> object:
    """What stands at `key`, or None."""
    for part in key:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part] if part < len(data) else None
        else:
            return None
    return data


def _items(marked: Marked, key: Key) -> Iterator[Key]:
    """The keys of the mappings in the list at `key`."""
    items = _at(marked.data, key)
    for index, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict):
            yield (*key, index)


def _texts(marked: Marked, key: Key, name: str) -> Iterator[tuple[Key, str]]:
    """(key, text) of the field `name` of each mapping in the list at `key`, where it is text."""
    for item in _items(marked, key):
        value = _at(marked.data, (*item, name))
        if isinstance(value, str):
            yield (*item, name), value


def _part(kind: type[AnyPart], marked: Marked, key: Key) -> AnyPart | None:
    """The part at `key` with its defaults, or None when it is not sound in itself."""
    data = _at(marked.data, key)
    try:
        return kind.model_validate({} if data is None else data)
    except ValidationError:
        return None


def _duplicates(marked: Marked, values: Iterator[tuple[Key, object]], what: str) -> Iterator[Problem]:
    first: dict[object, Key] = {}
    for key, value in values:
        if value in first:
            line = marked.line(first[value])
            yield marked.problem(key, f"{what} that is not taken; it is also on line {line}")
        else:
            first[value] = key


def _zones_and_clusters(marked: Marked) -> Iterator[Problem]:
    yield from _duplicates(marked, _texts(marked, ("zones",), "name"), "a name")
    yield from _duplicates(marked, _texts(marked, ("clusters",), "name"), "a name")
    zones = [name for _, name in _texts(marked, ("zones",), "name")]
    region = _at(marked.data, ("region",))
    if not zones:
        return
    names = ", ".join(zones)
    for key, zone in _texts(marked, ("clusters",), "zone"):
        if zone not in zones:
            yield marked.problem(key, f"one of the zones: {names}")
    used = {zone for _, zone in _texts(marked, ("clusters",), "zone")}
    for key, zone in _texts(marked, ("zones",), "name"):
        if used and zone not in used:
            yield marked.problem(key, "a zone with at least one cluster", f"{shown(zone)} without a cluster")
        if isinstance(region, str) and not zone.startswith(region):
            yield marked.problem(key, f"a zone of the region, such as {region}a")


def _queues(marked: Marked) -> Iterator[Problem]:
    for cluster in _items(marked, ("clusters",)):
        queues = (*cluster, "queues")
        yield from _duplicates(marked, _texts(marked, queues, "name"), "a name")
        defaults = [
            (*queue, "default") for queue in _items(marked, queues) if _at(marked.data, (*queue, "default")) is True
        ]
        for key in defaults[1:]:
            yield marked.problem(key, f"one default queue; line {marked.line(defaults[0])} has it")
        for queue in _items(marked, queues):
            counts = [_at(marked.data, (*queue, name)) or 0 for name in ("fixed_nodes", "elastic_nodes")]
            if counts == [0, 0]:
                yield marked.problem(queue, "at least one node: fixed_nodes or elastic_nodes", "a queue without nodes")
            yield from _hardware(marked, queue)


def _hardware(marked: Marked, queue: Key) -> Iterator[Problem]:
    """An instance type stands for CPUs and memory; an unknown one, or none, needs both."""
    kind = _at(marked.data, (*queue, "instance_type"))
    known = INSTANCE_TYPES.get(kind) if isinstance(kind, str) else None
    for name, unit in (("cpus", "CPUs"), ("memory_gib", "GiB")):
        key = (*queue, name)
        value = _at(marked.data, key)
        if known and value is not None and value != getattr(known, name):
            yield marked.problem(key, f"{getattr(known, name):g} {unit}, as {kind} has; or leave it out")
    missing = [name for name in ("cpus", "memory_gib") if _at(marked.data, (*queue, name)) is None]
    if known or not missing:
        return
    if kind is None:
        yield marked.problem(
            queue, "an instance_type, or cpus and memory_gib", "a queue that does not say what a node is"
        )
    else:
        both = "cpus: 8 and memory_gib: 32" if len(missing) == 2 else f"{missing[0]} too"
        yield marked.problem(
            (*queue, "instance_type"), f"a type that Tandem knows, or say beside it what it has, such as {both}"
        )


def _mounts(marked: Marked) -> Iterator[Problem]:
    """No mount on, in or around another, nor on the system's own directories."""
    clusters = [name for _, name in _texts(marked, ("clusters",), "name")]
    scratch = _at(marked.data, ("storage", "scratch"))
    given = scratch if isinstance(scratch, dict) else {}
    for name in given:
        if clusters and name not in clusters:
            yield marked.problem(
                ("storage", "scratch", name), f"the name of a cluster: {', '.join(clusters)}", shown(name)
            )
    mounts: list[tuple[Key, PurePosixPath]] = [(("storage", "shared", "path"), PurePosixPath("/efs"))]
    for name in dict.fromkeys([*clusters, *given]):
        key: Key = ("storage", "scratch", name, "path")
        path = _at(marked.data, key)
        if path is None or isinstance(path, str):
            mounts.append((key, PurePosixPath(path or f"/fsx_{name}")))
    for number, (key, path) in enumerate(mounts):
        if ".." in path.parts:
            yield marked.problem(key, "a path without ..")
        for directory in SYSTEM_DIRECTORIES:
            if path.is_relative_to(directory):
                yield marked.problem(key, f"a path outside {directory}, which is the system's own")
        for other_key, other in mounts[:number]:
            if path.is_relative_to(other) or other.is_relative_to(path):
                where = f"line {marked.line(other_key)}" if marked.line(other_key) > 1 else "by default"
                yield marked.problem(
                    key, f"a path apart from {other} ({where}): mounts may not overlap", shown(str(path))
                )


def _scratch_sizes(marked: Marked) -> Iterator[Problem]:
    """Each kind of file system comes in sizes of its own."""
    given = _at(marked.data, ("storage", "scratch"))
    for name in given if isinstance(given, dict) else {}:
        scratch = _part(Scratch, marked, ("storage", "scratch", name))
        if scratch is None:
            continue
        key = ("storage", "scratch", name, "size_gib")
        if scratch.file_system == "lustre" and scratch.size_gib != 1200 and scratch.size_gib % 2400:
            yield marked.problem(key, "1200 or a multiple of 2400, as FSx for Lustre has them")
        if scratch.file_system == "ebs" and scratch.size_gib > 16384:
            yield marked.problem(key, "at most 16384, as a disk has")


def _network_on_aws(marked: Marked) -> Iterator[Problem]:
    """A network that all subnets fit in, and a name for what needs one."""
    aws = _part(AwsSettings, marked, ("aws",))
    if aws is None:
        return
    if not 16 <= IPv4Network(aws.vpc_cidr).prefixlen <= 20:
        yield marked.problem(("aws", "vpc_cidr"), "a network of /16 to /20")
    for name in ("hosted_zone", "certificate_arn"):
        if getattr(aws, name) and not aws.host_name:
            yield marked.problem(("aws", name), "host_name beside it: the portal's name, which the certificate is for")


def _people(marked: Marked) -> Iterator[Problem]:
    """Nobody has a system account's name or id, and no two people share either."""
    administrator = _part(Administrator, marked, ("administrator",))
    names: list[tuple[Key, object]] = [(("administrator", "name"), administrator.name)] if administrator else []
    uids: list[tuple[Key, object]] = [(("administrator", "uid"), administrator.uid)] if administrator else []
    names += _texts(marked, ("users",), "name")
    for user in _items(marked, ("users",)):
        key = (*user, "uid")
        uid = _at(marked.data, key)
        if isinstance(uid, int) and not isinstance(uid, bool):
            uids.append((key, uid))
    yield from _duplicates(marked, iter(names), "a name")
    yield from _duplicates(marked, iter(uids), "a uid")
    for key, uid in uids:
        if isinstance(uid, int) and uid in UIDS_OF_OTHERS:
            yield marked.problem(
                key, f"a uid outside {UIDS_OF_OTHERS[0]} to {UIDS_OF_OTHERS[-1]}, which systems keep for themselves"
            )
    groups = [
        ((*user, "groups", index), group)
        for user in _items(marked, ("users",))
        if isinstance(found := _at(marked.data, (*user, "groups")), list)
        for index, group in enumerate(found)
    ]
    for key, name in [*names, *groups]:
        if isinstance(name, str) and (name in SYSTEM_NAMES or name.startswith(("tandem", "systemd"))):
            yield marked.problem(key, "a name that no system account or group has", shown(name))
    people = {name for _, name in names}
    for key, group in groups:
        # Each person's own group has their name: being in another's would open that person's files.
        if isinstance(group, str) and group in people:
            yield marked.problem(key, "a group that does not have a person's name")


def _failover_times(marked: Marked) -> Iterator[Problem]:
    times = _part(Failover, marked, ("failover",))
    if times is None:
        return

    def less(small: str, large: str, why: str) -> Iterator[Problem]:
        low, high = getattr(times, small), getattr(times, large)
        if low >= high:
            key = ("failover", small if ("failover", small) in marked.lines else large)
            yield marked.problem(key, f"{small} shorter than {large}: {why}", f"{small} {low}s and {large} {high}s")

    yield from less("poll_interval", "suspect_after", "one missed poll says nothing")
    yield from less("suspect_after", "down_after", "a cluster is suspect before it is down")
    yield from less("heartbeat", "self_fence", "else every job would stop itself")
    names = ("self_fence", "kill_time", "visibility", "poll_interval")
    total = sum(getattr(times, name) for name in names)
    if total >= times.take_over:
        given = [name for name in ("take_over", *names) if ("failover", name) in marked.lines]
        yield marked.problem(
            ("failover", given[0]) if given else ("failover",),
            "take_over longer than self_fence + kill_time + visibility + poll_interval, else a job could run twice",
            f"take_over {times.take_over}s and {' + '.join(names)} = {total}s",
        )


def _database_capacity(marked: Marked) -> Iterator[Problem]:
    database = _part(Database, marked, ("database",))
    if database and database.min_acu > database.max_acu:
        given = "min_acu" if ("database", "min_acu") in marked.lines else "max_acu"
        yield marked.problem(
            ("database", given),
            "min_acu not above max_acu",
            f"min_acu {database.min_acu:g} and max_acu {database.max_acu:g}",
        )
