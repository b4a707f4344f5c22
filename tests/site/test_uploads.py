"""No more of an upload is kept than a form may take, whoever sends it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client, RequestFactory

from tandem.jobs.submission import LARGEST_UPLOAD
from tandem.site.uploading import with_uploads
from tandem.site.uploads import LARGEST_BODY


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much went to the disk, piece by piece."""
    pieces: list[int] = []
    write = TemporaryFileUploadHandler.receive_data_chunk

    def counted(self: TemporaryFileUploadHandler, raw_data: bytes, start: int) -> Any:
        pieces.append(len(raw_data))
        return write(self, raw_data, start)

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", counted)
    return pieces


def sent(*sizes: int) -> Any:
    files = {f"file{number}": SimpleUploadedFile("in.txt", b"x" * size) for number, size in enumerate(sizes)}
    return RequestFactory().post("/", {**files, "typed": "stays"})


def test_what_is_too_large_is_not_kept_but_its_size_and_the_other_fields_are(kept: list[int]) -> None:
    request = sent(LARGEST_UPLOAD + 3_000_000)
    assert request.FILES["file0"].size == LARGEST_UPLOAD + 3_000_000
    assert request.FILES["file0"].read() == b""
    assert request.POST["typed"] == "stays"
    assert sum(kept) <= LARGEST_UPLOAD


def test_many_files_are_bounded_together(kept: list[int]) -> None:
    files = sent(LARGEST_UPLOAD - 1, 1_000_000, 10).FILES
    assert files["file0"].size == LARGEST_UPLOAD - 1
    assert files["file1"].size > LARGEST_UPLOAD
    assert files["file2"].size > LARGEST_UPLOAD
    assert sum(kept) <= LARGEST_UPLOAD


@pytest.mark.parametrize("size", [0, 5, 3_000_000, LARGEST_UPLOAD])
def test_what_is_allowed_arrives_whole(size: int) -> None:
    assert sent(size).FILES["file0"].read() == b"x" * size


class Unreadable:
    """A body that nobody may read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = read

    def close(self) -> None:
        """As files have."""


@pytest.mark.parametrize(
    ("address", "kind", "said"),
    [("/sign-in", "text/html", "This is too large"), ("/api/v1/jobs", "application/problem+json", "too big")],
)
def test_what_says_that_it_is_too_large_is_refused_unread(address: str, kind: str, said: str) -> None:
    # As a load balancer passes it on that has no limit of its own.
    answer = Client().generic(
        "POST", address, secure=True, **{"wsgi.input": Unreadable(), "CONTENT_LENGTH": str(LARGEST_BODY + 1)}
    )
    assert answer.status_code == 413
    assert answer["Content-Type"].startswith(kind)
    assert said in answer.content.decode()


@pytest.mark.parametrize("header", [(b"content-length", b"5000000000"), (b"transfer-encoding", b"chunked")])
@pytest.mark.parametrize(("method", "path"), [("GET", "/streams/events"), ("POST", "/api/v1/files/content")])
def test_streams_take_no_content(header: tuple[bytes, bytes], method: str, path: str) -> None:
    said: list[Mapping[str, Any]] = []

    async def unread(*_: Any) -> Any:
        raise AssertionError("it went further")

    async def send(message: Mapping[str, Any]) -> None:
        said.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"host", b"localhost"), header]}
    asyncio.run(with_uploads(unread)(scope, unread, send))
    assert said[0]["status"] == 413


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"0")]])
def test_streams_are_asked_without_content(headers: list[tuple[bytes, bytes]]) -> None:
    passed: list[Any] = []

    async def others(scope: Any, *_: Any) -> None:
        passed.append(scope)

    scope = {"type": "http", "method": "GET", "path": "/streams/events", "headers": headers}
    asyncio.run(with_uploads(others)(scope, others, others))
    assert passed == [scope]
