"""The status page and its API: what administrators see of the environment, and nobody else."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from tandem.accounts.actions import create_token
from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs.models import Followed, Job, Placement, Spooler, new_placement_id
from tandem.operations.leases import REAPER, acquire, lease_names
from tandem.operations.models import Lease
from tandem.operations.status import Status, read_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief() -> Person:
    return Person.objects.create(username="chief", uid=2000, is_administrator=True)


@pytest.fixture
def mia() -> Person:
    return Person.objects.create(username="mia", uid=2001)


@pytest.fixture
def cluster() -> Cluster:
    """One that is up, and whose loops run."""
    now = timezone.now()
    row = Cluster.objects.create(
        name="cluster1", zone="a", state="UP", state_since=now, last_answer_at=now, poll_number=9, answered_poll=9
    )
    Followed.objects.create(cluster="cluster1", poll_number=9)
    for name in lease_names(["cluster1"]):
        assert acquire(name, "portal-a:host:1")
    return row


def signed_in(who: Person) -> Client:
    client = Client()
    client.force_login(who)
    return client


def a_job(owner: Person, **fields: Any) -> Job:
    spooler = Spooler.objects.create(owner=owner, name="<b>wing</b>")
    long_ago = timezone.now() - timedelta(minutes=9)
    given = {"application": "", "submission": {}, "state_since": long_ago, "next_try_at": long_ago, **fields}
    job = Job.objects.create(owner=owner, spooler=spooler, name=spooler.name, **given)
    Job.objects.filter(pk=job.pk).update(created_at=long_ago)
    return job


def attention(*words: str) -> Status:
    status = read_status()
    assert len(status.attention) == len(words), status.attention
    for found, word in zip(status.attention, words, strict=True):
        assert word in found
    return status


def test_nothing_needs_attention_while_all_is_well(cluster: Cluster) -> None:
    status = attention()
    assert [lease.held for lease in status.leases] == [True, True, True]
    assert {lease.node for lease in status.leases} == {"portal-a"}
    assert status.clusters[0].age is not None
    assert status.clusters[0].age < 60


def test_a_reaper_that_nobody_runs_is_told(cluster: Cluster) -> None:
    Lease.objects.filter(pk=REAPER).delete()
    attention("no worker holds reaper")


def test_a_silent_cluster_is_told_with_its_error(cluster: Cluster) -> None:
    Cluster.objects.update(state="DOWN", poll_number=20, error="no route to host")
    assert attention("cluster1 is DOWN: no route to host").clusters[0].unanswered == 11


def test_answers_that_nobody_takes_into_account_are_told(cluster: Cluster) -> None:
    Followed.objects.update(poll_number=2)
    assert attention("7 of its answers").clusters[0].behind == 7


def test_a_cluster_without_nodes_is_told_with_the_clouds_reason(cluster: Cluster) -> None:
    Cluster.objects.update(shortages={"compute": {"reason": "(Code:InsufficientInstanceCapacity)", "node": "n1"}})
    attention("lacks nodes for compute: (Code:InsufficientInstanceCapacity)")


def test_a_lease_that_ran_out_is_nobodys(cluster: Cluster) -> None:
    Lease.objects.filter(name="watch:cluster1").update(expires_at=timezone.now() - timedelta(seconds=1))
    attention("no worker holds watch:cluster1")
    Lease.objects.all().delete()
    attention("no worker holds dispatch:cluster1, reaper, watch:cluster1")


def test_the_job_that_waits_longest_for_a_placement_is_named(cluster: Cluster, mia: Person) -> None:
    job = a_job(mia, place_wanted=0, reason="waits for cluster2, which does not answer")
    a_job(mia, place_wanted=0, hold_wanted=True)
    placed = a_job(mia, place_wanted=0)
    placement = {"job": placed, "cluster": "cluster1", "state": "SUBMITTED", "state_since": timezone.now()}
    Placement.objects.create(id=new_placement_id(placed.pk), **placement)
    status = attention("of mia is not placed: waits for cluster2, which does not answer")
    assert status.unplaced == 1
    assert status.oldest_unplaced is not None
    assert status.oldest_unplaced.id == str(job.pk)


@pytest.mark.parametrize("state", ["DOUBT", "SUBMITTING"])
def test_a_job_of_which_no_cluster_says_that_it_has_it_is_not_placed(state: str, cluster: Cluster, mia: Person) -> None:
    job = a_job(mia, place_wanted=None, reason="cluster1 did not answer when it was handed over")
    placement = {"job": job, "cluster": "cluster1", "state": state, "state_since": job.state_since}
    Placement.objects.create(id=new_placement_id(job.pk), **placement)
    status = attention("of mia is not placed: cluster1 did not answer when it was handed over")
    assert status.unplaced == 1


def test_placements_in_doubt_or_lost_are_counted_for_jobs_that_go_on(cluster: Cluster, mia: Person) -> None:
    going_on, over = a_job(mia, place_wanted=None, state="UNKNOWN"), a_job(mia, place_wanted=None, state="COMPLETED")
    for job, state in ((going_on, "LOST"), (going_on, "DOUBT"), (over, "LOST")):
        placement = {"job": job, "cluster": "cluster1", "state": state, "state_since": timezone.now()}
        Placement.objects.create(id=new_placement_id(job.pk), **placement)
    status = attention("LOST placements")
    assert {count.state.value: count.number for count in status.placements} == {"DOUBT": 1, "LOST": 1}
    assert status.jobs == {"UNKNOWN": 1}


@pytest.mark.parametrize("address", ["/status/", "/api/v1/status"])
def test_it_is_for_administrators_alone(address: str, mia: Person, chief: Person) -> None:
    assert Client().get(address, secure=True).status_code in (302, 401)
    assert signed_in(mia).get(address, secure=True).status_code == 403
    assert signed_in(chief).get(address, secure=True).status_code == 200


def test_a_token_reads_it_as_json(cluster: Cluster, chief: Person) -> None:
    token = create_token(chief, "test")[1]
    answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/status", secure=True)
    found = json.loads(answer.content)
    assert found["attention"] == []
    assert found["clusters"][0]["name"] == "cluster1"
    assert found["database"]["role"] == "writer"
    assert {lease["held"] for lease in found["leases"]} == {True}


def test_the_page_is_linked_for_administrators_only(mia: Person, chief: Person) -> None:
    assert 'href="/status/"' in signed_in(chief).get("/", secure=True).content.decode()
    assert 'href="/status/"' not in signed_in(mia).get("/", secure=True).content.decode()


def test_the_page_has_words_where_there_is_nothing_yet(chief: Person) -> None:
    page = signed_in(chief).get("/status/", secure=True).content.decode()
    for words in ("All is well.", "No cluster is known yet", "No loops yet"):
        assert words in page


def test_the_page_shows_people_s_words_as_text(cluster: Cluster, chief: Person, mia: Person) -> None:
    a_job(mia, place_wanted=0)
    page = signed_in(chief).get("/status/", secure=True).content.decode()
    assert "&lt;b&gt;wing&lt;/b&gt;" in page
    assert "<b>wing" not in page


def test_its_parts_come_alone_when_asked_for_anew(cluster: Cluster, chief: Person) -> None:
    page = signed_in(chief).get("/status/", secure=True, headers={"HX-Request": "true"}).content.decode()
    assert "cluster1" in page
    assert "<html" not in page


def test_it_costs_the_same_queries_however_many_jobs(
    cluster: Cluster, mia: Person, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        a_job(mia, place_wanted=0)
    with django_assert_max_num_queries(14):
        read_status()


def test_without_the_database_it_is_said_and_not_shown(chief: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise DatabaseError(2006, "gone away")

    monkeypatch.setattr("tandem.operations.views.read_status", gone)
    monkeypatch.setattr("tandem.site.errors.drop_connections", lambda: None)
    client = signed_in(chief)
    client.raise_request_exception = False
    answer = client.get("/status/", secure=True)
    assert answer.status_code == 503
    assert "The database does not answer" in answer.content.decode()
