"""A head node and a compute node, as ParallelCluster's loader sets them up, on machines that stand in for EC2's.

AWS, systemd and Slurm are stood in for; accounts, sudo, sshd and the certificates are real.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest
from tests.aws.runtime.machine import REPOSITORY, Machine, wait_until

from tandem.aws.clusters.content import gather
from tandem.aws.portal.runtime.publish import parts
from tandem.clusters.certificates import make_certificate

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
# What the image brings: its own user, who may be root without a password, and ways in of its own.
IMAGE = r"""
set -eu
groupadd -f wheel
# Accounts of the machine that the tests run on are not the image's.
for account in $(awk -F: '$3 >= 1000 && $3 < 60000 { print $1 }' /etc/passwd); do userdel -f "$account"; done
useradd --uid 1000 --user-group --groups wheel --home-dir /home/ec2-user ec2-user
printf 'ec2-user ALL=(ALL) NOPASSWD:ALL\n' >/etc/sudoers.d/90-cloud-init-users
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
Enter = Callable[..., tuple[int, str]]


def published(people: list[dict[str, object]]) -> list[str]:
    content = {"version": 1, "people": [{"enabled": True, **person} for person in people]}
    return parts(json.dumps(content).encode())


def publish(machine: Machine, people: list[dict[str, object]]) -> None:
    for number, part in enumerate(published(people)):
        machine.parameter(f"/tandem/demo/people/{number}", part)


def make(directory: Path, kind: str, authority: asyncssh.SSHKey) -> Machine:
    """A machine on which the loader has run."""
    machine = Machine(directory)
    machine.parameter("/tandem/demo/authority", authority.export_public_key().decode().strip())
    machine.parameter("/tandem/demo/clusters/cluster1/host-key", "-")
    machine.parameter("/tandem/demo/clusters/cluster1/content", "s3://assets/content.zip /fsx_cluster1")
    publish(machine, PEOPLE)
    content = gather(directory / "content")
    files = {str(file.relative_to(content)): file.read_bytes() for file in content.rglob("*") if file.is_file()}
    machine.archive("assets", "content.zip", files)
    machine.start()
    machine.run("bash", "-s", given=IMAGE)
    configuration = f"cfn_region=eu-central-1\ncfn_node_type={kind}\n"
    machine.run("sh", "-c", 'printf %s "$1" >/etc/parallelcluster/cfnconfig', "sh", configuration)
    assert machine.run("setpriv", "--reuid=1000", "--clear-groups", "sudo", "-n", "true", check=False).returncode == 0
    load(machine)
    return machine


def load(machine: Machine) -> None:
    machine.run("bash", "-s", "demo", "cluster1", given=LOADER.read_text())


LOADER = REPOSITORY / "src/tandem/aws/clusters/runtime/loader.sh"


@pytest.fixture(scope="module")
def authority() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory, authority: asyncssh.SSHKey) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    machine = make(tmp_path_factory.mktemp("head"), "HeadNode", authority)
    key = machine.parameter("/tandem/demo/clusters/cluster1/host-key")
    (machine.standin / "known").write_text(f"head {key}\n")
    scan = ["ssh-keyscan", "-T", "2", "127.0.0.1"]
    wait_until(lambda: "ed25519" in machine.run(*scan, check=False).stdout, "sshd")
    yield machine
    machine.stop()


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory, authority: asyncssh.SSHKey) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    machine = make(tmp_path_factory.mktemp("compute"), "ComputeFleet", authority)
    yield machine
    machine.stop()


@pytest.fixture(scope="module")
def enter(head: Machine, authority: asyncssh.SSHKey) -> Enter:
    """Enters the head node with a certificate; returns the exit code (255: not let in) and the answer."""
    count = iter(range(1000))

    def ssh(account: str, *command: str, principal: str = "", by: asyncssh.SSHKey = authority) -> tuple[int, str]:
        key = asyncssh.generate_private_key("ssh-ed25519")
        certificate = make_certificate(
            by,
            key,
            user=principal or account,
            environment="demo",
            connection="test:1",
            addresses=["127.0.0.1"],
        )
        name = f"key-{next(count)}"
        file = head.standin / name
        file.touch(0o600)
        file.write_bytes(key.export_private_key())
        (head.standin / f"{name}-cert.pub").write_bytes(certificate.export_certificate())
        return enter_with(head, f"/standin/{name}", account, *command)

    return ssh


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
    assert head.parameter("/tandem/demo/clusters/cluster1/host-key").startswith("ssh-ed25519 ")
    puts = {line.split()[3] for line in head.said("calls") if line.startswith("ssm put-parameter")}
    assert puts == {"/tandem/demo/clusters/cluster1/host-key"}, "it may write this one, and no other"


def test_nobody_else_enters(head: Machine, enter: Enter) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    assert enter("ada", "true", by=stranger)[0] == 255, "signed by another authority"
    assert enter("ada", "true", principal="bob")[0] == 255, "with another's certificate"
    for account in ("root", "daemon", "mallory", "low", "nobody"):
        assert enter(account, "true")[0] == 255, account
        assert enter(account, "true", principal="ada")[0] == 255, account
    assert enter_with(head, "/standin/key-pair", "ec2-user", "true")[0] == 255, "with the cloud's key pair"


def test_nobody_who_can_be_signed_for_becomes_root(head: Machine, enter: Enter) -> None:
    principals = head.run("ls", "/etc/ssh/tandem_principals").stdout.split()
    assert set(principals) == {"ec2-user", "ada", "bob", "tandem-watch"}
    for account in principals:
        code, _ = enter(account, "sudo -n true")
        assert code not in (0, 255) or account == "tandem-watch", account
        # The watcher's certificate runs its one script only: its account is tried without it.
        assert head.run("setpriv", f"--reuid={account}", "--init-groups", f"--regid={account}", "sudo", "-n", "true",
                        check=False).returncode != 0, account  # fmt: skip


def test_a_rule_that_comes_back_makes_nobody_root(head: Machine) -> None:
    head.run("sh", "-c", "echo 'ec2-user ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/90-cloud-init-users")
    sudo = ["setpriv", "--reuid=ec2-user", "--regid=ec2-user", "--init-groups", "sudo", "-n", "true"]
    assert head.run(*sudo, check=False).returncode != 0
    assert "wheel" not in head.run("id", "-Gn", "ec2-user").stdout.split()


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
    sudo = ["setpriv", "--reuid=ec2-user", "--regid=ec2-user", "--init-groups", "sudo", "-n", "true"]
    assert compute.run(*sudo, check=False).returncode != 0
    assert not any("put-parameter" in line for line in compute.said("calls"))


def follow(machine: Machine) -> None:
    """What the timer does."""
    unit = machine.run("cat", "/etc/systemd/system/tandem-people.service").stdout
    assert "ExecStart=/usr/bin/python3 /opt/tandem/content/people.py\n" in unit
    machine.run("/usr/bin/python3", "/opt/tandem/content/people.py")


def test_the_timer_follows_the_list(head: Machine, enter: Enter) -> None:
    eve = {"name": "eve", "uid": 2010, "full_name": "Eve", "groups": ["physics"], "administrator": False}
    people = [person for person in PEOPLE if person["name"] != "bob"]
    publish(head, [*people, eve])
    follow(head)
    assert enter("eve", "id -u") == (0, "2010")
    assert enter("bob", "true")[0] == 255
    # A list of which half has been written is not taken.
    publish(head, [*people, {**eve, "uid": 2011, "name": "half"}])
    part = head.parameter("/tandem/demo/people/0")
    head.parameter("/tandem/demo/people/0", part[:-8])
    assert head.run("/usr/bin/python3", "/opt/tandem/content/people.py", check=False).returncode == 1
    assert enter("eve", "true")[0] == 0
    publish(head, PEOPLE)
    follow(head)
    assert enter("bob", "true")[0] == 0


def test_an_update_of_the_cluster_may_run_it_all_again(head: Machine, enter: Enter) -> None:
    before = head.parameter("/tandem/demo/clusters/cluster1/host-key")
    load(head)
    assert head.parameter("/tandem/demo/clusters/cluster1/host-key") == before
    wait_until(lambda: enter("ada", "true")[0] == 0, "sshd is back")
