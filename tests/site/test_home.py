from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs.models import Job, Spooler


@pytest.fixture
def browser(mia: Person) -> Client:
    client = Client()
    client.force_login(mia)
    return client


def job(owner: Person, name: str, state: str = "RUNNING") -> Job:
    spooler = Spooler.objects.create(owner=owner, name=name)
    now = timezone.now()
    return Job.objects.create(
        owner=owner, spooler=spooler, name=name, application="", submission={}, state=state, state_since=now
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


def test_pills_cost_three_queries(browser: Client, django_assert_max_num_queries: Any) -> None:
    """Every open page asks for them every few seconds: the session, the person, the clusters."""
    for number in range(3):
        Cluster.objects.create(name=f"cluster{number}", zone="zone-a")
    with django_assert_max_num_queries(3):
        browser.get("/cluster-pills", secure=True)


def test_the_frame_names_where_one_is(browser: Client) -> None:
    shown = page(browser.get("/jobs/", secure=True))
    current = shown.partition('aria-current="page"')[0].rpartition("<a ")[2]
    assert 'href="/jobs/"' in current
    assert "Skip to the content" in shown
