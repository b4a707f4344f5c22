"""What the clusters are doing, as pages show it: from the database alone, however long a cluster has been silent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters import scheduler
from tandem.clusters.models import Cluster
from tandem.monitor import picture
from tandem.monitor.picture import node_lines, picture_of


@pytest.fixture
def pages(db: None, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Somebody's browser; a page that asks a scheduler fails."""
    monkeypatch.setattr(scheduler, "get_scheduler", lambda name: 1 / 0)
    client = Client()
    client.force_login(Person.objects.create(username="ada", uid=2000))
    return client


def node(name: str, condition: str, **fields: Any) -> dict[str, Any]:
    """As a watcher writes it."""
    given = {"queues": ["compute"], "cpus": 4, "cpus_used": 0, "memory": 8000, "memory_used": 0, "load": 0.0}
    about = {"state": "IDLE", "reason": "", "shortage": "", "elastic": True, "since": timezone.now().isoformat()}
    return {"name": name, "condition": condition, **about, **given, **fields}


@pytest.fixture
def make(db: None) -> Callable[..., Cluster]:
    def make(name: str = "cluster1", *nodes: dict[str, Any], **fields: Any) -> Cluster:
        queue = {"name": "compute", "is_default": True, "available": True, "time_limit": 5400, "nodes": len(nodes)}
        queue |= {"cpus_per_node": 4, "memory_per_node": 8000, "jobs_running": 2, "jobs_waiting": 31}
        given = {"zone": "zone-a", "state": "UP", "last_answer_at": timezone.now()}
        return Cluster.objects.create(name=name, **given | {"queues": [queue], "nodes": list(nodes)} | fields)

    return make


def text(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_queues_are_counted_by_what_their_nodes_do(make: Callable[..., Cluster]) -> None:
    cluster = make(
        "cluster1",
        node("dy-1", "busy", cpus_used=3),
        node("dy-2", "idle"),
        node("dy-3", "starting", cpus_used=4),
        node("dy-4", "off"),
        node("dy-5", "off"),
        node("st-1", "busy", queues=["other"], cpus_used=4),
    )
    (queue,) = picture_of(cluster, timezone.now()).queues
    assert [(share.number, share.condition) for share in queue.shares] == [
        (1, "busy"), (1, "idle"), (1, "starting"), (2, "off"),
    ]  # fmt: skip
    assert sum(share.width for share in queue.shares) == pytest.approx(100)
    assert (queue.cpus_used, queue.cpus, queue.most_cpus) == (3, 8, 20), "a node that starts has no CPUs to use yet"


def test_nodes_that_need_a_look_come_first_and_in_the_order_of_their_numbers(make: Callable[..., Cluster]) -> None:
    cluster = make("c", node("dy-10", "off"), node("dy-9", "off"), node("dy-2", "busy"), node("dy-3", "down"))
    assert [line.name for line in node_lines(cluster)] == ["dy-3", "dy-2", "dy-9", "dy-10"]
    assert [line.name for line in node_lines(cluster, condition="off")] == ["dy-9", "dy-10"]
    assert node_lines(cluster, queue="other") == []


def test_what_a_watcher_of_an_earlier_version_wrote_can_be_read(make: Callable[..., Cluster], pages: Client) -> None:
    make(nodes=[{"name": "n1", "state": "IDLE", "queues": ["compute"], "cpus": 4}], queues=[{"name": "compute"}])
    assert "1 unknown" in text(pages.get("/clusters/"))
    assert "n1" in text(pages.get("/clusters/cluster1/"))


def test_zones_show_their_clusters_queues_and_jobs(make: Callable[..., Cluster], pages: Client) -> None:
    make("cluster1", node("dy-1", "busy", cpus_used=3))
    make("cluster2", node("dy-1", "idle"), zone="zone-b", shortages={"compute": {"reason": "NoCapacity"}})
    page = text(pages.get("/clusters/"))
    assert page.index("Zone zone-a") < page.index("cluster1") < page.index("Zone zone-b") < page.index("cluster2")
    assert "1 h 30 min" in page
    assert "3 of 4" in page
    assert ">31<" in page
    assert "The cloud does not provide more: NoCapacity" in page


def test_a_silent_clusters_picture_is_shown_and_marked_as_old(make: Callable[..., Cluster], pages: Client) -> None:
    old = timezone.now() - timedelta(minutes=9)
    make("cluster1", node("dy-1", "busy"), state="DOWN", last_answer_at=old, error="connection refused")
    for address in ("/clusters/", "/clusters/cluster1/"):
        page = text(pages.get(address))
        assert "is-stale" in page
        assert "This is how cluster1 was" in page
        assert "9 min ago" in page
        assert "connection refused" in page
        assert "1 busy" in page


@pytest.mark.parametrize(
    ("fields", "stale"),
    [
        ({}, False),
        ({"state": "RECOVERING"}, False),
        ({"state": "SUSPECT"}, True),
        ({"last_answer_at": None}, True),
        # Its watcher has gone, and nobody has said that it is down.
        ({"last_answer_at": timezone.now() - timedelta(minutes=2)}, True),
    ],
)
def test_what_nobody_has_seen_lately_is_stale(
    make: Callable[..., Cluster], pages: Client, fields: dict[str, Any], stale: bool
) -> None:
    make(**fields)
    assert ("is-stale" in text(pages.get("/clusters/"))) is stale


def test_a_node_that_the_cloud_does_not_provide_says_so(make: Callable[..., Cluster], pages: Client) -> None:
    make("cluster1", node("dy-1", "down", reason="(Code:X)Failure", shortage="InsufficientInstanceCapacity"))
    page = text(pages.get("/clusters/cluster1/"))
    assert "The cloud did not provide it: InsufficientInstanceCapacity" in page


def test_a_look_again_brings_what_changes_and_keeps_what_was_chosen(
    make: Callable[..., Cluster], pages: Client
) -> None:
    make("cluster1", node("dy-1", "busy"), node("dy-2", "off"))
    part = text(pages.get("/clusters/cluster1/?condition=off", headers={"HX-Request": "true", "HX-Trigger": "cluster"}))
    assert "<!doctype" not in part
    assert 'hx-get="/clusters/cluster1/?condition=off"' in part
    assert "dy-2" in part
    assert "dy-1" not in part
    assert "<!doctype" not in text(pages.get("/clusters/", headers={"HX-Request": "true"}))


def test_more_nodes_than_a_page_holds_are_counted(
    make: Callable[..., Cluster], pages: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.monitor.views.MOST_NODES", 2)
    make("cluster1", *(node(f"dy-{number}", "idle") for number in range(5)))
    page = text(pages.get("/clusters/cluster1/"))
    assert "3 more are not shown" in page
    assert page.count("<code>dy-") == 2


def test_a_cluster_that_left_the_file_is_not_shown(make: Callable[..., Cluster], pages: Client) -> None:
    make(present=False)
    assert pages.get("/clusters/cluster1/").status_code == 404
    assert "No clusters yet" in text(pages.get("/clusters/"))


def test_every_condition_has_its_place_in_order_and_bars() -> None:
    assert set(picture.ORDER) == set(picture.IN_BARS) == set(scheduler.NodeCondition)
