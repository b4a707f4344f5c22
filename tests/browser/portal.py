"""A portal in this process, without clusters: for tests that look at every page.

Its database is a file of its own, so that the server's threads share no connection. Doors lead to this machine. Streams
are another process's affair: pages do without their events here.
"""

import itertools
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from pytest_django.live_server_helper import LiveServer
from tests.browser.world import World, fill
from tests.files.conftest import LocalDoor
from tests.routes import PAGES, routes_of

from tandem.accounts.models import Person
from tandem.clusters.channel import Answer
from tandem.files import places
from tandem.jobs import actions, outputs

# A browser takes `__Host-` cookies through TLS only, which this server has not.
PLAIN = {
    "SESSION_COOKIE_SECURE": False,
    "SESSION_COOKIE_NAME": "session",
    "CSRF_COOKIE_SECURE": False,
    "CSRF_COOKIE_NAME": "csrf",
    "ALLOWED_HOSTS": ["localhost", "testserver"],
    # The quickest: how passwords are hashed is not what is looked at.
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
}


@dataclass
class EfsDoor(LocalDoor):
    """Leads to this machine, where `/efs` is a directory of the test's own."""

    def run(
        self, user: str, cluster: str, script: str, args: Sequence[str | bytes] = (), data: bytes = b"", **_: Any
    ) -> Answer:
        root = os.fsencode(self.home.parents[1])
        there = [os.fsencode(arg) for arg in args]
        there = [root + arg.removeprefix(b"/efs") if arg.startswith(b"/efs") else arg for arg in there]
        answer = super().run(user, cluster, script, there, data)
        return Answer(answer.stdout.replace(root, b"/efs"), answer.stderr.replace(root, b"/efs"), answer.status)


@dataclass(frozen=True, slots=True)
class Portal:
    """Where it is, and what it holds."""

    url: str
    world: World

    def cookie_of(self, person: Person) -> Any:
        """What a browser holds in which this person is signed in."""
        value = browser_of(person).cookies[settings.SESSION_COOKIE_NAME].value
        return {"name": settings.SESSION_COOKIE_NAME, "value": value, "url": self.url}


@contextmanager
def portal_in(directory: Path) -> Iterator[Portal]:
    """A portal that has something of everything, whose database and files lie in this directory."""
    own, ours = connections.settings["default"], connections["default"]
    del connections["default"]
    connections.settings["default"] = {
        **own,
        "NAME": str(directory / "portal.sqlite"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
    efs = directory / "efs"
    door = EfsDoor(efs / "home/chief")
    with pytest.MonkeyPatch.context() as patch, override_settings(**PLAIN):
        # Playwright runs an event loop on this thread, in which Django takes every question to the database for a
        # mistake.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        patch.setattr(places, "get_door", lambda: door)
        patch.setattr(outputs, "get_door", lambda: door)
        # Nobody places jobs here.
        patch.setattr(actions, "wait_for_first_answer", lambda job: job)
        call_command("migrate", verbosity=0)
        world = fill(efs)
        server = LiveServer("localhost")
        try:
            yield Portal(server.url, world)
        finally:
            server.stop()
            connections["default"].close()
            connections.settings["default"] = own
            connections["default"] = ours


def browser_of(person: Person) -> Client:
    """As Django's tests have it: one in which this person is signed in."""
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


def addresses(world: World) -> Iterator[tuple[str, str]]:
    """Every route of the URL map with an address for everything that can stand for its parts."""
    for route in routes_of(PAGES):
        missing = route.missing_samples(world.samples)
        if missing and route.text.startswith("/api/"):
            continue
        assert not missing, f"say in tests/browser/world.py what stands for {', '.join(missing)} in {route.text}"
        candidates = [world.samples.get(f"{route.text}:{part}", world.samples.get(part, ())) for part in route.parts]
        for chosen in itertools.product(*candidates):
            of_route = {f"{route.text}:{part}": value for part, value in zip(route.parts, chosen, strict=True)}
            yield route.text, route.filled(of_route)


def pages(world: World) -> dict[str, list[str]]:
    """By route, the addresses that answer an administrator with a whole page. Fragments are looked at in the pages that
    show them.
    """
    client, found = browser_of(world.administrator), defaultdict(list)
    for route, address in addresses(world):
        answer = client.get(address, secure=True)
        is_page = answer.headers.get("Content-Type", "").startswith("text/html") and b"<!doctype" in answer.content
        assert answer.status_code < 500 or not is_page, f"{address}: {answer.status_code}"
        if is_page and answer.status_code == 200:
            found[route].append(address)
    return found
