"""What is wrong with an environment file is told with its line, its key, what is there and what may be."""

import os
from pathlib import Path

import pytest

from tandem.environment import EnvironmentFileError, Problem, load_environment

SOUND = """\
name: lab
region: eu-central-1
zones:
  - name: eu-central-1a
  - name: eu-central-1b
clusters:
  - name: one
    zone: eu-central-1a
    queues:
      - name: compute
        instance_type: c5.xlarge
        elastic_nodes: 2
  - name: two
    zone: eu-central-1b
    queues:
      - name: compute
        cpus: 4
        memory_gib: 8
        fixed_nodes: 1
users:
  - name: alice
    uid: 2000
"""


def problems_of(tmp_path: Path, text: str | bytes) -> list[Problem]:
    file = tmp_path / "tandem.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(EnvironmentFileError) as caught:
        load_environment(file)
    for problem in caught.value.problems:
        assert problem.file == str(file)
        assert str(problem) in str(caught.value)
        assert str(problem).isprintable()
    return caught.value.problems


def changed(old: str, new: str) -> str:
    assert SOUND.count(old) >= 1, old
    return SOUND.replace(old, new, 1)


def test_the_sound_file_is_sound(tmp_path: Path) -> None:
    (tmp_path / "tandem.yaml").write_text(SOUND)
    assert load_environment(tmp_path / "tandem.yaml").cluster("two").default_queue.memory_gib == 8


# (what is changed, to what, line, key, part of what is found, part of what is allowed)
WRONG = {
    "unknown key": ("region:", "regoin:", 2, "regoin", "unknown key 'regoin'", "did you mean 'region'"),
    "unknown key deep down": (
        "instance_type: c5.xlarge",
        "instance_type: c5.xlarge\n        fixed: 1",
        12,
        "clusters[0].queues[0].fixed",
        "'fixed'",
        "fixed_nodes",
    ),
    "missing key": ("region: eu-central-1\n", "", 1, "region", "nothing", "required"),
    "word for number": (
        "elastic_nodes: 2",
        "elastic_nodes: two",
        12,
        "clusters[0].queues[0].elastic_nodes",
        "'two'",
        "number",
    ),
    "quoted number": ("uid: 2000", 'uid: "2000"', 22, "users[0].uid", "'2000'", "whole number"),
    "fraction": ("uid: 2000", "uid: 2000.5", 22, "users[0].uid", "'2000.5'", "whole number"),
    "truth for number": ("uid: 2000", "uid: true", 22, "users[0].uid", "'true'", "whole number"),
    "number for word": ("name: lab", "name: 7", 1, "name", "'7'", "text"),
    "text for list": (
        "zones:\n  - name: eu-central-1a\n  - name: eu-central-1b",
        "zones: eu-central-1a",
        3,
        "zones",
        "'eu-central-1a'",
        "a list",
    ),
    "text for mapping": ("- name: eu-central-1b", "- eu-central-1b", 5, "zones[1]", "'eu-central-1b'", "a mapping"),
    "list for mapping": ("users:", "storage: [1]\nusers:", 20, "storage", "a list", "a mapping"),
    "nothing for a list": ("users:\n", "users: ~\nportal: {}\nx:\n", 20, "users", "'~'", "a list"),
    "no clusters": (SOUND[SOUND.index("clusters:") :], "clusters: []\n", 6, "clusters", "a list", "at least 1"),
    "duplicate key": ("region:", "name: lab2\nregion:", 2, "name", "the same key again", "also on line 1"),
    "merge key": ("users:", "<<: {}\nusers:", 20, "<<", "unknown key '<<'", "region"),
    "key that is a list": ("users:", "? [a]\n: b\nusers:", 20, "", "a key that is not a word", "a word"),
    "tag": ("name: lab", "name: !!python/name:os.system lab", 1, "name", "the tag", "without a tag"),
    "duplicate zone": (
        "eu-central-1b\nclusters",
        "eu-central-1a\nclusters",
        5,
        "zones[1].name",
        "eu-central-1a",
        "line 4",
    ),
    "duplicate cluster": ("- name: two", "- name: one", 13, "clusters[1].name", "'one'", "also on line 7"),
    "duplicate queue": (
        "        fixed_nodes: 1\n",
        "        fixed_nodes: 1\n      - name: compute\n        instance_type: c5.large\n        fixed_nodes: 1\n",
        20,
        "clusters[1].queues[1].name",
        "'compute'",
        "also on line 16",
    ),
    "duplicate user": (
        "uid: 2000",
        "uid: 2000\n  - name: alice\n    uid: 2001",
        23,
        "users[1].name",
        "'alice'",
        "line 21",
    ),
    "duplicate uid": ("uid: 2000", "uid: 2000\n  - name: bob\n    uid: 2000", 24, "users[1].uid", "'2000'", "line 22"),
    "administrator as user": ("name: alice", "name: ec2-user", 21, "users[0].name", "'ec2-user'", "not taken"),
    "cluster in no zone": (
        "zone: eu-central-1b",
        "zone: eu-central-1c",
        14,
        "clusters[1].zone",
        "1c",
        "eu-central-1a, eu-central-1b",
    ),
    "cluster without zone": ("    zone: eu-central-1b\n", "", 13, "clusters[1].zone", "nothing", "required"),
    "zone without cluster": (
        "zone: eu-central-1b",
        "zone: eu-central-1a",
        5,
        "zones[1].name",
        "without a cluster",
        "at least one",
    ),
    "zone of another region": (
        "- name: eu-central-1b",
        "- name: us-east-1a",
        5,
        "zones[1].name",
        "us-east-1a",
        "region",
    ),
    "no region": ("eu-central-1\n", "Frankfurt\n", 2, "region", "'Frankfurt'", "an AWS region"),
    "queue without nodes": (
        "        elastic_nodes: 2\n",
        "",
        10,
        "clusters[0].queues[0]",
        "without nodes",
        "fixed_nodes",
    ),
    "negative nodes": (
        "elastic_nodes: 2",
        "elastic_nodes: -2",
        12,
        "clusters[0].queues[0].elastic_nodes",
        "'-2'",
        "at least 0",
    ),
    "cluster without queues": (
        "    queues:\n      - name: compute\n        cpus: 4\n        memory_gib: 8\n        fixed_nodes: 1\n",
        "    queues: []\n",
        15,
        "clusters[1].queues",
        "a list",
        "at least 1",
    ),
    "two defaults": (
        "        fixed_nodes: 1\n",
        "        fixed_nodes: 1\n        default: true\n"
        "      - {name: b, cpus: 1, memory_gib: 1, fixed_nodes: 1, default: true}\n",
        21,
        "clusters[1].queues[1].default",
        "'true'",
        "line 20",
    ),
    "unknown instance type": (
        "c5.xlarge",
        "q9.huge",
        11,
        "clusters[0].queues[0].instance_type",
        "'q9.huge'",
        "cpus: 8 and memory_gib: 32",
    ),
    "half-known instance type": (
        "c5.xlarge",
        "q9.huge\n        cpus: 4",
        11,
        "clusters[0].queues[0].instance_type",
        "'q9.huge'",
        "memory_gib too",
    ),
    "instance type with other cpus": (
        "c5.xlarge",
        "c5.xlarge\n        cpus: 16",
        12,
        "clusters[0].queues[0].cpus",
        "'16'",
        "4 CPUs",
    ),
    "no hardware": (
        "        cpus: 4\n        memory_gib: 8\n",
        "",
        16,
        "clusters[1].queues[0]",
        "does not say",
        "instance_type",
    ),
    "time limit": (
        "cpus: 4",
        "time_limit: 1-00:00:00\n        cpus: 4",
        17,
        "clusters[1].queues[0].time_limit",
        "1-00",
        "24h",
    ),
    "user called root": ("name: alice", "name: root", 21, "users[0].name", "'root'", "no system account"),
    "user called like a service": (
        "name: alice",
        "name: tandem-web",
        21,
        "users[0].name",
        "'tandem-web'",
        "no system account",
    ),
    "system uid": ("uid: 2000", "uid: 999", 22, "users[0].uid", "'999'", "at least 2000"),
    "root's uid": ("uid: 2000", "uid: 0", 22, "users[0].uid", "'0'", "at least 2000"),
    "nobody's uid": ("uid: 2000", "uid: 65534", 22, "users[0].uid", "'65534'", "outside 60000"),
    "administrator called root": (
        "users:",
        "administrator: {name: root}\nusers:",
        20,
        "administrator.name",
        "'root'",
        "system account",
    ),
    "system group": (
        "uid: 2000",
        "uid: 2000\n    groups: [sudo]",
        23,
        "users[0].groups[0]",
        "'sudo'",
        "system account",
    ),
    "another's own group": (
        "uid: 2000",
        "uid: 2000\n  - name: bob\n    uid: 2001\n    groups: [alice]",
        25,
        "users[1].groups[0]",
        "'alice'",
        "person's name",
    ),
    "name with a space": ("name: alice", "name: alice b", 21, "users[0].name", "'alice b'", "lower-case"),
    "name that is a path": ("- name: one", "- name: ../../etc", 7, "clusters[0].name", "'../../etc'", "lower-case"),
    "cluster called any": ("- name: one", "- name: any", 7, "clusters[0].name", "'any'", "not any or core"),
    "queue called default": (
        "- name: compute",
        "- name: default",
        10,
        "clusters[0].queues[0].name",
        "'default'",
        "not default",
    ),
    "too long a name": ("name: lab", f"name: {'a' * 21}", 1, "name", "aaa", "at most 20 characters"),
    "line break in a name": ("name: alice", 'name: "alice\\nroot"', 21, "users[0].name", r"alice\nroot", "lower-case"),
    "passwd injection": (
        "uid: 2000",
        'uid: 2000\n    full_name: "A:0:0"',
        23,
        "users[0].full_name",
        "A:0:0",
        "without colon",
    ),
    "mounts that overlap": (
        "users:",
        "storage:\n  scratch:\n    one: {path: /data}\n    two: {path: /data/two}\nusers:",
        23,
        "storage.scratch.two.path",
        "/data/two",
        "apart from /data (line 22)",
    ),
    "same mount": (
        "users:",
        "storage:\n  scratch:\n    one: {path: /data}\n    two: {path: /data}\nusers:",
        23,
        "storage.scratch.two.path",
        "/data",
        "overlap",
    ),
    "mount in the shared file system": (
        "users:",
        "storage: {scratch: {one: {path: /efs/one}}}\nusers:",
        20,
        "storage.scratch.one.path",
        "/efs/one",
        "apart from /efs",
    ),
    "mount on the system": (
        "users:",
        "storage: {scratch: {one: {path: /usr/lib}}}\nusers:",
        20,
        "storage.scratch.one.path",
        "/usr/lib",
        "outside /usr",
    ),
    "mount with dots": (
        "users:",
        "storage: {scratch: {one: {path: /a/../etc}}}\nusers:",
        20,
        "storage.scratch.one.path",
        "..",
        "without ..",
    ),
    "scratch of no cluster": (
        "users:",
        "storage: {scratch: {three: {}}}\nusers:",
        20,
        "storage.scratch.three",
        "'three'",
        "one, two",
    ),
    "scratch size": (
        "users:",
        "storage: {scratch: {one: {size_gib: 1300}}}\nusers:",
        20,
        "storage.scratch.one.size_gib",
        "1300",
        "2400",
    ),
    "a disk too large": (
        "users:",
        "storage: {scratch: {one: {file_system: ebs, size_gib: 20000}}}\nusers:",
        20,
        "storage.scratch.one.size_gib",
        "20000",
        "16384",
    ),
    "unknown kind of scratch": (
        "users:",
        "storage: {scratch: {one: {file_system: nfs}}}\nusers:",
        20,
        "storage.scratch.one.file_system",
        "'nfs'",
        "'lustre', 'ebs' or 'efs'",
    ),
    "no network": (
        "users:",
        "aws: {allowed_cidrs: [203.0.113.7/24]}\nusers:",
        20,
        "aws.allowed_cidrs[0]",
        "'203.0.113.7/24'",
        "without bits behind its prefix",
    ),
    "a network that is too small": (
        "users:",
        "aws: {vpc_cidr: 10.0.0.0/24}\nusers:",
        20,
        "aws.vpc_cidr",
        "'10.0.0.0/24'",
        "/16 to /20",
    ),
    "a hosted zone without a name in it": (
        "users:",
        "aws: {hosted_zone: Z0123456789ABC}\nusers:",
        20,
        "aws.hosted_zone",
        "Z0123456789ABC",
        "host_name beside it",
    ),
    "an old ParallelCluster": (
        "users:",
        "aws: {parallelcluster_version: 3.11.0}\nusers:",
        20,
        "aws.parallelcluster_version",
        "3.11.0",
        "from 3.12 on",
    ),
    "another shared path": (
        "users:",
        "storage: {shared: {path: /nfs}}\nusers:",
        20,
        "storage.shared.path",
        "'/nfs'",
        "/efs",
    ),
    "fence after take-over": (
        "users:",
        "failover: {self_fence: 60s}\nusers:",
        20,
        "failover.self_fence",
        "take_over 60s",
        "run twice",
    ),
    "slow heartbeat": (
        "users:",
        "failover: {heartbeat: 30s}\nusers:",
        20,
        "failover.heartbeat",
        "30s",
        "shorter than self_fence",
    ),
    "down before suspect": (
        "users:",
        "failover: {down_after: 5s}\nusers:",
        20,
        "failover.down_after",
        "5s",
        "shorter than down_after",
    ),
    "slow polls": (
        "users:",
        "failover: {poll_interval: 10s}\nusers:",
        20,
        "failover.poll_interval",
        "10s",
        "suspect_after",
    ),
    "capacity": ("users:", "database: {min_acu: 8}\nusers:", 20, "database.min_acu", "8", "not above"),
    "port": ("users:", "portal: {port: 70000}\nusers:", 20, "portal.port", "'70000'", "at most 65535"),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_tells_where_what_and_what_is_allowed(tmp_path: Path, what: str) -> None:
    old, new, line, key, found, allowed = WRONG[what]
    problems = problems_of(tmp_path, changed(old, new))
    assert any(
        problem.line == line and problem.key == key and found in problem.found and allowed in problem.allowed
        for problem in problems
    ), "\n".join(map(str, problems))


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = SOUND.replace("name: lab", "name: Lab").replace("elastic_nodes: 2", "").replace("uid: 2000", "uid: 5")
    text = text.replace("zone: eu-central-1b", "zone: mars") + "failover: {heartbeat: 40s}\nportla: {}\n"
    problems = problems_of(tmp_path, text)
    assert [problem.key for problem in problems] == [
        "name",
        "zones[1].name",
        "clusters[0].queues[0]",
        "clusters[1].zone",
        "users[0].uid",
        "failover.heartbeat",
        "portla",
    ]
    assert [problem.line for problem in problems] == sorted(problem.line for problem in problems)


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    for old, new, *_ in (WRONG["unknown instance type"], WRONG["system uid"], WRONG["queue without nodes"]):
        assert len(problems_of(tmp_path, changed(old, new))) == 1


def test_words_that_yaml_once_took_for_truth_are_words(tmp_path: Path) -> None:
    (tmp_path / "tandem.yaml").write_text(changed("name: alice", "name: no"))
    assert load_environment(tmp_path / "tandem.yaml").users[0].name == "no"


UNREADABLE = {
    "nothing": (b"", "a mapping"),
    "only a comment": (b"# hello\n", "a mapping"),
    "a list": (b"- 1\n", "a mapping"),
    "bad indentation": (b"name: lab\n region: x\n", "YAML"),
    "an open bracket": (b"zones: [a, b\n", "YAML"),
    "a tabulator": (b"name:\n\t- x\n", "YAML"),
    "two documents": (b"name: a\n---\nname: b\n", "YAML"),
    "an unknown alias": (b"name: *x\n", "YAML"),
    "an impossible character": (b'name: "\\UFFFFFFFF"\n', "YAML"),
    "a null byte": (b"name: a\x00b\n", "YAML"),
    "another encoding": ("name: é\n".encode("latin-1"), "UTF-8"),
    "a program": (b"\x7fELF\x02\x01\x01\x00\xff\xfe", "UTF-8"),
    "brackets a thousand deep": (b"a: " + b"[" * 5000, "YAML"),
    "a list in itself": (b"name: &a [*a]\n", "less"),
    "aliases of aliases": (
        b"a: &a [1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c + 1, c + 1, b",".join([b"*%c" % c] * 9)) for c in range(97, 106)),
        "less",
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_environment_file_at_all_is_told_too(tmp_path: Path, what: str) -> None:
    text, allowed = UNREADABLE[what]
    assert any(allowed in problem.allowed for problem in problems_of(tmp_path, text))


def test_syntax_errors_name_the_line(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "name: lab\nregion: [x\nzones: ]\n")[0].line > 1


def test_files_that_cannot_be_read_are_told_by_name(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (2 << 20))
    for path in (tmp_path / "missing.yaml", tmp_path, pipe, large, tmp_path / "\0"):
        with pytest.raises(EnvironmentFileError) as caught:
            load_environment(path)
        assert caught.value.problems[0].file == str(path).replace("\0", r"\x00")
