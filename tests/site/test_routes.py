"""Who may do what: every route and method, tried as everybody. What is expected stands in `routes.txt`."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.apps import apps
from django.core.asgi import get_asgi_application
from django.db import connection, transaction
from django.test import AsyncClient, Client
from django.utils import timezone
from tests.routes import PAGES, STREAMS, Route, routes_of

from tandem.accounts.actions import create_token
from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs.models import Job, OutsideJob, Spooler
from tandem.site import stream_settings
from tandem.site.uploading import with_uploads

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROLES = ("nobody", "other", "owner", "administrator")
TABLE = Path(__file__).with_name("routes.txt")
ROUTES = {route.text: route for urlconf in (PAGES, STREAMS) for route in routes_of(urlconf)}
# Stands in what belongs to the owner; nobody else may ever read it.
SECRET = "moonshot"
# A token alone makes no further token: a stolen one would live for ever.
NOT_BY_TOKEN = {("POST", "/api/v1/tokens")}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: the answers in the order of ROLES, and what is sent."""

    method: str
    route: str
    answers: tuple[str, ...]
    body: dict[str, Any]


def read_table() -> dict[tuple[str, str], Row]:
    """The table's lines by route and method."""
    lines = [line for line in TABLE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    rows = []
    for line in lines:
        route, method, *rest = line.split(maxsplit=6)
        answers, body = rest[: len(ROLES)], rest[len(ROLES) :]
        rows.append(Row(method, route, tuple(answers), json.loads(body[0]) if body else {}))
    assert len({(row.route, row.method) for row in rows}) == len(rows), "a line stands there twice"
    return {(row.route, row.method): row for row in rows}


EXPECTED = read_table()


@dataclass(frozen=True, slots=True)
class World:
    """Somebody's things, and those who try to get at them."""

    people: dict[str, Person | None]
    samples: dict[str, object]


@pytest.fixture
def world(mia: Person, tom: Person, root: Person, monkeypatch: pytest.MonkeyPatch) -> World:
    """mia owns one of everything; no cluster answers, so what may be asked of one is answered 503 or says so."""
    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", lambda job, seconds: job)
    now = timezone.now()
    Cluster.objects.create(name="cluster1", zone="zone1", state="DOWN", state_since=now)
    spooler = Spooler.objects.create(owner=mia, name=SECRET)
    job = Job.objects.create(
        owner=mia,
        spooler=spooler,
        name=SECRET,
        project=SECRET,
        application="job-submission",
        array="0-3",
        submission={"executable": f"/efs/{SECRET}", "array": "0-3"},
        payload=f"#!/bin/sh\n/efs/{SECRET}\n",
        state_since=now,
        next_try_at=now,
    )
    outside = OutsideJob.objects.create(
        owner=mia,
        cluster="cluster1",
        scheduler_id="17",
        name=SECRET,
        state="RUNNING",
        state_since=now,
        created_at=now,
        seen_at=now,
    )
    token, _ = create_token(mia, SECRET)
    samples: dict[str, object] = {f"{route}:job_id": outside.pk for route in ROUTES if "outside" in route}
    return World(
        people={"nobody": None, "other": tom, "owner": mia, "administrator": root},
        # What stands for `<uuid:job_id>` and the like.
        samples=samples
        | {
            "job_id": job.pk,
            "spooler_id": spooler.pk,
            "token_id": token.pk,
            "/account/tokens/<int:pk>/revoke:pk": token.pk,
            "username": mia.username,
            "slug": "job-submission",
            "handle": "0123456789abcdef",
            "/clusters/<slug:name>/:name": "cluster1",
            "/api/v1/clusters/<name>:name": "cluster1",
            "/streams/jobs/<uuid:job_id>/files/<any_name:name>:name": "output.txt",
            "path": "output.txt",
        },
    )


def is_open(route: str) -> bool:
    """Whether nobody in particular gets an answer there: then a wrong method is no reason to sign in first."""
    return any(row.answers[0] not in ("sign-in", "401") for (text, _), row in EXPECTED.items() if text == route)


def expected(route: str, method: str, role: str) -> str:
    """What the table says; for a method that is not in it, that there is no such method."""
    if row := EXPECTED.get((route, method)):
        return row.answers[ROLES.index(role)]
    is_page = not route.startswith(("/api/", "/streams/"))
    return "sign-in" if role == "nobody" and is_page and not is_open(route) else "405"


def word_for(response: Any) -> str:
    """An answer as the table writes it."""
    if response.status_code == 302 and response["Location"].partition("?")[0] == "/sign-in":
        return "sign-in"
    return str(response.status_code)


@cache
def _rows_of() -> dict[str, str]:
    """What reads all of a kind, except when somebody was here last. Not by models: this is asked a thousand times."""
    beside = {"accounts.SignIn", "accounts.SignInFailure"}
    queries = {}
    for model in apps.get_models():
        if model.__module__.startswith("tandem.") and model._meta.label not in beside:
            columns = [field.column for field in model._meta.local_fields]
            kept = ", ".join(f'"{name}"' for name in columns if name not in ("last_used_at", "last_login"))
            queries[model._meta.label] = f'SELECT {kept} FROM "{model._meta.db_table}" ORDER BY 1'  # noqa: S608
    return queries


def state() -> dict[str, Any]:
    """All that the database holds, by kind."""
    found = {}
    with connection.cursor() as cursor:
        for label, query in _rows_of().items():
            cursor.execute(query)
            found[label] = cursor.fetchall()
    return found


def changed(before: dict[str, Any]) -> list[str]:
    """What is not as it was."""
    now = state()
    return [label for label in now if now[label] != before[label]]


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside did not happen."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def send(client: Client, route: Route, method: str, world: World, **headers: str) -> Any:
    """One request, with the table's body: a form to a page, JSON to the API."""
    address = route.filled(world.samples)
    row = EXPECTED.get((route.text, method))
    body = row.body if row else {}
    if address.startswith("/api/") and method != "GET":
        data = json.dumps(body).encode()
        return client.generic(method, address, data, "application/json", secure=True, headers=headers)
    return getattr(client, method.lower())(address, body, secure=True, headers=headers)


class Browsers:
    """Browsers in which people are signed in, each once; what one of them does is forgotten by the next."""

    def __init__(self, people: Iterable[Person | None]) -> None:
        self._cookies = {}
        for person in filter(None, people):
            client = Client()
            client.force_login(person)
            self._cookies[person.pk] = client.cookies

    def of(self, person: Person | None, *, csrf: bool = False) -> Client:
        """Somebody's, or nobody's; with `csrf`, what lacks the token is refused."""
        client = Client(raise_request_exception=False, enforce_csrf_checks=csrf)
        if person:
            client.cookies = deepcopy(self._cookies[person.pk])
        return client


def names(urlconf: str) -> list[Any]:
    """The routes of a map as parameters of a test."""
    return [pytest.param(route, id=route.text) for route in routes_of(urlconf)]


def test_the_table_has_every_route_and_no_other(world: World) -> None:
    listed = {route for route, _ in EXPECTED}
    missing = sorted(set(ROUTES) - listed)
    assert not missing, (
        f"No test says who may use these routes. Add a line to {TABLE.name} for each method that each of them takes:\n"
        + "\n".join(f"{route:<58} METHOD  {'  '.join(ROLES)}" for route in missing)
    )
    gone = sorted(listed - set(ROUTES))
    assert not gone, f"These routes are gone. Take their lines out of {TABLE.name}:\n" + "\n".join(gone)
    samples = {route.text: lacking for route in ROUTES.values() if (lacking := route.missing_samples(world.samples))}
    assert not samples, f"Say in the samples of `world` ({Path(__file__).name}) what stands for: {samples}"


@pytest.mark.parametrize("route", names(PAGES))
def test_a_page_or_the_api_answers_everybody_as_the_table_says(route: Route, world: World) -> None:
    is_api = route.text.startswith("/api/")
    browsers = Browsers(world.people.values())
    before = state()
    wrong = []
    for method in METHODS:
        for role in ROLES:
            person, wanted = world.people[role], expected(route.text, method, role)
            with undone():
                response = send(browsers.of(person), route, method, world)
                if (got := word_for(response)) != wanted:
                    wrong.append(f"{method} by {role}: {got} instead of {wanted}")
                if method == "GET" or got in {"sign-in", "401", "403", "404", "405"}:
                    assert not changed(before), f"{method} by {role} ({got}) changed something"
                if role in ("nobody", "other"):
                    assert SECRET.encode() not in response.content, f"{method} shows {role} what is not theirs"
            if is_api and person and (method, route.text) not in NOT_BY_TOKEN:
                with undone():
                    bearer = f"Bearer {create_token(person, 'test')[1]}"
                    got = word_for(send(browsers.of(None), route, method, world, Authorization=bearer))
                if got != wanted:
                    wrong.append(f"{method} by {role} with a token: {got} instead of {wanted}")
    assert not wrong, f"{route.text} does not answer as {TABLE.name} says:\n" + "\n".join(wrong)


CHANGING = sorted(key for key in EXPECTED if key[1] != "GET" and key[0] in ROUTES and ROUTES[key[0]].urlconf == PAGES)


@pytest.mark.parametrize(("route", "method"), [pytest.param(*key, id=" ".join(key)) for key in CHANGING])
def test_what_changes_something_is_refused_to_another_sites_page(route: str, method: str, world: World) -> None:
    """A session alone is not enough: a page elsewhere could use it, too."""
    browsers = Browsers(world.people.values())
    before = state()
    for role in ROLES[1:]:
        response = send(browsers.of(world.people[role], csrf=True), ROUTES[route], method, world)
        assert response.status_code == 403, f"{method} {route} by {role} without CSRF token: {response.status_code}"
        assert not changed(before)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", names(STREAMS))
def test_a_stream_answers_everybody_as_the_table_says(
    route: Route, world: World, as_by_uvicorn: Callable[..., Any]
) -> None:
    wrong = []
    for method in METHODS:
        for role in ROLES:
            wanted = expected(route.text, method, role)
            got = as_by_uvicorn(world.people[role], route, method, world)
            if got != wanted:
                wrong.append(f"{method} by {role}: {got} instead of {wanted}")
            # Of a session alone another site's page could make use.
            told = wanted if wanted == "405" or is_open(route.text) else "403"
            got = as_by_uvicorn(world.people[role], route, method, world, **{"Sec-Fetch-Site": "cross-site"})
            if got != told:
                wrong.append(f"{method} by {role} from another site's page: {got} instead of {told}")
    assert not wrong, f"{route.text} does not answer as {TABLE.name} says:\n" + "\n".join(wrong)


@pytest.fixture
def as_by_uvicorn(settings: Any) -> Callable[..., str]:
    """One request to the process that serves streams; the stream itself is not read."""
    settings.ROOT_URLCONF = stream_settings.ROOT_URLCONF
    settings.MIDDLEWARE = stream_settings.MIDDLEWARE

    def ask(person: Person | None, route: Route, method: str, world: World, **headers: str) -> str:
        browser = AsyncClient(raise_request_exception=False)
        browser.cookies = Browsers([person]).of(person).cookies
        row = EXPECTED.get((route.text, method))
        address = route.filled(world.samples)

        async def once() -> str:
            body = row.body if row else {}
            if row and method == "PUT":
                return await sent(address, body, headers, browser.cookies)
            answer = await getattr(browser, method.lower())(address, body, headers=headers)
            answer.close()
            return word_for(answer)

        return asyncio.run(once())

    async def sent(address: str, where: Any, headers: Any, cookies: Any) -> str:
        """A file, which is taken before Django sees the request."""
        transport = httpx.ASGITransport(app=with_uploads(get_asgi_application()))
        held = {name: morsel.value for name, morsel in cookies.items()}
        async with httpx.AsyncClient(transport=transport, base_url="https://testserver", cookies=held) as browser:
            return word_for(await browser.put(address, params=where, headers=headers, content=b"x"))

    return ask
