"""What people have in their home directories, and what they pass, cannot break the door."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.clusters.hosts import Host, door_to, wait_until

from tandem.clusters import frames
from tandem.clusters.connections import CHANNELS, Lane
from tandem.clusters.door import AnswerLost, ClusterRefused, Door
from tandem.clusters.people import PeopleFile

EVERY_SHELL = ["alice", "noisy", "execer", "tina", "full", "greedy", "zed"]
EVERY_BYTE = bytes(range(1, 256))


@pytest.mark.parametrize("user", EVERY_SHELL)
def test_a_script_runs_as_the_person_whatever_their_login_scripts_do(door: Door, user: str) -> None:
    answer = door.run(user, "cluster1", 'id -un; echo "$1" >&2; exit 7', ["it's $HOME `date` !1"])
    assert (answer.stdout, answer.stderr, answer.status) == (f"{user}\n".encode(), b"it's $HOME `date` !1\n", 7)


@pytest.mark.parametrize("user", ["noisy", "execer", "tina", "full"])
def test_it_works_where_sshd_does_not_let_us_keep_bash_from_its_bashrc(
    host: Host, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setattr(frames, "ENVIRONMENT", {})
    door = door_to(host)
    try:
        answer = door.run(user, "cluster1", "id -un; echo said >&2")
        assert (answer.stdout, answer.stderr) == (f"{user}\n".encode(), b"said\n")
    finally:
        door.close()


def test_a_login_shell_that_runs_nothing_is_a_refusal_and_its_words_are_shown(door: Door) -> None:
    with pytest.raises(ClusterRefused, match="not available"):
        door.run("barred", "cluster1", "true")


@pytest.mark.parametrize("user", ["alice", "tina", "zed"])
def test_arguments_arrive_byte_for_byte_and_no_shell_reads_them(door: Door, user: str) -> None:
    args = [EVERY_BYTE, b"", b"a\nb\\n\\0101%s", b"-n", "é\u2028\udcff", b"\n", b"=x", b"%41", b"$(id)", b"'; id; '"]
    answer = door.run(user, "cluster1", """for word; do printf '%s\\0' "$word"; done""", args)
    assert answer.stdout.split(b"\0")[:-1] == [os.fsencode(arg) if isinstance(arg, str) else arg for arg in args]


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 65536, 5_000_000])
def test_data_and_output_are_exact_at_any_size(door: Door, size: int) -> None:
    data = os.urandom(size)
    answer = door.run("alice", "cluster1", 'head -c "$DATA_SIZE"', data=data)
    assert (answer.stdout == data, answer.status) == (True, 0)


def test_data_that_the_script_does_not_read_does_not_hang_it(door: Door) -> None:
    assert door.run("alice", "cluster1", "echo done", data=b"x" * 3_000_000).stdout == b"done\n"


def test_output_that_looks_like_a_frame_is_output(door: Door) -> None:
    text = "tandem door 42\n\n0123456789abcdef begin\n\n0123456789abcdef end 0\n"
    assert door.run("noisy", "cluster1", 'printf %s "$1"', [text]).text == text


def test_a_process_left_behind_keeps_nobody_waiting(door: Door) -> None:
    assert door.run("alice", "cluster1", "sleep 20 & echo here", deadline=10).stdout == b"here\n"


def test_a_script_with_a_mistake_in_it_is_an_answer(door: Door) -> None:
    answer = door.run("alice", "cluster1", "if then fi (")
    assert answer.status != 0
    assert "yntax" in answer.complaint


def test_nulls_are_refused_before_anything_is_sent(door: Door) -> None:
    for script, args in (("a\0b", []), ("true", ["a\0b"])):
        with pytest.raises(ValueError, match="null character"):
            door.run("alice", "cluster1", script, args)


def test_a_second_command_uses_the_same_connection_and_another_person_has_one_of_their_own(door: Door) -> None:
    def process(user: str) -> bytes:
        return door.run(user, "cluster1", 'echo "$SSH_CONNECTION"').stdout

    assert process("alice") == process("alice") != process("zed")


def test_full_lanes_do_not_keep_dispatch_waiting(door: Door) -> None:
    async def crowd() -> bytes:
        streams = [door.stream("alice", "cluster1", "echo on; sleep 60") for _ in range(CHANNELS[Lane.STREAM])]
        try:
            assert await asyncio.gather(*(anext(stream) for stream in streams)) == [b"on\n"] * len(streams)
            return (await door.async_run("alice", "cluster1", "echo quick", lane=Lane.DISPATCH)).stdout
        finally:
            await asyncio.gather(*(stream.aclose() for stream in streams))

    assert asyncio.run(crowd()) == b"quick\n"


def test_a_stream_yields_as_the_script_speaks_and_ends_with_it(door: Door) -> None:
    async def listen() -> bytes:
        return b"".join([piece async for piece in door.stream("noisy", "cluster1", 'seq 1 "$1"', ["300000"])])

    assert asyncio.run(listen()) == b"".join(b"%d\n" % number for number in range(1, 300001))


def test_a_stream_nobody_listens_to_any_more_is_ended_with_all_its_processes(host: Host, door: Door) -> None:
    async def listen_briefly() -> None:
        stream = door.stream("zed", "cluster1", "echo on; sleep 321 & sleep 321")
        assert await anext(stream) == b"on\n"
        wait_until(lambda: "sleep 321" in host.inside("ps", "-u", "zed", "-o", "args"), "the stream's processes")
        await stream.aclose()

    asyncio.run(listen_briefly())
    wait_until(lambda: "sleep 321" not in host.inside("ps", "ax", "-o", "args"), "the stream's processes gone")


def test_a_stream_that_falls_silent_is_a_lost_answer(door: Door) -> None:
    async def listen() -> None:
        async for piece in door.stream("alice", "cluster1", "echo on; sleep 60", deadline=2):
            assert piece == b"on\n"

    with pytest.raises(AnswerLost, match="fell silent"):
        asyncio.run(listen())


def test_a_stream_that_is_cancelled_while_it_waits_leaves_nothing_behind(host: Host, door: Door) -> None:
    async def wait_in_vain() -> None:
        async for _ in door.stream("zed", "cluster1", "sleep 322"):
            pass

    async def cancel() -> None:
        waiting = asyncio.create_task(wait_in_vain())
        while "sleep 322" not in host.inside("ps", "ax", "-o", "args"):
            await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancel())
    wait_until(lambda: "sleep 322" not in host.inside("ps", "ax", "-o", "args"), "the stream's processes gone")


async def in_pieces(content: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


@pytest.mark.parametrize("user", ["alice", "tina", "zed"])
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_data_that_is_sent_piece_by_piece_is_exact(door: Door, user: str, size: int) -> None:
    data = os.urandom(size)
    script = 'head -c "$DATA_SIZE" | sha256sum'
    answer = asyncio.run(door.send(user, "cluster1", script, [], in_pieces(data), size))
    assert answer.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_script_that_ends_early_is_sent_no_more(door: Door) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 2**20

    answer = asyncio.run(door.send("alice", "cluster1", "echo no; exit 7", [], endless(), 2**40))
    assert (answer.stdout, answer.status) == (b"no\n", 7)
    assert taken < 100


def test_data_that_ends_early_is_seen_to(door: Door) -> None:
    script = 'head -c "$DATA_SIZE" | wc -c'
    answer = asyncio.run(door.send("alice", "cluster1", script, [], in_pieces(b"x" * 10), 20))
    assert answer.stdout == b"10\n"


def test_a_disabled_person_is_cut_off_in_the_middle_of_a_command(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.clusters.door.TIDY_EVERY", 0.05)
    people = tmp_path / "people.json"

    def publish(enabled: bool) -> None:
        aside = tmp_path / "aside"
        aside.write_text(json.dumps({"people": [{"name": "zed", "enabled": enabled}]}))
        aside.replace(people)

    publish(True)
    door = door_to(host, PeopleFile(people))

    async def cut_off() -> None:
        running = asyncio.create_task(door.async_run("zed", "cluster1", "sleep 332", deadline=30))
        while "sleep 332" not in host.inside("ps", "ax", "-o", "args"):
            await asyncio.sleep(0.05)
        publish(False)
        with pytest.raises(AnswerLost):
            await running

    try:
        asyncio.run(cut_off())
    finally:
        door.close()


def test_a_closed_door_leaves_nobody_waiting(host: Host) -> None:
    door = door_to(host)

    async def close() -> None:
        command = asyncio.create_task(door.async_run("zed", "cluster1", "sleep 61", deadline=30))
        while "sleep 61" not in host.inside("ps", "ax", "-o", "args"):
            await asyncio.sleep(0.05)
        door.close()
        with pytest.raises((AnswerLost, asyncio.CancelledError)):
            await command

    asyncio.run(close())
