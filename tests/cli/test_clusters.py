"""`tandem cluster …`, over HTTP."""

import pytest
from django.utils import timezone

from tandem.clusters.models import Cluster

QUEUE = {
    "name": "compute", "available": True, "is_default": True, "time_limit": 3600, "nodes": 2, "cpus_per_node": 4,
    "memory_per_node": 7600, "jobs_running": 1, "jobs_waiting": 7,
}  # fmt: skip
NODE = {
    "state": "MIXED", "reason": "", "queues": ["compute"], "cpus": 4, "cpus_used": 3, "memory": 7600,
    "memory_used": 512, "load": 2.5, "condition": "busy", "elastic": True, "since": "2026-11-22T12:00:00+00:00",
}  # fmt: skip
OFF = {"name": "dy-2", "condition": "off", "cpus_used": 0, "load": None, "reason": "gone"}


@pytest.fixture
def clusters(db):
    rows = {"queues": [QUEUE], "nodes": [{**NODE, "name": "dy-1"}, {**NODE, **OFF}]}
    now = timezone.now()
    Cluster.objects.create(name="cluster1", zone="zone-a", state="UP", last_answer_at=now, **rows)
    Cluster.objects.create(name="cluster2", zone="zone-b", state="DOWN", last_answer_at=now, **rows)


def test_clusters_are_listed_with_their_queues(clusters, signed_in, tandem):
    outcome = tandem("cluster", "list")
    line = next(line for line in outcome.stdout.splitlines() if "cluster1" in line)
    for words in ("zone-a", "up", "compute", "1 busy", "3 of 8", " 1 ", " 7"):
        assert words in line, outcome.stdout
    assert "cluster2 does not answer: this is how it was" in outcome.stderr
    assert [one["stale"] for one in tandem("cluster", "list", "--json").json] == [False, True]


def test_a_cluster_is_shown_with_its_nodes(clusters, signed_in, tandem):
    outcome = tandem("cluster", "show", "cluster1")
    assert "dy-1" in outcome.stdout
    assert "3 of 4" in outcome.stdout
    assert "gone" in outcome.stdout
    assert tandem("cluster", "show", "cluster1", "--queue", "none").stdout.count("dy-") == 0
    for name in ("nonesuch", "../people"):
        assert tandem("cluster", "show", name).status == 66
