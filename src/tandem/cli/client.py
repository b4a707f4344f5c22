"""The portal's REST API from the command line: TLS verified, and patient with a portal node that went away."""

import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from tandem import __version__
from tandem.cli.credentials import Credentials

PATIENCE = 60.0
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# Of what is made while it is sent: the cluster may need a while between two pieces.
LONG = httpx.Timeout(120.0, connect=5.0)
# What a load balancer answers while a portal node is away, and what the portal answers while its database is.
PASSING = frozenset({429, 502, 503, 504})


class PortalError(Exception):
    """The portal answered with a problem (RFC 9457)."""

    def __init__(
        self, status: int, title: str, detail: str = "", errors: Mapping[str, list[str]] | None = None
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.errors = dict(errors or {})

    def lines(self) -> list[str]:
        """For people: the sentence, then a line per field."""
        return [str(self), *(f"  {name}: {text}" for name, texts in self.errors.items() for text in texts)]


class PortalUnreachableError(Exception):
    """No answer, for as long as we were ready to wait."""


class Portal:
    """A connection to one portal as one person. Use it with `with`."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        patience: float = PATIENCE,
        notify: Callable[[str], None] = lambda _text: None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = credentials.url.rstrip("/")
        self.patience = patience
        self.notify = notify
        headers = {"User-Agent": f"tandem/{__version__}", "Accept": "application/json"}
        if credentials.token:
            headers["Authorization"] = f"Bearer {credentials.token}"
        verify = ssl.create_default_context(cadata=credentials.authority) if credentials.authority else True
        self.http = httpx.Client(
            base_url=f"{self.url}/api/v1", headers=headers, verify=verify, timeout=TIMEOUT, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at `path`; parameters that are None are left out."""
        return self.call("GET", path, params=params).json()

    def post(self, path: str, body: Any = None, *, repeatable: bool = True, **options: Any) -> Any:
        """Send `body`; the JSON that comes back, or None. Not `repeatable`: sent once, whatever happens."""
        answer = self.call("POST", path, json=body, repeatable=repeatable, **options)
        return answer.json() if answer.content else None

    def patch(self, path: str, body: Any) -> Any:
        """Change what is at `path`; the JSON that comes back."""
        return self.call("PATCH", path, json=body).json()

    def delete(self, path: str) -> Any:
        """Take away what is at `path`; the JSON that comes back, or None."""
        answer = self.call("DELETE", path)
        return answer.json() if answer.content else None

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[bytes]]:
        """The bytes to which `path` leads, as they come. One that breaks off raises PortalUnreachableError."""
        answer = self.call("GET", path, accept=frozenset({307}))
        address = answer.headers.get("Location", "")
        if not address.startswith("/") or address.startswith("//"):  # the token is for this portal alone
            raise PortalUnreachableError(f"{self.url} leads to somewhere else")
        try:
            with self.http.stream("GET", f"{self.url}{address}", headers={"Accept": "*/*"}, timeout=LONG) as response:
                if not response.is_success:
                    raise PortalError(response.status_code, response.reason_phrase, response.read().decode().strip())
                yield response.iter_bytes()
        except httpx.TransportError as error:
            raise PortalUnreachableError(f"it broke off: {error or type(error).__name__}") from error

    def pages(
        self, path: str, limit: int, *, cursor_name: str = "cursor", page_size: int = 200, **params: Any
    ) -> Iterator[dict[str, Any]]:
        """Up to `limit` rows of a list, fetched page after page."""
        cursor: str | None = None
        while limit > 0:
            page = self.get(path, **{cursor_name: cursor}, page_size=min(limit, page_size), **params)
            yield from page["results"][:limit]
            limit -= len(page["results"])
            cursor = httpx.URL(page["next"]).params.get(cursor_name) if page["next"] else None
            if cursor is None:
                return

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        repeatable: bool = True,
        accept: frozenset[int] = frozenset(),
        **options: Any,
    ) -> httpx.Response:
        """One request, repeated for up to `patience` seconds while the portal is away.

        Everything we repeat is safe to repeat: reading, what has an Idempotency-Key, and wishes (cancel, hold).
        Raises PortalError for a problem (unless its status is in `accept`) and PortalUnreachableError.
        """
        wanted = {name: value for name, value in (params or {}).items() if value is not None}
        deadline = time.monotonic() + self.patience
        delay = 0.2
        while True:
            trouble, wait = "", 0.0
            try:
                response = self.http.request(method, path, params=wanted or None, **options)
            except httpx.TransportError as error:
                if _is_certificate(error):
                    raise PortalUnreachableError(f"{self.url} cannot be trusted: {error}") from error
                trouble = f"{self.url} does not answer ({error or type(error).__name__})"
                if not repeatable:
                    raise PortalUnreachableError(trouble) from error
            else:
                if response.is_success or response.status_code in accept:
                    return response
                if response.status_code not in PASSING or not repeatable:
                    raise problem_of(response)
                trouble = f"{self.url} answers {response.status_code}"
                wait = _seconds(response.headers.get("Retry-After"))
            pause = max(wait, delay * random.uniform(0.5, 1.5))  # noqa: S311 - spreads clients out, hides nothing
            if time.monotonic() + pause > deadline:
                raise PortalUnreachableError(f"{trouble}; gave up after {self.patience:.0f} s")
            if delay > 0.5:
                self.notify(f"{trouble}; trying again")
            time.sleep(pause)
            delay = min(delay * 2, 5.0)


def _is_certificate(error: BaseException | None) -> bool:
    """Whether TLS verification is what failed, anywhere down the chain of causes."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0


def problem_of(response: httpx.Response) -> PortalError:
    """The problem+json of an answer, or the best that can be said of an answer that is none."""
    title = f"{response.status_code} {response.reason_phrase}"
    try:
        body = response.json()
    except ValueError:
        return PortalError(response.status_code, title)
    if not isinstance(body, dict):
        return PortalError(response.status_code, title)
    errors = body.get("errors")
    return PortalError(
        response.status_code,
        str(body.get("title", title)),
        str(body.get("detail", "")),
        {str(name): [str(text) for text in texts] for name, texts in errors.items()}
        if isinstance(errors, dict)
        else None,
    )
