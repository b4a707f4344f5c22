from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs.models import Job, OutsideJob, Spooler


@pytest.fixture
def browser(mia: Person) -> Client:
    client = Client()
    client.force_login(mia)
    return client


def job(owner: Person, name: str, state: str = "RUNNING") -> Job:
    spooler = Spooler.objects.create(owner=owner, name=name)
    now = timezone.now()
    over = now if state == "COMPLETED" else None
    return Job.objects.create(
        owner=owner,
        spooler=spooler,
        name=name,
        application="",
        submission={},
        state=state,
        state_since=now,
        ended_at=over,
    )


def page(response: Any) -> str:
    return str(response.content.decode())


def test_a_newcomer_is_offered_the_first_step(browser: Client) -> None:
    shown = page(browser.get("/", secure=True))
    assert "Your jobs will be here" in shown
    assert 'href="/applications/"' in shown


def test_home_shows_ones_own_jobs_only(browser: Client, mia: Person, tom: Person) -> None:
    job(mia, "of-mia")
    job(mia, "over", "COMPLETED")
    job(tom, "of-tom")
    shown = page(browser.get("/", secure=True))
    assert "of-mia" in shown
    assert "Ended lately" in shown
    assert "of-tom" not in shown


def test_home_shows_recent_spoolers_and_every_cluster(browser: Client, mia: Person, tom: Person) -> None:
    for number in range(7):
        job(mia, f"spooler {number}", "COMPLETED")
    job(tom, "of-tom")
    nodes = [{"name": "n1", "cpus": 8, "cpus_used": 3}, {"name": "n2", "cpus": 8, "cpus_used": 8}]
    now = timezone.now()
    Cluster.objects.create(name="cluster1", zone="zone-a", state="UP", last_answer_at=now, nodes=nodes)
    Cluster.objects.create(
        name="cluster2", zone="zone-b", state="DOWN", last_answer_at=now - timedelta(hours=2), nodes=nodes
    )
    Cluster.objects.create(name="cluster9", zone="zone-c", present=False)
    shown = page(browser.get("/", secure=True))
    spoolers = shown.partition("Recent spoolers")[2]
    assert "spooler 6" in spoolers
    assert "spooler 1" not in spoolers
    assert "of-tom" not in shown
    assert "11 of 16 cores in use" in shown
    assert "2 h ago" in shown.partition("home-cluster2")[2]
    assert "11 of 16 cores were in use" in shown.partition("home-cluster2")[2]
    assert "cluster9" not in shown


def test_home_has_what_runs_outside_the_portal_too(browser: Client, mia: Person) -> None:
    now = timezone.now()
    given = {"owner": mia, "cluster": "cluster1", "state_since": now, "created_at": now, "seen_at": now}
    OutsideJob.objects.create(name="terminal", scheduler_id="1", state="RUNNING", **given)
    OutsideJob.objects.create(name="gone by", scheduler_id="2", state="COMPLETED", **given)
    shown = page(browser.get("/", secure=True))
    assert "terminal" in shown
    assert "outside the portal" in shown
    assert "gone by" not in shown


def test_home_offers_no_spooler_whose_files_are_gone(browser: Client, mia: Person) -> None:
    job(mia, "still there", "COMPLETED")
    gone = job(mia, "emptied", "COMPLETED")
    Spooler.objects.filter(pk=gone.spooler_id).update(removed_at=timezone.now())
    spoolers = page(browser.get("/", secure=True)).partition("Recent spoolers")[2]
    assert "still there" in spoolers
    assert "emptied" not in spoolers


def test_home_passes_over_removed_spoolers_without_reading_their_rows(
    browser: Client, mia: Person, django_assert_max_num_queries: Any
) -> None:
    job(mia, "still there", "COMPLETED")
    with django_assert_max_num_queries(10) as asked:
        browser.get("/", secure=True)
    looked_for = [query["sql"] for query in asked.captured_queries if "removed_at" in query["sql"]]
    keys = [query for query in looked_for if '"name"' not in query]
    assert len(keys) == 1, "the index alone says which are shown"
    assert all(" IN (" in query for query in looked_for if query not in keys)


def test_home_costs_the_same_queries_however_much_there_is(
    browser: Client, mia: Person, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        job(mia, f"running {number}")
        job(mia, f"over {number}", "COMPLETED")
    with django_assert_max_num_queries(10):
        browser.get("/", secure=True)


def test_a_name_of_a_job_is_never_markup(browser: Client, mia: Person) -> None:
    job(mia, "<script>alert(1)</script>")
    assert "<script>alert" not in page(browser.get("/", secure=True))


def test_home_is_fetched_anew_without_its_frame(browser: Client, mia: Person) -> None:
    job(mia, "of-mia")
    shown = page(browser.get("/", secure=True, headers={"HX-Request": "true"}))
    assert "of-mia" in shown
    assert "<html" not in shown


@pytest.mark.parametrize(
    ("state", "age", "word", "style"),
    [
        ("UP", 2, "up", "good"),
        # Nobody looks any more: the last word is not repeated as if it were fresh.
        ("UP", 300, "last seen up", "warn"),
        ("SUSPECT", 15, "no answer", "warn"),
        ("DOWN", 600, "down", "bad"),
        ("RECOVERING", 1, "recovering", "warn"),
    ],
)
def test_a_pill_tells_a_clusters_state_and_age(browser: Client, state: str, age: int, word: str, style: str) -> None:
    seen = timezone.now() - timedelta(seconds=age)
    Cluster.objects.create(name="cluster1", zone="zone-a", state=state, last_answer_at=seen)
    shown = page(browser.get("/cluster-pills", secure=True))
    assert f"pill-{style}" in shown
    assert f">{word}<" in shown
    assert "data-ago" in shown


def test_a_cluster_that_is_no_longer_in_the_file_has_no_pill(browser: Client) -> None:
    Cluster.objects.create(name="cluster9", zone="zone-a", state="DOWN", present=False)
    assert "cluster9" not in page(browser.get("/cluster-pills", secure=True))


def test_pills_cost_four_queries(browser: Client, django_assert_max_num_queries: Any) -> None:
    """Every open page asks for them every few seconds: the session, the person, the clusters, what is new."""
    for number in range(3):
        Cluster.objects.create(name=f"cluster{number}", zone="zone-a")
    with django_assert_max_num_queries(4):
        browser.get("/cluster-pills", secure=True)


def test_the_frame_names_where_one_is(browser: Client) -> None:
    shown = page(browser.get("/jobs/", secure=True))
    current = shown.partition('aria-current="page"')[0].rpartition("<a ")[2]
    assert 'href="/jobs/"' in current
    assert "Skip to the content" in shown
