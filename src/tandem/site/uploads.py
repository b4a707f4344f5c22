"""What is sent along with requests, bounded: it is read before anybody knows who sends it."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tandem.jobs.submission import LARGEST_UPLOAD
from tandem.site.errors import too_large

# The largest upload, and the form around it.
LARGEST_BODY = LARGEST_UPLOAD + 2 * 1024 * 1024


class BodySizeMiddleware:
    """Refuses what is too large before any of it is read: not every load balancer can.

    What does not say its length is no body to Django, and is not read either.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on what is small enough."""
        length = request.META.get("CONTENT_LENGTH", "")
        if length.isdigit() and int(length) > LARGEST_BODY:
            return too_large(request)
        return self.get_response(request)


class BoundedUploadHandler(FileUploadHandler):
    """The first of the handlers: passes on what is small enough, so that the ones behind it keep no more than that.

    The rest of the request is read and forgotten, as the other fields of its form stand behind the file. What was too
    much becomes a file without content but with its size, which the form then refuses like any that is too large.
    """

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """The piece, for the next handler; None once all files of the request together are too much."""
        self._received += len(raw_data)
        return raw_data if self._received <= LARGEST_UPLOAD else None

    def file_complete(self, file_size: int) -> "UploadedFile[bytes] | None":
        """None, which leaves the file to the next handler, or what stands for one that was too much."""
        if self._received <= LARGEST_UPLOAD:
            return None
        return UploadedFile(BytesIO(), self.file_name, self.content_type, self._received, self.charset)
