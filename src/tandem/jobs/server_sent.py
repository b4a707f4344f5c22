"""Server-sent events: their format, and what every stream of them does besides its own work."""

import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.db import Error as DatabaseProblem
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from tandem.jobs.stream_access import RECHECK_SECONDS, StreamRefused, Viewer, admit, secured, still_admitted

P = ParamSpec("P")

# Browsers reconnect after this long by themselves; a node that died costs no more.
RETRY_MILLISECONDS = 2000
OPENING = f"retry: {RETRY_MILLISECONDS}\n\n"
KEEP_ALIVE = ": \n\n"


def message(event: str, data: object, last_id: int | str | None = None) -> str:
    """One event; `data` as JSON, which has no line ends of its own."""
    head = f"id: {last_id}\n" if last_id is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data)}\n\n"


def event_stream(messages: AsyncIterator[str]) -> StreamingHttpResponse:
    """The response that sends them, kept by nobody on the way."""
    response = StreamingHttpResponse(messages, content_type="text/event-stream; charset=utf-8")
    response["X-Accel-Buffering"] = "no"
    secured(response)
    return response


class Standing:
    """Whether a stream's viewer is still let in, asked as often as needed and not more."""

    def __init__(self, viewer: Viewer, every: float = RECHECK_SECONDS) -> None:
        self._viewer = viewer
        self._every = every
        self._due = time.monotonic() + every

    async def lost(self) -> bool:
        """True once the session has ended or the person was disabled: the stream ends then."""
        if time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + self._every
        return not await still_admitted(self._viewer)


def stream(
    view: Callable[Concatenate[HttpRequest, Viewer, P], Coroutine[Any, Any, HttpResponseBase]],
) -> Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponseBase]]:
    """A view under /streams/: only GET, only from our own pages, only for who is signed in."""

    @wraps(view)
    async def admitted(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            if request.method != "GET":
                raise StreamRefused(405, "Only GET is answered here.")
            viewer = await admit(request)
            return await view(request, viewer, *args, **kwargs)
        except StreamRefused as refusal:
            return refusal.response()
        except DatabaseProblem:
            return StreamRefused(503, "The database does not answer; try again in a moment.").response()

    admitted.login_required = False  # type: ignore[attr-defined]
    return admitted
