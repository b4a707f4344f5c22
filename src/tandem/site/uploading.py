"""Takes files that are sent to `/api/v1/files/content` before Django, which would first keep the whole of a body.

Nothing else that this process serves takes any content.

What there is to say about a file is in `files.uploads`; here is the plumbing of ASGI, and how refusals look.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from io import BytesIO
from typing import Any

import structlog
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseProblem
from django.http import HttpResponse

from tandem.files.api_schemas import EntryOut
from tandem.files.streams import content_address
from tandem.files.trouble import FileTrouble
from tandem.files.uploads import take
from tandem.jobs.stream_access import StreamRefused, admit, secured, upload_seats
from tandem.site.problems import file_problem, problem

log = structlog.get_logger("tandem.request")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PIECE = 2**18
# What is still coming after a refusal is read up to here, so that the sender gets to hear why.
MOST_DRAINED = 2**26


class SenderGone(Exception):
    """Whoever sent the body has hung up."""


def with_uploads(others: Application) -> Application:
    """The application that takes files itself and leaves everything else to `others`."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "PUT" and scope["path"] == content_address():
            await upload(scope, receive, send)
        elif scope["type"] == "http" and announces_content(scope):
            # Django would put the whole of it on the disk before it looks who sends it.
            await _send(secured(problem(413, "This address takes no content.")), send)
        else:
            await others(scope, receive, send)

    return application


def announces_content(scope: Scope) -> bool:
    """Whether something comes with the request."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    """One file."""
    request = ASGIRequest(scope, BytesIO())
    body = Body(receive)
    try:
        response = await _taken(request, body)
    except SenderGone:
        log.info("an upload was given up", path=request.path)
        return
    if response.status_code >= 400:
        await body.drain(MOST_DRAINED)
    log.info("request", method="PUT", path=request.path, status=response.status_code)
    await _send(response, send)


async def _send(response: HttpResponse, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    headers.append((b"content-length", b"%d" % len(response.content)))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


async def _taken(request: ASGIRequest, body: "Body") -> HttpResponse:
    try:
        viewer = await admit(request)
        upload_seats.check(viewer)
        length = request.META.get("CONTENT_LENGTH", "")
        if not length.isascii() or not length.isdigit() or len(length) > 15:
            raise StreamRefused(411, "Say how long the file is: Content-Length.")
        entry = await take(request, viewer, int(length), body.pieces())
    except StreamRefused as refused:
        return secured(problem(refused.status, refused.words))
    except FileTrouble as trouble:
        return secured(file_problem(trouble))
    except (BadRequest, SuspiciousOperation):
        return secured(problem(400, "The request could not be read."))
    except DatabaseProblem:
        return secured(problem(503, "The database does not answer; try again in a moment."))
    content = json.dumps(EntryOut.from_orm(entry).model_dump(mode="json"))
    return secured(HttpResponse(content, status=201, content_type="application/json"))


class Body:
    """A request's body, as it comes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._over = False

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise SenderGone
        self._over = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def pieces(self) -> AsyncIterator[bytes]:
        """In pieces that are worth handing on. Raises SenderGone."""
        held = bytearray()
        while not self._over:
            held += await self._next()
            if len(held) >= PIECE:
                yield bytes(held)
                held.clear()
        if held:
            yield bytes(held)

    async def drain(self, most: int) -> None:
        """Read on, for nothing, up to the end or so many bytes."""
        while not self._over and most > 0:
            try:
                most -= len(await self._next())
            except SenderGone:
                return
