"""A head node and a compute node, as ParallelCluster's loader sets them up, on machines that stand in for EC2's.

AWS, systemd and Slurm are stood in for; accounts, sudo, sshd and the certificates are real.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from tests.aws.runtime.machine import REPOSITORY, Machine, wait_until

from tandem.aws.clusters.content import gather
from tandem.aws.names import NOT_YET, Names
from tandem.aws.portal.runtime.publish import parts
from tandem.clusters.certificates import make_certificate

NAMES = Names("demo")
HOST_KEY = NAMES.host_key("cluster1")
PEOPLE = [
    {"name": "ec2-user", "uid": 1000, "full_name": "Administrator", "groups": [], "administrator": True},
    {"name": "ada", "uid": 2001, "full_name": "Ada Lovelace", "groups": ["physics"], "administrator": False},
    {"name": "bob", "uid": 2002, "full_name": "Bob: the, =builder", "groups": ["sudo"], "administrator": False},
    {"name": "mallory", "uid": 2003, "full_name": "", "groups": [], "administrator": False, "enabled": False},
    # None of these may become anything: the list is written by a service.
    {"name": "root", "uid": 2004, "full_name": "", "groups": [], "administrator": False},
    {"name": "low", "uid": 101, "full_name": "", "groups": [], "administrator": True},
    {"name": "daemon", "uid": 2005, "full_name": "", "groups": [], "administrator": False},
    {"name": "a b", "uid": 2006, "full_name": "", "groups": [], "administrator": False},
]
# What the image brings beside its own user: ways in of its own, and Slurm.
IMAGE = r"""
set -eu
printf 'Defaults:ec2-user !requiretty\n' >/etc/sudoers.d/99-parallelcluster-user-tty
chmod 440 /etc/sudoers.d/*
mkdir -p /home/ec2-user/.ssh /etc/parallelcluster /opt/slurm/bin /efs/home
chown ec2-user: /home/ec2-user
ssh-keygen -q -t ed25519 -N '' -f /standin/key-pair <<<y >/dev/null || true
cp /standin/key-pair.pub /home/ec2-user/.ssh/authorized_keys
chown -R ec2-user: /home/ec2-user/.ssh
rm -f /etc/systemd/system/sshd.service
printf '[Service]\nEnvironmentFile=-/etc/sysconfig/sshd\nExecStart=/usr/sbin/sshd -D $OPTIONS\n' \
  >/etc/systemd/system/sshd.service
mkdir -p /etc/systemd/system/sshd.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D\n' \
  >/etc/systemd/system/sshd.service.d/ec2-instance-connect.conf
cat >/opt/slurm/bin/sacctmgr <<'X'
#!/bin/sh
echo "$*" >>/standin/slurm
X
chmod 755 /opt/slurm/bin/sacctmgr
"""
LOADER = REPOSITORY / "src/tandem/aws/clusters/runtime/loader.sh"
Enter = Callable[..., tuple[int, str]]


def published(people: list[dict[str, object]]) -> list[str]:
    content = {"version": 1, "people": [{"enabled": True, **person} for person in people]}
    return parts(json.dumps(content).encode(), 1)


def publish(machine: Machine, people: list[dict[str, object]]) -> None:
    for number, part in enumerate(published(people)):
        machine.parameter(NAMES.people_parts[number], part)


@contextmanager
def set_up(directory: Path, kind: str, authority: asyncssh.SSHKey) -> Iterator[Machine]:
    """A machine on which the loader has run."""
    machine = Machine(directory)
    machine.parameter(NAMES.authority_public, authority.export_public_key().decode().strip())
    machine.parameter(HOST_KEY, NOT_YET)
    machine.parameter(NAMES.content("cluster1"), "s3://assets/content.zip /fsx_cluster1")
    publish(machine, PEOPLE)
    machine.archive("assets", "content.zip", content_files(directory / "content"))
    try:
        machine.start()
        machine.make_cloud_user()
        machine.run("bash", "-s", given=IMAGE)
        configuration = f"cfn_region=eu-central-1\ncfn_node_type={kind}\n"
        machine.run("sh", "-c", 'printf %s "$1" >/etc/parallelcluster/cfnconfig', "sh", configuration)
        load(machine)
        yield machine
    finally:
        machine.stop()


def content_files(directory: Path) -> dict[str, bytes]:
    """What is in the archive that the loader fetches."""
    content = gather(directory)
    return {str(file.relative_to(content)): file.read_bytes() for file in content.rglob("*") if file.is_file()}


def load(machine: Machine, *more: str) -> None:
    """What ParallelCluster does."""
    machine.run("bash", "-s", "demo", "cluster1", *more, given=LOADER.read_text())


@pytest.fixture(scope="module")
def authority() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory, authority: asyncssh.SSHKey) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    with set_up(tmp_path_factory.mktemp("head"), "HeadNode", authority) as machine:
        key = machine.parameter(HOST_KEY)
        (machine.standin / "known").write_text(f"head {key}\n")
        scan = ["ssh-keyscan", "-T", "2", "127.0.0.1"]
        wait_until(lambda: "ed25519" in machine.run(*scan, check=False).stdout, "sshd")
        yield machine


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory, authority: asyncssh.SSHKey) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    with set_up(tmp_path_factory.mktemp("compute"), "ComputeFleet", authority) as machine:
        yield machine


@pytest.fixture(scope="module")
def enter(head: Machine, authority: asyncssh.SSHKey) -> Enter:
    """Enters the head node with a certificate; returns the exit code (255: not let in) and the answer.

    The certificate is as the signer makes them, or says what it is told.
    """
    count = iter(range(1000))

    def ssh(
        account: str, *command: str, principal: str = "", by: asyncssh.SSHKey = authority, **terms: Any
    ) -> tuple[int, str]:
        key = asyncssh.generate_private_key("ssh-ed25519")
        if terms:
            certificate = by.generate_user_certificate(key, "test", **terms)
        else:
            certificate = make_certificate(
                by,
                key,
                user=principal or account,
                environment="demo",
                connection="test:1",
                addresses=["127.0.0.1"],
            )
        name = f"key-{next(count)}"
        private(head, name, key)
        (head.standin / f"{name}-cert.pub").write_bytes(certificate.export_certificate())
        return enter_with(head, f"/standin/{name}", account, *command)

    return ssh


def private(head: Machine, name: str, key: asyncssh.SSHKey) -> None:
    file = head.standin / name
    file.touch(0o600)
    file.write_bytes(key.export_private_key())


def enter_with(head: Machine, key: str, account: str, *command: str) -> tuple[int, str]:
    options = ["IdentitiesOnly=yes", "BatchMode=yes", "UserKnownHostsFile=/standin/known", "HostKeyAlias=head"]
    options += ["StrictHostKeyChecking=yes", "ConnectTimeout=20"]
    words = [word for option in options for word in ("-o", option)]
    done = head.run("ssh", "-F", "none", *words, "-i", key, f"{account}@127.0.0.1", *command, check=False)
    return done.returncode, done.stdout.strip()


def test_people_enter_as_themselves_by_certificate(enter: Enter) -> None:
    assert enter("ada", "id -u; pwd") == (0, "2001\n/efs/home/ada")
    assert enter("ec2-user", "id -u; pwd") == (0, "1000\n/efs/home/ec2-user")


def test_the_published_host_key_is_the_one_that_is_shown(head: Machine, enter: Enter) -> None:
    assert head.parameter(HOST_KEY).startswith("ssh-ed25519 ")
    assert named(head, "put") == {HOST_KEY}, "it may write this one, and no other"


def named(machine: Machine, action: str) -> set[str]:
    """The parameters that it asked Parameter Store to read, or to write."""
    calls = [line.split() for line in machine.said("calls") if line.startswith(f"ssm {action}-parameter")]
    return {word for words in calls for word in words if word.startswith("/tandem/")}


def test_they_read_what_they_may_read(head: Machine, compute: Machine) -> None:
    of_all = {NAMES.content("cluster1"), *NAMES.people_parts}
    assert named(head, "get") <= of_all | {NAMES.authority_public}
    assert named(compute, "get") <= of_all


def test_nobody_else_enters(head: Machine, enter: Enter) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    assert enter("ada", "true", by=stranger)[0] == 255, "signed by another authority"
    assert enter("ada", "true", principal="bob")[0] == 255, "with another's certificate"
    for account in ("root", "daemon", "mallory", "low", "nobody"):
        assert enter(account, "true")[0] == 255, account
        assert enter(account, "true", principal="ada")[0] == 255, account
    assert enter_with(head, "/standin/key-pair", "ec2-user", "true")[0] == 255, "with the cloud's key pair"


def test_nothing_but_what_the_signer_makes_opens_the_door(
    head: Machine, enter: Enter, authority: asyncssh.SSHKey
) -> None:
    right = {"principals": ["ada@demo"]}
    assert enter("ada", "true", **right)[0] == 0
    now = int(time.time())
    for why, terms in {
        "for nobody in particular": {"principals": []},
        "for another environment": {"principals": ["ada@other"]},
        "for an account, not for a person of this environment": {"principals": ["ada"]},
        "for a time that is over": {**right, "valid_after": now - 900, "valid_before": now - 300},
        "for a time to come": {**right, "valid_after": now + 300, "valid_before": now + 900},
        "from another address": {**right, "source_address": ["10.9.9.9"]},
    }.items():
        assert enter("ada", "true", **terms)[0] == 255, why
    private(head, "authority", authority)
    assert enter_with(head, "/standin/authority", "ada", "true")[0] == 255, "with the authority's key itself"


def test_nobody_who_can_be_signed_for_becomes_root(head: Machine, enter: Enter) -> None:
    principals = head.run("ls", "/etc/ssh/tandem_principals").stdout.split()
    assert set(principals) == {"ec2-user", "ada", "bob", "tandem-watch"}
    for account in principals:
        # The watcher's certificate runs its one script only.
        if account != "tandem-watch":
            assert enter(account, "sudo -n true")[0] not in (0, 255), account
        assert not head.becomes_root(account), account


def test_a_rule_that_comes_back_makes_nobody_root(head: Machine) -> None:
    rule = "/etc/sudoers.d/90-cloud-init-users"
    assert "ec2-user" not in head.run("cat", rule).stdout
    head.run("sh", "-c", f"echo 'ec2-user ALL=(ALL) NOPASSWD:ALL' >{rule}")
    assert not head.becomes_root("ec2-user")
    # Nor by a group that the image had put it into.
    assert set(head.run("id", "-Gn", "ec2-user").stdout.split()) == {"ec2-user", "tandem-people", "administrators"}


def test_a_list_makes_nobody_what_the_system_had_before(head: Machine) -> None:
    assert head.run("id", "-u", "daemon").stdout.strip() == "1"
    assert head.run("id", "low", check=False).returncode != 0
    assert set(head.run("id", "-Gn", "bob").stdout.split()) == {"bob", "tandem-people"}
    assert head.run("getent", "passwd", "bob").stdout.split(":")[4] == "Bob the builder"


def test_the_watcher_runs_its_one_script(enter: Enter) -> None:
    _, said = enter("tandem-watch", "echo other words")
    assert "tandem door 42" in said
    assert "other words" not in said


def test_sshd_keeps_the_rules_that_it_keeps_everywhere(head: Machine) -> None:
    rules = head.run("/usr/sbin/sshd", "-T", "-f", "/etc/ssh/tandem_sshd_config", "-C", "user=ada").stdout.lower()
    for rule in ("maxsessions 200", "maxstartups 200:30:400", "passwordauthentication no", "permitrootlogin no",
                 "allowtcpforwarding no", "disableforwarding yes", "authorizedkeysfile none"):  # fmt: skip
        assert rule in rules.splitlines(), rule


def test_people_have_their_places(head: Machine) -> None:
    for place in ("/efs/home/ada", "/efs/spoolers/ada", "/fsx_cluster1/ada"):
        assert head.run("stat", "-c", "%u %g %a", place).stdout.split() == ["2001", "2001", "700"], place
    assert head.run("stat", "-c", "%U %G %a", "/efs/apps").stdout.split() == ["root", "administrators", "2775"]
    said = head.said("slurm")
    assert any("add user ec2-user account=root adminlevel=operator" in line for line in said)
    assert not any("add user ada" in line for line in said)


def test_names_and_numbers_are_the_same_on_head_and_compute_nodes(head: Machine, compute: Machine) -> None:
    for name in ("ec2-user", "ada", "bob", "mallory"):
        assert head.run("id", name).stdout == compute.run("id", name).stdout
        assert head.run("getent", "passwd", name).stdout == compute.run("getent", "passwd", name).stdout


def test_a_compute_node_lets_nobody_in_and_makes_nobody_root(compute: Machine) -> None:
    assert "mask --now sshd.service sshd.socket" in compute.said("systemctl")
    assert "127.0.0.1" not in compute.run("ssh-keyscan", "-T", "2", "127.0.0.1", check=False).stdout
    for account in ("ec2-user", "ada", "bob", "tandem-watch"):
        assert not compute.becomes_root(account), account
    assert named(compute, "put") == set()


def follow(machine: Machine) -> None:
    """What the timer does."""
    unit = machine.run("cat", "/etc/systemd/system/tandem-people.service").stdout
    assert "ExecStart=/usr/bin/python3 /opt/tandem/content/people.py\n" in unit
    machine.run("/usr/bin/python3", "/opt/tandem/content/people.py")


def test_systemd_understands_the_timer(head: Machine) -> None:
    verified = head.run("sh", "-c", "systemd-analyze verify /etc/systemd/system/tandem-people.*", check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_timer_follows_the_list(head: Machine, enter: Enter) -> None:
    eve = {"name": "eve", "uid": 2010, "full_name": "Eve", "groups": ["physics"], "administrator": False}
    people = [person for person in PEOPLE if person["name"] != "bob"]
    publish(head, [*people, eve])
    follow(head)
    assert enter("eve", "id -u") == (0, "2010")
    assert enter("bob", "true")[0] == 255
    publish(head, PEOPLE)
    follow(head)
    assert enter("bob", "true")[0] == 0
    # A list that is gone puts nobody out.
    head.parameter(NAMES.people_parts[0], NOT_YET)
    follow(head)
    assert enter("bob", "true")[0] == 0
    publish(head, PEOPLE)


def test_an_update_of_the_cluster_brings_new_content_and_runs_it_all_again(head: Machine, enter: Enter) -> None:
    before = head.parameter(HOST_KEY)
    new = content_files(head.standin / "new")
    new["payload/watch.sh"] += b"# of the new release\n"
    head.archive("assets", "new.zip", new)
    head.parameter(NAMES.content("cluster1"), "s3://assets/new.zip /fsx_cluster1")
    load(head, "the-new-contents-hash")
    assert "of the new release" in head.run("cat", "/opt/tandem/app/tandem/payload/watch.sh").stdout
    assert head.parameter(HOST_KEY) == before
    wait_until(lambda: enter("ada", "true")[0] == 0, "sshd is back")
    assert not head.becomes_root("ec2-user")


def test_content_that_cannot_be_had_is_said_and_leaves_what_there_is(head: Machine) -> None:
    right = head.parameter(NAMES.content("cluster1"))
    for wrong in (NOT_YET, "s3://assets/missing.zip /fsx_cluster1"):
        head.parameter(NAMES.content("cluster1"), wrong)
        failed = head.run("bash", "-s", "demo", "cluster1", given=LOADER.read_text(), check=False)
        assert failed.returncode != 0
        assert failed.stderr
        head.run("test", "-s", "/opt/tandem/content/setup.sh")
        assert head.run("sh", "-c", "ls -d /opt/tandem/.content.*", check=False).stdout == ""
    head.parameter(NAMES.content("cluster1"), right)
