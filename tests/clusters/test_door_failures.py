"""Whatever fails, the door says truthfully whether something may have run."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from tests.clusters.hosts import Host, certificates_by, door_to, free_port, wait_until

from tandem.clusters import frames
from tandem.clusters.ask_signer import NotSigned, SignerBusy, SignerUnavailable
from tandem.clusters.connections import Sign
from tandem.clusters.door import AnswerLost, ClusterRefused, ClusterUnreachable, Door, HostKeyMismatch
from tandem.node import ClusterAddress

SOME_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()


def door_at(port: int, sign: Sign | None = None) -> Door:
    address = ClusterAddress(host="127.0.0.1", port=port, host_keys=[SOME_KEY])
    return Door({"cluster1": address}, sign or certificates_by(asyncssh.generate_private_key("ssh-ed25519")), None, "t")


def run_in_background(door: Door, script: str, deadline: float = 60) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            door.run("alice", "cluster1", script, deadline=deadline)
        except Exception as problem:  # noqa: BLE001 - handed to the test
            raised.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, raised


def test_a_refused_connection_is_unreachable(own_door: Door, own_host: Host) -> None:
    own_host.stop()
    with pytest.raises(ClusterUnreachable):
        own_door.run("alice", "cluster1", "true")


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_host_that_accepts_and_says_nothing_is_unreachable(silent: socket.socket) -> None:
    door = door_at(silent.getsockname()[1])
    with pytest.raises(ClusterUnreachable):
        door.run("alice", "cluster1", "true", deadline=0.5)
    door.close()


def test_a_killed_sshd_in_the_middle_of_a_command_is_a_lost_answer(own_host: Host, own_door: Door) -> None:
    thread, raised = run_in_background(own_door, "touch /home/alice/ran; sleep 60")
    wait_until(lambda: "ran" in own_host.inside("ls", "/home/alice"), "the command running")
    own_host.stop()
    thread.join(20)
    assert [type(problem) for problem in raised] == [AnswerLost]


def test_a_frozen_host_in_the_middle_of_a_command_is_a_lost_answer_at_the_deadline(
    own_host: Host, own_door: Door
) -> None:
    own_door.run("alice", "cluster1", "true")
    thread, raised = run_in_background(own_door, "touch /home/alice/ran; sleep 60", deadline=8)
    wait_until(lambda: "ran" in own_host.inside("ls", "/home/alice"), "the command running")
    own_host.send(signal.SIGSTOP)
    thread.join(20)
    own_host.send(signal.SIGCONT)
    assert [type(problem) for problem in raised] == [AnswerLost]


def test_a_host_frozen_before_a_command_runs_nothing_of_it_when_it_goes_on(own_host: Host, own_door: Door) -> None:
    own_door.run("alice", "cluster1", "true")  # so that there is a connection to try first
    own_host.send(signal.SIGSTOP)
    try:
        with pytest.raises(ClusterUnreachable):
            own_door.run("alice", "cluster1", "touch /home/alice/ghost", deadline=2)
    finally:
        own_host.send(signal.SIGCONT)
    own_door.run("alice", "cluster1", "touch /home/alice/later")
    found = own_host.inside("ls", "/home/alice")
    assert "later" in found
    assert "ghost" not in found


def test_a_connection_that_died_unnoticed_is_replaced_without_anybody_noticing(own_host: Host, own_door: Door) -> None:
    before = own_door.run("alice", "cluster1", "echo $SSH_CONNECTION").stdout
    first = own_host.processes()
    stopped = [pid for pid in first if b"alice" in _command_line(pid)]
    assert stopped
    for pid in stopped:  # this connection's processes only: the listener goes on
        _stop(pid)
    assert own_door.run("alice", "cluster1", "echo $SSH_CONNECTION", deadline=10).stdout not in (before, b"")


def test_an_old_connection_is_given_to_nobody_and_what_is_under_way_on_it_goes_on(
    own_host: Host, own_door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, raised = run_in_background(
        own_door, "touch /home/alice/began; until [ -e /home/alice/go ]; do sleep 0.05; done"
    )
    wait_until(lambda: own_door.run("alice", "cluster1", "test -e /home/alice/began").status == 0, "it runs")

    def connection() -> bytes:
        return own_door.run("alice", "cluster1", "echo $PPID").stdout

    old = connection()
    assert connection() == old
    monkeypatch.setattr("tandem.clusters.connections.GREATEST_AGE", 0.0)
    assert connection() != old
    assert thread.is_alive()
    own_door.run("alice", "cluster1", "touch /home/alice/go")
    thread.join(60)
    assert not raised
    wait_until(lambda: own_door.run("alice", "cluster1", f"test -e /proc/{int(old)}").status, "the old one is closed")


def test_a_restarted_host_is_entered_anew(own_host: Host, own_door: Door) -> None:
    assert own_door.run("alice", "cluster1", "true").status == 0
    own_host.stop()
    own_host.start()
    assert own_door.run("alice", "cluster1", "echo back").stdout == b"back\n"


def test_a_server_without_channels_to_give_is_unreachable(own_host: Host) -> None:
    own_host.stop()
    own_host.before = "MaxSessions 0"
    own_host.start()
    door = door_to(own_host)
    with pytest.raises(ClusterUnreachable):
        door.run("alice", "cluster1", "true")
    door.close()


def test_a_host_key_that_is_not_the_clusters_is_refused_before_anything_is_sent(host: Host) -> None:
    door = door_at(host.port, certificates_by(host.authority))
    with pytest.raises(HostKeyMismatch, match="does not know"):
        door.run("alice", "cluster1", "true")
    door.close()


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (NotSigned("not enabled"), ClusterRefused),
        (SignerUnavailable("gone"), ClusterUnreachable),
        (SignerBusy("too many"), ClusterUnreachable),
    ],
)
def test_without_a_certificate_nothing_is_sent(
    silent: socket.socket, problem: Exception, expected: type[Exception]
) -> None:
    async def sign(user: str, connection: str, public_key: str) -> str:
        raise problem

    door = door_at(silent.getsockname()[1], sign)
    with pytest.raises(expected, match=str(problem)):
        door.run("alice", "cluster1", "true")
    door.close()


def test_a_cluster_that_is_away_costs_no_certificates() -> None:
    asked: list[str] = []

    async def sign(user: str, connection: str, public_key: str) -> str:
        asked.append(user)
        raise NotSigned("never asked")

    door = door_at(free_port(), sign)
    with pytest.raises(ClusterUnreachable):
        door.run("alice", "cluster1", "true")
    door.close()
    assert asked == []


def test_a_cluster_that_the_environment_does_not_have_is_refused() -> None:
    door = door_at(free_port())
    with pytest.raises(ClusterRefused, match="no cluster elsewhere"):
        door.run("alice", "elsewhere", "true")
    door.close()


def test_half_a_script_is_not_run(own_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks after the first half of the script went out, at a place where that half is valid."""
    whole = frames.opening
    door = door_to(own_host)
    try:

        def half(nonce: str, script: str, *rest: object, **kind: bool) -> bytes:
            content = whole(nonce, script, *rest, **kind)  # type: ignore[arg-type]
            return content[: content.index(b"#here")]

        monkeypatch.setattr(frames, "opening", half)
        with pytest.raises(AnswerLost):
            door.run("alice", "cluster1", "touch /home/alice/half\n#here\ntouch /home/alice/whole\n", deadline=1)
    finally:
        door.close()
    wait_until(lambda: "sshd: alice" not in own_host.inside("ps", "ax", "-o", "args"), "the connection gone")
    assert "half" not in own_host.inside("ls", "/home/alice")


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
