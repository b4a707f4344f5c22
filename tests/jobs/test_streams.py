"""Live pages: who may open one, and what they are told."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any, cast

import pytest
from django.db import OperationalError
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client
from django.urls import reverse

from tandem.accounts.models import Person
from tandem.jobs import event_reader, server_sent, stream_access, streams
from tandem.jobs.event_reader import Changes, newest_event_id
from tandem.jobs.models import Event, Job
from tandem.jobs.stream_access import Viewer, in_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def served_as_by_uvicorn(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = "tandem.jobs.streams"
    settings.MIDDLEWARE = []
    monkeypatch.setattr(event_reader, "_reader", None)
    monkeypatch.setattr(event_reader, "POLL_SECONDS", 0.01)


def ask(
    client: Client | None, address: str, method: str = "GET", **headers: str
) -> Coroutine[Any, Any, HttpResponseBase]:
    """A request under ASGI, with the cookies of `client`."""
    browser = AsyncClient()
    if client:
        browser.cookies = client.cookies
    return cast(Coroutine[Any, Any, HttpResponseBase], browser.generic(method, address, headers=headers))


async def received(response: HttpResponseBase, wanted: str) -> tuple[dict[str, Any], list[str]]:
    """Reads until an event of the wanted kind comes: its data, and everything that came."""
    assert isinstance(response, StreamingHttpResponse)
    seen: list[str] = []
    async with asyncio.timeout(10):
        async for piece in cast(AsyncIterator[bytes], response.streaming_content):
            seen.append(piece.decode())
            for block in piece.decode().split("\n\n"):
                lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                if lines.get("event") == wanted:
                    return json.loads(lines["data"]), seen
    raise AssertionError(f"no {wanted} in {seen}")


def test_it_tells_the_page_of_a_job_that_the_job_changed(
    ada: Person, make_job: Callable[..., Job], signed_in: Callable[[Person], Client]
) -> None:
    job = make_job(ada)
    since = newest_event_id()
    Event.objects.create(owner=ada, job=job, kind="job.state")

    adas = signed_in(ada)

    async def work() -> None:
        response = await ask(adas, f"{reverse('events')}?job={job.pk}&since={since}")
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/event-stream")
        assert response["Cache-Control"] == "no-store, private"
        data, seen = await received(response, "job")
        assert data == {"jobs": [str(job.pk)]}
        assert seen[0] == "retry: 2000\n\n"

    asyncio.run(work())


def test_it_goes_on_after_the_last_event_that_the_page_has_seen(
    ada: Person, make_job: Callable[..., Job], signed_in: Callable[[Person], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reader, "OVERLAP", 0)
    first, second = make_job(ada), make_job(ada)
    last = Event.objects.get(job=first).pk

    adas = signed_in(ada)

    async def work() -> None:
        response = await ask(adas, f"{reverse('events')}?since=0", **{"Last-Event-ID": str(last)})
        data, seen = await received(response, "jobs")
        assert data == {"jobs": [str(second.pk)]}
        assert f"id: {last + 1}\n" in seen[-1]

    asyncio.run(work())


def test_a_page_is_told_when_more_changed_than_is_named() -> None:
    changes = Changes(7, (uuid.uuid4(),), overflowed=True)
    assert '"more": true' in streams.told(changes, one_job=False)
    assert "more" not in streams.told(replace(changes, overflowed=False), one_job=False)


def test_it_tells_nobody_of_somebody_elses_job(
    ada: Person, bob: Person, make_job: Callable[..., Job], signed_in: Callable[[Person], Client]
) -> None:
    make_job(ada)
    mine = make_job(bob)

    bobs = signed_in(bob)

    async def work() -> None:
        data, _ = await received(await ask(bobs, f"{reverse('events')}?since=0"), "jobs")
        assert data == {"jobs": [str(mine.pk)]}

    asyncio.run(work())


def test_it_keeps_a_quiet_stream_alive(
    ada: Person, signed_in: Callable[[Person], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.01)

    adas = signed_in(ada)

    async def work() -> None:
        response = await ask(adas, reverse("events"))
        assert isinstance(response, StreamingHttpResponse)
        pieces = cast(AsyncIterator[bytes], aiter(response))
        assert [await anext(pieces) for _ in range(3)] == [b"retry: 2000\n\n", b": \n\n", b": \n\n"]

    asyncio.run(work())


@pytest.mark.parametrize("ending", ["disabled", "signed out", "password changed", "administrator no more"])
def test_a_stream_ends_soon_after_its_person_may_no_longer_be_here(
    ending: str, ada: Person, signed_in: Callable[[Person], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.01)
    monkeypatch.setattr(server_sent.Standing.__init__, "__defaults__", (0.0,))
    Person.objects.update(is_administrator=ending == "administrator no more")
    client = signed_in(ada)

    def end() -> None:
        if ending == "disabled":
            Person.objects.update(is_active=False)
        elif ending == "administrator no more":
            Person.objects.update(is_administrator=False)
        elif ending == "signed out":
            client.session.flush()
        else:
            ada.set_password("another-Passw0rd!")
            ada.save()

    async def work() -> None:
        response = await ask(client, reverse("events"))
        assert isinstance(response, StreamingHttpResponse)
        pieces = cast(AsyncIterator[bytes], aiter(response))
        await anext(pieces)
        assert await anext(pieces) == b": \n\n"
        await in_database(end)
        rest = b"".join([piece async for piece in pieces])
        assert b"event: signed-out" in rest

    asyncio.run(work())


def test_who_is_not_signed_in_gets_none(db: None) -> None:
    response = asyncio.run(ask(None, reverse("events")))
    assert response.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_gets_none(
    headers: dict[str, str], ada: Person, signed_in: Callable[[Person], Client]
) -> None:
    assert asyncio.run(ask(signed_in(ada), reverse("events"), **headers)).status_code == 403


def test_our_own_page_is_let_in(ada: Person, signed_in: Callable[[Person], Client]) -> None:
    headers = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert asyncio.run(ask(signed_in(ada), reverse("events"), **headers)).status_code == 200


def test_nothing_but_reading_is_answered(ada: Person, signed_in: Callable[[Person], Client]) -> None:
    assert asyncio.run(ask(signed_in(ada), reverse("events"), "POST")).status_code == 405


def test_a_job_that_is_no_id_is_refused(ada: Person, signed_in: Callable[[Person], Client]) -> None:
    assert asyncio.run(ask(signed_in(ada), f"{reverse('events')}?job=1;drop")).status_code == 400


def test_one_person_cannot_take_every_seat(
    ada: Person, bob: Person, signed_in: Callable[[Person], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "stream_seats", stream_access.Seats(1, "live pages"))

    adas = signed_in(ada)
    bobs = signed_in(bob)

    async def work() -> None:
        response = await ask(adas, reverse("events"))
        assert isinstance(response, StreamingHttpResponse)
        pieces = cast(AsyncIterator[bytes], aiter(response))
        await anext(pieces)
        refused = await ask(adas, reverse("events"))
        assert refused.status_code == 429
        assert refused["Retry-After"]
        assert (await ask(bobs, reverse("events"))).status_code == 200
        await cast(Any, pieces).aclose()
        response.close()

    asyncio.run(work())


def test_a_seat_is_given_back_however_the_stream_ends() -> None:
    seats, viewer = stream_access.Seats(1, "live pages"), Viewer(1, "ada", False, "")
    with pytest.raises(RuntimeError), seats.seat(viewer):
        raise RuntimeError
    with seats.seat(viewer), pytest.raises(stream_access.StreamRefused):
        seats.check(viewer)
    seats.check(viewer)


def test_the_balancer_sees_that_the_process_answers() -> None:
    assert asyncio.run(ask(None, reverse("streams-health"))).status_code == 200


def test_a_database_connection_that_failed_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that still answers and only became read-only: after a failover its name leads elsewhere."""
    closed: list[int] = []
    monkeypatch.setattr(stream_access.connections, "close_all", lambda: closed.append(1))

    def read_only() -> None:
        raise OperationalError(1290, "running with --read-only")

    async def work() -> None:
        with pytest.raises(OperationalError):
            await in_database(read_only)

    asyncio.run(work())
    assert closed == [1]
