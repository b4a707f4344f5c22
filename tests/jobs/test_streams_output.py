"""Output as it grows: each piece read as the person who looks, shown as text, and kept when a cluster falls silent."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse

from tandem.accounts.models import Person
from tandem.clusters.channel import Answer
from tandem.clusters.door import AnswerLost, ClusterRefused, ClusterUnreachable
from tandem.clusters.models import Cluster
from tandem.jobs import event_reader, output_stream
from tandem.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

Event = tuple[str, dict[str, Any], str]
DONE = {"state": "COMPLETED"}


@pytest.fixture(autouse=True)
def served_as_by_uvicorn(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = "tandem.jobs.streams"
    settings.MIDDLEWARE = []
    monkeypatch.setattr(event_reader, "_reader", None)
    monkeypatch.setattr(output_stream, "QUICK", 0.001)
    monkeypatch.setattr(output_stream, "SLOW", 0.001)


def answer(size: int, offset: int, data: bytes, file: int = 7) -> bytes:
    """As the script on the cluster answers."""
    return b"%d %d %d\n" % (size, offset, file) + data


def watch(client: Client, job: Job, query: str = "file=output.txt", most: int = 50, **headers: str) -> list[Event]:
    """The events of the stream, until it ends or `most` of them have come."""

    async def work() -> list[Event]:
        browser = AsyncClient()
        browser.cookies = client.cookies
        address = f"{reverse('job-output', kwargs={'job_id': job.pk})}?{query}"
        response = await browser.get(address, headers=headers)
        assert isinstance(response, StreamingHttpResponse), response.status_code
        events: list[Event] = []
        async with asyncio.timeout(10):
            async for piece in cast(Any, response):
                for block in piece.decode().split("\n\n"):
                    lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                    if "event" in lines:
                        events.append((lines["event"], json.loads(lines["data"]), lines.get("id", "")))
                if len(events) >= most:
                    break
        return events

    return asyncio.run(work())


@pytest.fixture
def adas(ada: Person, signed_in: Callable[[Person], Client]) -> Client:
    return signed_in(ada)


@pytest.mark.usefixtures("two_clusters")
class TestWhileAClusterAnswers:
    def test_output_grows_on_the_page_and_the_stream_ends_with_the_job(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        job = make_job(ada, **DONE)
        fake_door.answers = [answer(20, 0, b"one\n"), answer(20, 4, b"two\n"), answer(9, 8, b"3")]
        events = watch(adas, job)
        assert events == [
            ("text", {"text": "one\n", "size": 20, "skipped": 0}, "4-7"),
            ("text", {"text": "two\n", "size": 20, "skipped": None}, "8-7"),
            ("text", {"text": "3", "size": 9, "skipped": None}, "9-7"),
            ("end", {}, ""),
        ]
        path = job.spooler.path
        assert [asked[2][:4] for asked in fake_door.asked] == [
            (path, b"output.txt", "last", str(output_stream.PIECE)),
            (path, b"output.txt", "from", "4"),
            (path, b"output.txt", "from", "8"),
        ]

    def test_it_is_read_as_the_person_who_looks(
        self,
        ada: Person,
        chief: Person,
        signed_in: Callable[[Person], Client],
        make_job: Callable[..., Job],
        fake_door: Any,
    ) -> None:
        fake_door.answers = [Answer(b"", b"", 13)]
        (event,) = watch(signed_in(chief), make_job(ada, **DONE), most=1)
        assert fake_door.asked[0][0] == "chief"
        assert event[0] == "silent"
        assert "chief may not read this" in event[1]["why"]

    def test_a_connection_that_broke_goes_on_where_it_was(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        fake_door.answers = [answer(9, 8, b"!")]
        events = watch(adas, make_job(ada, **DONE), "file=output.txt&from=2-7", **{"Last-Event-ID": "8-7"})
        assert events[0] == ("text", {"text": "!", "size": 9, "skipped": None}, "9-7")
        assert fake_door.asked[0][2][2:4] == ("from", "8")

    def test_a_long_output_begins_near_its_end(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        fake_door.answers = [answer(10_000_000, 10_000_000 - 4, b"end\n")]
        assert watch(adas, make_job(ada, **DONE))[0][1]["skipped"] == 9_999_996

    def test_a_page_that_fell_far_behind_skips_to_the_end(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        fake_door.answers = [answer(9, 0, b"a"), answer(9_000_000, 1, b"b" * 64), answer(9_000_000, 8_999_999, b"z")]
        events = watch(adas, make_job(ada, **DONE))
        assert [event[1].get("text") for event in events] == ["a", "z", None]
        assert events[1][1]["skipped"] == 8_999_999

    def test_a_file_that_was_written_anew_is_shown_anew(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        fake_door.answers = [answer(9, 0, b"12345"), answer(3, 5, b""), answer(3, 0, b"new")]
        assert watch(adas, make_job(ada, **DONE))[1] == ("text", {"text": "new", "size": 3, "skipped": 0}, "3-7")

    def test_a_later_attempts_file_is_shown_from_its_start_however_long_it_is(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        fake_door.answers = [answer(9, 0, b"first"), answer(7, 5, b"nd", file=8), answer(7, 0, b"the 2nd", file=8)]
        events = watch(adas, make_job(ada, **DONE))
        assert [event[1].get("text") for event in events] == ["first", "the 2nd", None]
        assert events[1][1:] == ({"text": "the 2nd", "size": 7, "skipped": 0}, "7-8")

    def test_a_connection_that_broke_notices_a_later_attempts_file_too(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        fake_door.answers = [answer(7, 5, b"nd", file=8), answer(7, 0, b"the 2nd", file=8)]
        events = watch(adas, make_job(ada, **DONE), "file=output.txt&from=5-7")
        assert events[0][1] == {"text": "the 2nd", "size": 7, "skipped": 0}

    def test_a_letter_cut_in_two_is_shown_whole(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        letter = "é".encode()
        fake_door.answers = [answer(9, 0, b"a" + letter[:1]), answer(3, 1, letter)]
        assert [event[1].get("text") for event in watch(adas, make_job(ada, **DONE))] == ["a", "é", None]

    def test_markup_and_escapes_are_only_text(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        raw = b"\x1b[31m<script>alert(1)</script>\n\nevent: end\n\x00"
        fake_door.answers = [answer(len(raw), 0, raw)]
        events = watch(adas, make_job(ada, **DONE))
        assert [event[0] for event in events] == ["text", "end"]
        assert events[0][1]["text"] == "<script>alert(1)</script>\n\nevent: end\n␀"

    def test_a_job_that_wrote_nothing_just_ends(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        fake_door.answers = [Answer(b"", b"", 2)]
        assert watch(adas, make_job(ada, **DONE)) == [("end", {}, "")]

    @pytest.mark.parametrize("problem", [ClusterUnreachable("no"), AnswerLost("no"), ClusterRefused("no")])
    def test_another_cluster_is_asked_when_the_jobs_own_does_not_answer(
        self, problem: Exception, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        fake_door.answers = [problem, answer(2, 0, b"ok")]
        assert watch(adas, make_job(ada, cluster="cluster2", **DONE))[0][1]["text"] == "ok"
        assert [asked[1] for asked in fake_door.asked] == ["cluster2", "cluster1"]

    def test_silence_is_told_once_and_its_end_too(
        self, ada: Person, adas: Client, make_job: Callable[..., Job], fake_door: Any
    ) -> None:
        silent = ClusterUnreachable("no")
        fake_door.answers = [answer(9, 0, b"a"), silent, silent, silent, silent, answer(2, 1, b"b")]
        events = watch(adas, make_job(ada, **DONE))
        assert [event[0] for event in events] == ["text", "silent", "reading", "text", "end"]
        assert events[1][1] == {"why": "cluster2 does not answer."}


def test_without_any_cluster_the_page_is_told_so(
    ada: Person, adas: Client, two_clusters: list[Cluster], make_job: Callable[..., Job], fake_door: Any
) -> None:
    Cluster.objects.update(state="DOWN")
    assert watch(adas, make_job(ada), most=1) == [("silent", {"why": "no cluster answers at the moment."}, "")]
    assert not fake_door.asked


def status_of(client: Client, job_id: Any, query: str) -> int:
    """How a request for a stream is answered."""

    async def work() -> int:
        browser = AsyncClient()
        browser.cookies = client.cookies
        return (await browser.get(f"{reverse('job-output', kwargs={'job_id': job_id})}?{query}")).status_code

    return asyncio.run(work())


@pytest.mark.parametrize("name", ["", "../../.ssh/id_ed25519", "a.txt", "output.txt/..", "output.x.txt", "-output.txt"])
def test_only_output_files_are_followed(name: str, ada: Person, adas: Client, make_job: Callable[..., Job]) -> None:
    assert status_of(adas, make_job(ada).pk, f"file={name}") == 400


def test_somebody_elses_job_is_not_there(bob: Person, adas: Client, make_job: Callable[..., Job], no_job: Any) -> None:
    assert status_of(adas, make_job(bob).pk, "file=output.txt") == 404
    assert status_of(adas, no_job, "file=output.txt") == 404
