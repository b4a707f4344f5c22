"""The portal as a drill sees it: its API over TLS, with patience while portal nodes are away."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

import httpx

from tandem.environment import Environment
from tandem.local.secrets import Secrets
from tandem.local.state import State

PATIENCE = 120.0
PAUSE = 0.2
OPEN = ("ACCEPTED", "PENDING", "RUNNING", "SUSPENDED", "UNKNOWN")


class PortalError(Exception):
    """The portal does not do what a drill needs."""


class Portal:
    """The portal's API, as the administrator. Safe to use from several threads; use it with `with`."""

    def __init__(self, environment: Environment) -> None:
        state = State(environment.name)
        context = ssl.create_default_context(cafile=str(state.authority))
        url = f"https://127.0.0.1:{environment.portal.port}/api/v1"
        # Each request on a connection of its own, so that each finds a portal node that is there.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=url, verify=context, timeout=httpx.Timeout(15, connect=5), limits=limits)
        self._name = environment.administrator.name
        self._password = Secrets(state.secrets).text("administrator")
        self._token = 0
        self._lock = threading.Lock()
        self.longest_wait = 0.0

    def __enter__(self) -> Self:
        body = {"username": self._name, "password": self._password, "name": "drill", "days": 1}
        answer = self._call("POST", "/tokens", json=body)
        self._http.headers["Authorization"] = f"Bearer {answer['secret']}"
        self._token = int(answer["token"]["id"])
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(httpx.HTTPError):  # it ends by itself
            self._http.delete(f"/tokens/{self._token}")
        self._http.close()

    def submit(self, body: dict[str, Any], key: str) -> str:
        """Submit a job; its id. Sent again, with the same key, until the portal has taken it."""
        return str(self._call("POST", "/jobs", json=body, headers={"Idempotency-Key": key})["id"])

    def cancel(self, job: str) -> None:
        """Wish a job's end."""
        self._call("POST", f"/jobs/{job}/cancel", accept=(409,))

    def tasks(self, job: str) -> list[dict[str, Any]]:
        """An array's tasks."""
        return list(self._call("GET", f"/jobs/{job}/tasks", params={"page_size": 1000})["results"])

    def jobs(self, project: str, states: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
        """All jobs of a project, in these states or in any."""
        cursor = None
        while True:
            wanted: dict[str, Any] = {"project": project, "page_size": 200}
            if states:
                wanted["state"] = list(states)
            if cursor:
                wanted["cursor"] = cursor
            page = self._call("GET", "/jobs", params=wanted)
            yield from page["results"]
            if not page["next"]:
                return
            cursor = httpx.URL(page["next"]).params.get("cursor")

    def open_jobs(self, project: str) -> set[str] | None:
        """The jobs of a project that are not over; None when the portal does not answer at once, or there are many."""
        try:
            answer = self._http.get(
                "/jobs", params={"project": project, "page_size": 200, "state": list(OPEN)}, timeout=5
            )
        except httpx.TransportError:
            return None
        if not answer.is_success or answer.json()["next"]:
            return None
        return {str(row["id"]) for row in answer.json()["results"]}

    def clusters(self) -> list[dict[str, Any]] | None:
        """The clusters as the portal sees them; None when it does not answer at once."""
        try:
            answer = self._http.get("/clusters", timeout=3)
        except httpx.TransportError:
            return None
        return list(answer.json()) if answer.is_success else None

    def _call(self, method: str, path: str, *, accept: tuple[int, ...] = (), **options: Any) -> Any:
        """One request, again and again while the portal is away. Raises PortalError."""
        began = time.monotonic()
        while True:
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                trouble = str(error) or type(error).__name__
            else:
                if answer.is_success or answer.status_code in accept:
                    with self._lock:
                        self.longest_wait = max(self.longest_wait, time.monotonic() - began)
                    return answer.json() if answer.content else None
                trouble = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code < 500 and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    raise PortalError(f"{method} {path}: {trouble}")
            if time.monotonic() - began > PATIENCE:
                raise PortalError(f"{method} {path}: not within {PATIENCE:.0f} s: {trouble}")
            time.sleep(PAUSE)
