"""The zip as it leaves: to whom, with which headers, and that a broken one is seen to be broken."""

import asyncio
import io
import subprocess
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from tandem.accounts.actions import create_token
from tandem.accounts.models import Person, Token
from tandem.clusters.door import AnswerLost, ClusterUnreachable
from tandem.jobs import stream_access
from tandem.jobs.models import Spooler
from tandem.jobs.spoolers.archive import PACK

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_clusters")]


@pytest.fixture(autouse=True)
def served_as_by_uvicorn(settings: Any) -> None:
    settings.ROOT_URLCONF = "tandem.jobs.streams"
    settings.MIDDLEWARE = []


@pytest.fixture
def packed(tmp_path: Path) -> list[bytes]:
    """What a cluster sends of a spooler with one file in it."""
    (tmp_path / "spooler").mkdir()
    (tmp_path / "spooler" / "output.txt").write_text("<script>1</script>")
    words = ["/bin/sh", "-c", PACK, "sh", str(tmp_path / "spooler")]
    sent = subprocess.run(words, capture_output=True, check=True).stdout
    return [sent[start : start + 700] for start in range(0, len(sent), 700)]


def fetch(spooler: uuid.UUID, client: Client | None = None, **headers: str) -> tuple[HttpResponseBase, bytes]:
    """The response and all that it sends."""

    async def work() -> tuple[HttpResponseBase, bytes]:
        browser = AsyncClient()
        if client is not None:
            browser.cookies = client.cookies
        response = await browser.get(reverse("spooler-zip", kwargs={"spooler_id": spooler}), headers=headers)
        if not response.streaming:
            return response, cast(Any, response).content
        return response, b"".join([piece async for piece in cast(Any, response)])

    return asyncio.run(work())


def test_all_files_come_as_one_attachment_that_no_browser_runs(
    ada: Person, signed_in: Callable[..., Client], over: Callable[..., Spooler], fake_door: Any, packed: list[bytes]
) -> None:
    fake_door.pieces = packed
    spooler = over(ada, name="mesh/study\r\nX: y")
    response, content = fetch(spooler.pk, signed_in(ada))
    assert response.status_code == 200
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"] == 'attachment; filename="mesh_study__X: y.zip"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "Content-Length" not in response
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["mesh_study__X: y/", "mesh_study__X: y/output.txt"]
    assert fake_door.asked == [("ada", "cluster1", (spooler.path,))]


def test_a_program_comes_in_with_its_token(
    ada: Person, over: Callable[..., Spooler], fake_door: Any, packed: list[bytes]
) -> None:
    fake_door.pieces = packed
    spooler, secret = over(ada), create_token(ada, "test")[1]
    assert fetch(spooler.pk, Authorization=f"Bearer {secret}")[0].status_code == 200
    assert fetch(spooler.pk, Authorization="Bearer tandem_no")[0].status_code == 401
    Token.objects.update(revoked_at=timezone.now())
    assert fetch(spooler.pk, Authorization=f"Bearer {secret}")[0].status_code == 401


def test_somebody_elses_is_like_one_that_does_not_exist(
    ada: Person, bob: Person, signed_in: Callable[..., Client], over: Callable[..., Spooler], fake_door: Any
) -> None:
    client = signed_in(ada)
    theirs, none = fetch(over(bob).pk, client), fetch(uuid.uuid4(), client)
    assert theirs[0].status_code == none[0].status_code == 404
    assert theirs[1] == none[1]
    assert fetch(over(bob).pk)[0].status_code == 401
    assert not fake_door.asked


def test_of_files_that_are_gone_it_says_so(
    ada: Person, signed_in: Callable[..., Client], over: Callable[..., Spooler], fake_door: Any
) -> None:
    response, content = fetch(over(ada, removed_at=timezone.now()).pk, signed_in(ada))
    assert response.status_code == 410
    assert b"removed" in content
    assert not fake_door.asked


@pytest.mark.parametrize(("said", "status"), [(b"missing\n", 404), (b"outside\n", 403), (b"", 502)])
def test_what_the_cluster_does_not_send_is_an_error_in_words(
    said: bytes,
    status: int,
    ada: Person,
    signed_in: Callable[..., Client],
    over: Callable[..., Spooler],
    fake_door: Any,
) -> None:
    fake_door.pieces = [said] if said else []
    response, content = fetch(over(ada).pk, signed_in(ada))
    assert response.status_code == status
    assert content.endswith(b".\n")


def test_a_silent_cluster_says_try_again(
    ada: Person, signed_in: Callable[..., Client], over: Callable[..., Spooler], fake_door: Any
) -> None:
    fake_door.pieces = [ClusterUnreachable("no")]
    assert fetch(over(ada).pk, signed_in(ada))[0].status_code == 503


@pytest.mark.parametrize("how", ["early end", "lost"])
def test_one_that_breaks_off_does_not_look_complete(
    how: str,
    ada: Person,
    signed_in: Callable[..., Client],
    over: Callable[..., Spooler],
    fake_door: Any,
    packed: list[bytes],
) -> None:
    fake_door.pieces = [packed[0], *([AnswerLost("cluster1 fell silent")] if how == "lost" else [])]
    with pytest.raises(ConnectionResetError):
        fetch(over(ada).pk, signed_in(ada))
    stream_access.download_seats.check(stream_access.Viewer(ada.pk, "ada", False, ""))
