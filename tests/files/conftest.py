"""Somebody with files, and a door that runs the scripts here."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from tests.clusters.conftest import authority, host, own_door, own_host  # noqa: F401
from tests.clusters.conftest import door as real_door  # noqa: F401

from tandem.accounts.models import Person
from tandem.clusters.channel import Answer
from tandem.clusters.models import Cluster
from tandem.files import places


@dataclass
class LocalDoor:
    """Runs the scripts with the shell that runs them there; notes who came through to where."""

    home: Path
    passed: list[tuple[str, str]] = field(default_factory=list)
    silent: dict[str, Exception] = field(default_factory=dict)

    def run(
        self, user: str, cluster: str, script: str, args: Sequence[str | bytes] = (), data: bytes = b"", **_: Any
    ) -> Answer:
        self.passed.append((user, cluster))
        if cluster in self.silent:
            raise self.silent[cluster]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C",
            "DATA_SIZE": str(len(data)),
        }
        command = ["/bin/sh", "-c", script, "sh", *args]
        done = subprocess.run(command, capture_output=True, env=environment, input=data)
        return Answer(done.stdout, done.stderr, done.returncode)


@pytest.fixture
def two_clusters(db: None) -> list[Cluster]:
    now = timezone.now()
    return [
        Cluster.objects.create(name=name, zone=zone, state="UP", state_since=now, last_answer_at=now)
        for name, zone in (("cluster1", "a"), ("cluster2", "b"))
    ]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def door(home: Path, two_clusters: list[Cluster], monkeypatch: pytest.MonkeyPatch) -> LocalDoor:
    door = LocalDoor(home)
    monkeypatch.setattr(places, "get_door", lambda: door)
    return door


@pytest.fixture
def ada(db: None) -> Person:
    return Person.objects.create(username="ada", uid=2000)


@pytest.fixture
def adas(ada: Person) -> Client:
    client = Client(HTTP_SEC_FETCH_SITE="same-origin")
    client.force_login(ada)
    return client
