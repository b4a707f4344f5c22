"""Who may open a stream, how many at once, and how streams reach the database.

Streams run under ASGI without Django's middleware: a middleware that touches the database would keep a thread and a
connection for as long as the stream is open. They come in through `admit` instead.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.db import Error as DatabaseProblem
from django.db import close_old_connections, connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from ninja.errors import AuthenticationError

from tandem.accounts.authentication import BearerToken
from tandem.accounts.models import Person
from tandem.node import this_node

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=HttpResponseBase)

DATABASE_THREADS = 4
STREAMS_PER_PERSON = 24
DOWNLOADS_PER_PERSON = 4
UPLOADS_PER_PERSON = 4
RECHECK_SECONDS = 15.0
KEEP_ALIVE_SECONDS = 15.0

_database = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="stream-database")


async def in_database(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` on one of the few threads that hold database connections for all streams."""

    def with_fresh_connection() -> T:
        close_old_connections()
        try:
            return work(*args, **kwargs)
        except DatabaseProblem:
            # Also one that answers but became read-only: its name may lead elsewhere by now.
            connections.close_all()
            raise

    return await asyncio.get_running_loop().run_in_executor(_database, with_fresh_connection)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a stream, and by which session or token: that may end before the stream does."""

    person_id: int
    username: str
    is_administrator: bool
    session_key: str
    token: str = ""


class StreamRefused(Exception):
    """This request opens no stream; `status` and `words` say why."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words

    def response(self) -> HttpResponse:
        """A plain answer: streams are read by scripts, and by people only when a download fails."""
        answer = HttpResponse(self.words + "\n", status=self.status, content_type="text/plain; charset=utf-8")
        if self.status in (429, 503):
            answer["Retry-After"] = "5"
        return secured(answer)


def secured(response: R) -> R:
    """The headers that Django's middleware would set on a page, and those for bytes that came from a person's file."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    response["Referrer-Policy"] = "same-origin"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    patch_cache_control(response, no_store=True, private=True)
    return response


def check_origin(request: HttpRequest) -> None:
    """Refuse what another site's page asks for: cookies travel with it, and CORS does not stop it from being done."""
    node = this_node()
    own = {f"{request.scheme}://{request.get_host()}"}
    if node:
        parts = urlsplit(node.public_url)
        own.add(f"{parts.scheme}://{parts.netloc}")
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if (origin is not None and origin not in own) or site not in ("same-origin", "none"):
        raise StreamRefused(403, "Another site's page asked for this; it is not given.")


def _person_of(session_key: str, token: str) -> Person | None:
    if token:
        try:
            return BearerToken().authenticate(HttpRequest(), token)
        except AuthenticationError:
            return None
    engine = import_module(settings.SESSION_ENGINE)
    request = HttpRequest()
    request.session = engine.SessionStore(session_key)
    person = get_user(request)
    return person if isinstance(person, Person) and person.is_active else None


async def admit(request: HttpRequest) -> Viewer:
    """The person whose session or token this is. Raises StreamRefused."""
    check_origin(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token if scheme.lower() == "bearer" else ""
    session_key = "" if token else request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    person = await in_database(_person_of, session_key, token) if session_key or token else None
    if person is None:
        raise StreamRefused(401, "Sign in first, or send a token that is good.")
    return Viewer(person.pk, person.username, person.is_administrator, session_key, token)


async def still_admitted(viewer: Viewer) -> bool:
    """Whether session or token are still good and their person may see as much: asked every RECHECK_SECONDS."""
    person = await in_database(_person_of, viewer.session_key, viewer.token)
    return person is not None and (person.pk, person.is_administrator) == (viewer.person_id, viewer.is_administrator)


class Seats:
    """Bounds what one person holds open in this process, so that nobody's forgotten tabs starve the others."""

    def __init__(self, per_person: int, what: str) -> None:
        self._per_person = per_person
        self._what = what
        self._taken: Counter[int] = Counter()

    def check(self, viewer: Viewer) -> None:
        """Raises StreamRefused when the person has too many open: asked while the answer can still say so."""
        if self._taken[viewer.person_id] >= self._per_person:
            raise StreamRefused(429, f"Too many {self._what} are open for {viewer.username}: close some of them.")

    @contextmanager
    def seat(self, viewer: Viewer) -> Iterator[None]:
        """Hold one seat while a stream is sent. Raises StreamRefused when another took the last one meanwhile."""
        self.check(viewer)
        self._taken[viewer.person_id] += 1
        try:
            yield
        finally:
            self._taken[viewer.person_id] -= 1
            if not self._taken[viewer.person_id]:
                del self._taken[viewer.person_id]


stream_seats = Seats(STREAMS_PER_PERSON, "live pages")
download_seats = Seats(DOWNLOADS_PER_PERSON, "downloads")
upload_seats = Seats(UPLOADS_PER_PERSON, "uploads")
