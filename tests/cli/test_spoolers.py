"""`tandem spooler …`: what it prints, what it saves, and the exit statuses that scripts go by."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils import timezone

from tandem.cli.client import Portal, PortalError, PortalUnreachableError
from tandem.cli.credentials import Credentials
from tandem.jobs.models import Job, JobState, Spooler

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def spooler(tandem: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """One of mia's, whose job is over."""
    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", lambda job, seconds: job)
    job = tandem("job", "submit", "--name", "mesh study", "/bin/true").stdout.strip()
    now = timezone.now()
    Job.objects.filter(pk=job).update(state=JobState.COMPLETED, sealed_at=now, ended_at=now)
    Spooler.objects.update(expires_at=now + timedelta(days=3, hours=1))
    return str(Spooler.objects.get().pk)


def test_list_and_show(tandem: Callable[..., Any], spooler: str) -> None:
    listed = tandem("spooler", "list").stdout
    assert "mesh study" in listed
    assert "expires in 3 d" in listed
    assert [row["id"] for row in tandem("spooler", "list", "--json", "MESH").json] == [spooler]
    assert tandem("spooler", "list", "--json", "--state", "running").json == []
    assert tandem("spooler", "list", "--json", "--cluster", "cluster9").json == []
    assert tandem("spooler", "list", "--json", "--until", "2020-01-01").json == []
    assert [row["id"] for row in tandem("spooler", "list", "--json", "--since", "2020-01-01").json] == [spooler]
    assert tandem("spooler", "show", spooler[:6], "--json").json["jobs"][0]["state"] == "COMPLETED"
    assert f"/efs/spoolers/mia/{spooler}" in tandem("spooler", "show", spooler).stdout


def test_rename_keep_extend_rm(tandem: Callable[..., Any], spooler: str) -> None:
    assert tandem("spooler", "rename", spooler, "finer").stdout.startswith("finer: ")
    assert tandem("spooler", "keep", spooler).stdout == "finer: kept\n"
    assert re.search("expires in (29|30) d", tandem("spooler", "extend", spooler, "--days", "30").stdout)
    assert tandem("spooler", "rm", spooler, "--json").json["fate"] == "deleting"
    assert tandem("spooler", "rm", spooler).stdout == "finer: to be deleted\n"


def test_what_is_refused_is_told_by_the_exit_status(tandem: Callable[..., Any], spooler: str) -> None:
    Job.objects.update(state=JobState.RUNNING)
    outcome = tandem("spooler", "rm", spooler)
    assert (outcome.status, "not over" in outcome.stderr) == (65, True)
    assert tandem("spooler", "show", "00000000-0000-4000-8000-000000000000").status == 66
    assert tandem("spooler", "show", "ffffff").status == 66
    assert tandem("spooler", "rename", spooler, "a\nb").status == 65


def zip_of(text: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("mesh study/output.txt", text)
    return held.getvalue()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the portal streams: pieces, or an exception in the middle."""
    pieces: list[Any] = [zip_of(b"out")]

    @contextmanager
    def stream(self: Portal, path: str) -> Iterator[Iterator[bytes]]:
        def coming() -> Iterator[bytes]:
            for piece in pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield piece

        yield coming()

    monkeypatch.setattr(Portal, "stream", stream)
    return pieces


def test_get_saves_all_files(tandem: Callable[..., Any], spooler: str, sent: list[Any], home: Path) -> None:
    assert tandem("spooler", "get", spooler).stdout == f"mesh_study.zip ({len(sent[0]):,} bytes)\n"
    assert zipfile.ZipFile(home / "mesh_study.zip").read("mesh study/output.txt") == b"out"
    assert tandem("spooler", "get", spooler).status == 65
    seen = tandem("spooler", "get", spooler, "--save", "other.zip", "--json").json
    assert seen == {"spooler": spooler, "file": "other.zip", "size": len(sent[0])}


def test_a_part_of_it_leaves_no_file(tandem: Callable[..., Any], spooler: str, sent: list[Any], home: Path) -> None:
    sent.append(PortalUnreachableError("it broke off"))
    outcome = tandem("spooler", "get", spooler)
    assert (outcome.status, "broke off" in outcome.stderr) == (69, True)
    assert not list(home.glob("*.zip*"))


class TestStream:
    """The way to the stream: the token goes to this portal and to nobody else."""

    def portal(self, location: str, **answer: Any) -> Portal:
        def respond(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/api/v1/spoolers/x/zip":
                return httpx.Response(307, headers={"Location": location})
            assert str(request.url) == "https://portal/streams/spoolers/x/zip"
            assert request.headers["Authorization"] == "Bearer secret"
            return httpx.Response(**answer)

        return Portal(Credentials("https://portal", "secret"), transport=httpx.MockTransport(respond))

    def test_the_bytes_come(self) -> None:
        with self.portal("/streams/spoolers/x/zip", status_code=200, content=b"zip") as portal:  # noqa: SIM117
            with portal.stream("/spoolers/x/zip") as pieces:
                assert b"".join(pieces) == b"zip"

    @pytest.mark.parametrize("location", ["https://evil/x", "//evil/x", ""])
    def test_nobody_else_gets_the_token(self, location: str) -> None:
        with self.portal(location) as portal, pytest.raises(PortalUnreachableError, match="somewhere else"):
            portal.stream("/spoolers/x/zip").__enter__()

    def test_a_refusal_is_a_problem(self) -> None:
        with (
            self.portal("/streams/spoolers/x/zip", status_code=410, content=b"They were removed.\n") as portal,
            pytest.raises(PortalError, match="removed"),
        ):
            portal.stream("/spoolers/x/zip").__enter__()
