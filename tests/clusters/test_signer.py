"""The signer says yes to whom it should, and to nobody else."""

import asyncio
import json
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from structlog.testing import capture_logs

from tandem.clusters.ask_signer import NotSigned, SignerBusy, SignerUnavailable, answers, ask, signs_with
from tandem.clusters.people import PeopleFile
from tandem.clusters.signer import AuthorityFile, Rate, Signer, listen, serve

KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def write_people(path: Path, **enabled: bool) -> None:
    people = [{"name": name, "uid": 2001, "enabled": yes} for name, yes in enabled.items()]
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps({"version": 1, "people": people}))
    aside.replace(path)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.json"
    write_people(path, alice=True, gone=False)
    return path


def write_authority(path: Path) -> asyncssh.SSHKey:
    key = asyncssh.generate_private_key("ssh-ed25519")
    aside = path.with_suffix(".new")
    key.write_private_key(aside)
    aside.replace(path)
    return key


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    path = tmp_path / "authority"
    write_authority(path)
    return path


@pytest.fixture
def signer(people: Path, authority: Path) -> Signer:
    file = AuthorityFile(authority)
    file.key()
    return Signer(file, "testing", ["127.0.0.1"], PeopleFile(people))


def request(**over: Any) -> dict[str, Any]:
    return {"user": "alice", "connection": "node-1:1", "public_key": KEY} | over


def test_it_signs_for_people_of_the_environment_and_the_watcher(signer: Signer) -> None:
    for user in ("alice", "tandem-watch"):
        made = asyncssh.import_certificate(signer.sign(request(user=user)))
        assert made.principals == [f"{user}@testing"]


@pytest.mark.parametrize(
    "user", ["gone", "nobody-known", "root", "slurm", "tandem-signer", "", "alice\n", "../alice", "A"]
)
def test_it_signs_for_nobody_else(signer: Signer, user: str) -> None:
    with pytest.raises(NotSigned):
        signer.sign(request(user=user))


def test_who_is_disabled_gets_nothing_from_the_next_request_on(signer: Signer, people: Path) -> None:
    signer.sign(request())
    write_people(people, alice=False)
    with pytest.raises(NotSigned, match="not an enabled person"):
        signer.sign(request())


def test_it_signs_with_the_authority_that_its_file_holds_at_that_moment(signer: Signer, authority: Path) -> None:
    before = asyncssh.import_certificate(signer.sign(request())).signing_key
    after = write_authority(authority)
    made = asyncssh.import_certificate(signer.sign(request())).signing_key
    assert made.get_fingerprint() == after.get_fingerprint() != before.get_fingerprint()


def test_an_authority_that_cannot_be_read_does_not_stop_it_from_signing(signer: Signer, authority: Path) -> None:
    signer.sign(request())
    authority.write_text("half a key")
    signer.sign(request())
    authority.unlink()
    signer.sign(request())


@pytest.mark.parametrize("content", [None, "", "[]", '{"people": [{"name": "alice"}]}', '{"people": [1]}'])
def test_without_a_readable_people_file_it_signs_for_the_watcher_alone(
    signer: Signer, people: Path, content: str | None
) -> None:
    people.unlink() if content is None else people.write_text(content)
    with pytest.raises(NotSigned):
        signer.sign(request())
    signer.sign(request(user="tandem-watch"))


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        "alice",
        {},
        {"user": "alice"},
        request(extra=1),
        request(terminal="yes"),
        request(terminal=1),
        request(user=1),
        request(connection="a b"),
        request(connection="x" * 200),
        request(public_key="ssh-ed25519 AAAA"),
        request(public_key="-----BEGIN OPENSSH PRIVATE KEY-----"),
        request(public_key=asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()),
    ],
)
def test_it_refuses_what_is_not_a_request(signer: Signer, asked: object) -> None:
    with pytest.raises(NotSigned):
        signer.sign(asked)


def test_it_does_not_sign_without_limit_for_one_person_nor_for_all(signer: Signer, people: Path) -> None:
    signer.new_rate = lambda: Rate(per_second=0, burst=3)
    signer.overall = Rate(per_second=0, burst=4)
    write_people(people, alice=True, bob=True)
    for _ in range(3):
        signer.sign(request())
    with pytest.raises(SignerBusy, match="too many"):
        signer.sign(request())
    signer.sign(request(user="bob"))
    with pytest.raises(SignerBusy, match="too many"):
        signer.sign(request(user="bob"))


def test_a_rate_refills() -> None:
    rate = Rate(per_second=1e9, burst=1)
    assert rate.take()
    assert rate.take()


def served(signer: Signer, path: Path, callers: list[int], what: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        serving = asyncio.create_task(serve(signer, listen(path, None), callers))
        try:
            await asyncio.sleep(0)
            return await what()
        finally:
            serving.cancel()

    return asyncio.run(run())


def test_it_answers_a_service_account_and_writes_down_for_whom(signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with capture_logs() as logs:
        made = served(
            signer, path, [os.getuid()], lambda: ask(path, user="alice", connection="node-1:1", public_key=KEY)
        )
    assert asyncssh.import_certificate(made).principals == ["alice@testing"]
    (entry,) = logs
    assert (entry["event"], entry["user"], entry["connection"], entry["uid"]) == (
        "signed",
        "alice",
        "node-1:1",
        os.getuid(),
    )


def test_it_answers_nobody_else_on_the_machine_and_writes_that_down(signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with capture_logs() as logs, pytest.raises(NotSigned, match="service accounts"):
        served(signer, path, [64321], lambda: ask(path, user="alice", connection="c", public_key=KEY))
    assert [entry["event"] for entry in logs] == ["refused"]


def test_its_socket_is_open_to_its_owner_and_group_only(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.touch()
    listen(path, None).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_who_asks_too_fast_is_told_to_ask_again_and_not_that_they_may_not_enter(signer: Signer, tmp_path: Path) -> None:
    signer.new_rate = lambda: Rate(per_second=0, burst=0)
    path = tmp_path / "socket"
    with capture_logs() as logs, pytest.raises(SignerBusy, match="try again"):
        served(signer, path, [os.getuid()], lambda: ask(path, user="alice", connection="c", public_key=KEY))
    assert [entry["event"] for entry in logs] == ["refused"]


@pytest.mark.parametrize("sent", [b"", b"\n", b"{", b"\xff\n", b"[1]\n", b"x" * 100_000 + b"\n", b"null\n"])
def test_rubbish_gets_an_error_and_the_next_one_is_served(signer: Signer, tmp_path: Path, sent: bytes) -> None:
    path = tmp_path / "socket"

    async def speak() -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
        await ask(path, user="alice", connection="c", public_key=KEY)  # it lives
        return answer

    answer = served(signer, path, [os.getuid()], speak)
    assert b"certificate" not in answer


def test_a_signer_that_is_not_there_is_said_to_be_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SignerUnavailable):
        asyncio.run(ask(tmp_path / "nothing", user="alice", connection="c", public_key=KEY))


def test_it_says_that_it_is_there_without_writing_it_down(signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with capture_logs() as logs:
        assert served(signer, path, [os.getuid()], lambda: asyncio.to_thread(answers, path))
    assert not logs


def test_it_says_which_authority_it_signs_with(signer: Signer, authority: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    after = write_authority(authority)
    said = served(signer, path, [os.getuid()], lambda: asyncio.to_thread(signs_with, path))
    assert said == after.get_fingerprint()
    with pytest.raises(SignerUnavailable):
        signs_with(tmp_path / "nothing")


@pytest.mark.parametrize("hangs", [False, True])
def test_one_that_is_dead_or_hung_is_not_there(hangs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.clusters.ask_signer.PING_TIME", 0.1)
    path = tmp_path / "socket"
    listener = listen(path, None)
    if hangs:
        listener.listen()
    else:
        listener.close()
    assert not answers(path)
    listener.close()
