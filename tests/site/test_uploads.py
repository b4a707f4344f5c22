"""No more of an upload is kept than a form may take, whoever sends it."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import RequestFactory

from tandem.jobs.submission import LARGEST_UPLOAD


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
