"""Clusters through the API: the watch loops' last word, with its age."""

from dataclasses import asdict
from datetime import timedelta

import pytest
from django.utils import timezone

from tandem.clusters.models import Cluster, ClusterState
from tandem.clusters.scheduler import Node, Queue


@pytest.fixture
def clusters(db):
    queue = Queue("compute", True, True, 86_400, 4, 4, 7_600)
    node = Node("c1", "idle", "", ("compute",), 4, 0, 7_600, 0, None)
    now = timezone.now()
    Cluster.objects.create(
        name="cluster1",
        zone="a",
        state=ClusterState.UP,
        state_since=now,
        last_answer_at=now - timedelta(seconds=7),
        queues=[asdict(queue)],
        nodes=[asdict(node)],
    )
    Cluster.objects.create(name="cluster2", zone="b", error="no route to host")
    Cluster.objects.create(name="gone", zone="b", present=False)


def test_the_clusters_are_listed_with_state_age_queues_and_nodes(as_mia, clusters, is_problem):
    first, second = as_mia.get("/clusters").json()
    assert (first["name"], first["state"], second["name"], second["state"]) == ("cluster1", "UP", "cluster2", "DOWN")
    assert 7 <= first["age"] < 60
    assert second["age"] is None
    assert second["error"] == "no route to host"
    assert first["queues"][0]["name"] == "compute"
    assert first["nodes"][0]["cpus"] == 4
    assert as_mia.get("/clusters/cluster1").json()["zone"] == "a"


def test_a_cluster_that_left_the_environment_is_not_there(as_mia, clusters, is_problem):
    is_problem(as_mia.get("/clusters/gone"), 404)


def test_nobody_sees_clusters(nobody, clusters, is_problem):
    is_problem(nobody.get("/clusters"), 401)
    is_problem(nobody.get("/clusters/cluster1"), 401)
