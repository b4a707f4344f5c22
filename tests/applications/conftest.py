"""Somebody signed in, and two clusters as their watchers last saw them."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster


@pytest.fixture
def ada(db: None) -> Person:
    return Person.objects.create(username="ada", uid=2000)


@pytest.fixture
def adas(ada: Person) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def queue(name: str, is_default: bool = False) -> dict[str, Any]:
    """As a watcher writes it."""
    return {"name": name, "is_default": is_default, "available": True}


def node(name: str, *queues: str) -> dict[str, Any]:
    """As a watcher writes it."""
    return {"name": name, "state": "idle", "queues": list(queues), "cpus": 4}


@pytest.fixture
def two_clusters(db: None) -> list[Cluster]:
    now = timezone.now()
    seen: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
        "cluster1": (
            [queue("compute", is_default=True), queue("always-on")],
            [node("n10", "compute"), node("n2", "compute"), node("a1", "always-on")],
        ),
        "cluster2": ([queue("compute", is_default=True), queue("gpu")], [node("g1", "gpu"), node("m1", "compute")]),
    }
    return [
        Cluster.objects.create(name=name, zone="z", state="UP", last_answer_at=now, queues=queues, nodes=nodes)
        for name, (queues, nodes) in seen.items()
    ]
