"""People, their jobs, clusters, and a door that leads nowhere: it answers what a test told it to."""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.channel import Answer
from tandem.clusters.models import Cluster
from tandem.jobs.models import Event, Job, Spooler


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def person() -> Callable[..., Person]:
    """Makes a person."""

    def make(username: str, **fields: Any) -> Person:
        return Person.objects.create(username=username, uid=2000 + Person.objects.count(), **fields)

    return make


@pytest.fixture
def ada(db: None, person: Callable[..., Person]) -> Person:
    return person("ada")


@pytest.fixture
def bob(db: None, person: Callable[..., Person]) -> Person:
    return person("bob")


@pytest.fixture
def chief(db: None, person: Callable[..., Person]) -> Person:
    return person("chief", is_administrator=True)


@pytest.fixture
def signed_in() -> Callable[[Person], Client]:
    """A browser in which a person is signed in."""

    def make(who: Person) -> Client:
        client = Client(HTTP_SEC_FETCH_SITE="same-origin")
        client.force_login(who)
        return client

    return make


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """Makes a job as `submit_job` would, with its event; fields may be given."""

    def make(owner: Person, name: str = "a job", **fields: Any) -> Job:
        spooler = Spooler.objects.create(owner=owner, name=name)
        given = {
            "application": "job-submission",
            "submission": {"executable": "/bin/true", "cluster": "any", "processors": 1},
            "payload": "#!/bin/bash\n/bin/true\n",
            "state_since": timezone.now(),
            "next_try_at": timezone.now(),
        }
        job = Job.objects.create(owner=owner, spooler=spooler, name=name, **(given | fields))
        Event.objects.create(owner=owner, job=job, kind="job.state", data={"state": str(job.state)})
        return job

    return make


@pytest.fixture
def two_clusters(db: None) -> list[Cluster]:
    """Both up."""
    now = timezone.now()
    return [
        Cluster.objects.create(name=name, zone=zone, state="UP", state_since=now, last_answer_at=now)
        for name, zone in (("cluster1", "zone1"), ("cluster2", "zone2"))
    ]


@dataclass
class FakeDoor:
    """Records what is asked; `answers` are given in turn, the last one again and again; an exception is raised."""

    answers: list[Any] = field(default_factory=list)
    pieces: list[Any] = field(default_factory=list)
    asked: list[tuple[str, str, tuple[str | bytes, ...]]] = field(default_factory=list)

    def run(self, user: str, cluster: str, script: str, args: Any = (), **_: Any) -> Answer:
        self.asked.append((user, cluster, tuple(args)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else Answer(answer, b"", 0)

    async def async_run(self, user: str, cluster: str, script: str, args: Any = (), **_: Any) -> Answer:
        return self.run(user, cluster, script, args)

    async def stream(
        self, user: str, cluster: str, script: str, args: Any = (), deadline: float = 0
    ) -> AsyncIterator[bytes]:
        self.asked.append((user, cluster, tuple(args)))
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


@pytest.fixture
def fake_door(monkeypatch: pytest.MonkeyPatch) -> FakeDoor:
    """Stands in for the door wherever pages and streams use it."""
    door = FakeDoor()
    for module in ("output_stream", "downloads"):
        monkeypatch.setattr(f"tandem.jobs.{module}.get_door", lambda: door)
    return door


@pytest.fixture
def no_job() -> uuid.UUID:
    return uuid.uuid4()
