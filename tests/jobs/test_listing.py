"""The list of jobs: what is found, page by page, and what changes in it meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs import listing
from tandem.jobs.models import Job, OutsideJob, Placement, PlacementState, new_placement_id


@pytest.fixture
def adas(ada: Person, signed_in: Callable[[Person], Client]) -> Client:
    return signed_in(ada)


@pytest.fixture
def make_outside(db: None) -> Callable[..., OutsideJob]:
    """Makes a job that was submitted on a cluster itself."""

    def make(owner: Person, name: str = "from a terminal", **fields: Any) -> OutsideJob:
        now = timezone.now()
        given = {"cluster": "cluster1", "scheduler_id": "900", "state": "RUNNING", "created_at": now}
        return OutsideJob.objects.create(owner=owner, name=name, state_since=now, seen_at=now, **(given | fields))

    return make


def names(client: Client, **query: object) -> list[str]:
    """Of the jobs on the first page, in their order."""
    return [row.name for row in client.get(reverse("jobs"), query).context["page"].rows]


def all_pages(client: Client, **query: object) -> list[Any]:
    """The rows of every page, one after the other, as a person would go from page to page."""
    rows: list[Any] = []
    while True:
        page = client.get(reverse("jobs"), query).context["page"]
        rows += page.rows
        if not page.next:
            return rows
        query["cursor"] = page.next


def test_pages_neither_skip_nor_repeat_a_job_while_new_ones_come(
    ada: Person, adas: Client, make_job: Any, make_outside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "ROWS_A_PAGE", 3)
    moment = timezone.now()
    made = {make_job(ada, f"job {number}").pk for number in range(8)}
    made |= {make_outside(ada, scheduler_id=str(number), created_at=moment).pk for number in range(5)}
    made |= {make_outside(ada, scheduler_id="5", created_at=moment - timedelta(hours=1)).pk}
    Job.objects.update(created_at=moment)
    seen: list[Any] = []
    query: dict[str, str] = {}
    while True:
        page = adas.get(reverse("jobs"), query).context["page"]
        seen += [row.pk for row in page.rows]
        make_job(ada, "meanwhile")
        if not page.next:
            break
        query["cursor"] = page.next
    assert len(seen) == len(set(seen)) == 14
    assert set(seen) == made


@pytest.mark.parametrize("cursor", ["nonsense", "WyJ4Il0.", ".WyJ4Il0"])
def test_a_cursor_that_was_never_given_is_refused(cursor: str, adas: Client) -> None:
    assert adas.get(reverse("jobs"), {"cursor": cursor}).status_code == 400


def test_jobs_outside_the_portal_are_among_the_others_and_marked(
    ada: Person, bob: Person, adas: Client, make_job: Any, make_outside: Any
) -> None:
    make_job(ada, "older")
    make_outside(ada, "hers")
    make_outside(bob, "his", scheduler_id="901")
    make_job(ada, "newest")
    assert names(adas) == ["newest", "hers", "older"]
    assert adas.get(reverse("jobs")).content.decode().count("outside the portal</span>") == 1
    assert names(adas, via="portal") == ["newest", "older"]
    assert names(adas, via="outside") == ["hers"]


def test_each_filter_leaves_what_it_says(
    ada: Person, adas: Client, make_job: Any, make_outside: Any, two_clusters: list[Cluster]
) -> None:
    long_ago = datetime(2026, 3, 4, 12, tzinfo=UTC)
    make_job(ada, "running", state="RUNNING", cluster="cluster1", queue="long", project="wing")
    make_job(ada, "done", state="COMPLETED", cluster="cluster2", project="tail")
    Job.objects.filter(pk=make_job(ada, "old", state="FAILED", cluster="cluster1").pk).update(created_at=long_ago)
    make_outside(ada, "terminal", cluster="cluster2", queue="long")
    assert names(adas, state="RUNNING") == ["terminal", "running"]
    assert names(adas, state="completed,failed") == ["done", "old"]
    assert names(adas, state="ACTIVE") == ["terminal", "running"]
    assert names(adas, state="ENDED") == ["done", "old"]
    assert names(adas, cluster="cluster2") == ["terminal", "done"]
    assert names(adas, queue="long") == ["terminal", "running"]
    assert names(adas, project="wing") == ["running"]
    assert names(adas, until="2026-03-04") == ["old"]
    assert names(adas, until="2026-03-03") == []
    assert names(adas, since="2026-03-04", until="2026-03-04") == ["old"]
    assert names(adas, since="2026-03-05") == ["terminal", "done", "running"]
    assert names(adas, state="RUNNING", cluster="cluster1", search="run") == ["running"]


def test_the_default_queue_has_the_jobs_that_asked_for_none(
    ada: Person, adas: Client, make_job: Any, two_clusters: list[Cluster]
) -> None:
    Cluster.objects.filter(name="cluster1").update(queues=[{"name": "main", "is_default": True}])
    make_job(ada, "there", cluster="cluster1")
    make_job(ada, "elsewhere", cluster="cluster2")
    make_job(ada, "named", cluster="cluster2", queue="main")
    assert names(adas, queue="main") == ["named", "there"]


def test_an_owner_is_for_administrators_to_choose(
    ada: Person, bob: Person, chief: Person, adas: Client, signed_in: Any, make_job: Any
) -> None:
    make_job(ada, "hers")
    make_job(bob, "his")
    assert names(signed_in(chief), owner="bob") == ["his"]
    assert names(adas, owner="bob") == []
    assert "filter-owner" not in adas.get(reverse("jobs")).content.decode()


@pytest.mark.parametrize("query", ["state=NONE", "since=yesterday", "until=9999-99-99", "via=sideways"])
def test_a_filter_that_cannot_be_is_refused(query: str, adas: Client) -> None:
    assert adas.get(f"{reverse('jobs')}?{query}").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "until=9999-12-31",
        "until=9999-12-31T23:59:59.999999",
        "since=0001-01-01",
        "since=0001-01-01T00:00:00%2B14:00",
        "search=%00",
        "state=,",
        "search=%25_",
    ],
)
def test_what_is_only_strange_is_answered(query: str, adas: Client) -> None:
    assert adas.get(f"{reverse('jobs')}?{query}").status_code == 200


@pytest.mark.parametrize(("words", "found"), [("FLUTTER", {"wing"}), ("in", {"wing", "engine"}), ("%", {"100 %"})])
def test_jobs_are_found_by_name_and_by_project(
    words: str, found: set[str], ada: Person, bob: Person, adas: Client, make_job: Any
) -> None:
    for name, project in (("wing", "flutter 2"), ("engine", ""), ("100 %", "")):
        make_job(ada, name, project=project)
    make_job(bob, "wing of bob", project="flutter 2")
    assert set(names(adas, search=f" {words} ")) == found


def test_jobs_are_found_by_their_id_and_by_the_schedulers(
    ada: Person, bob: Person, adas: Client, make_job: Any, make_outside: Any
) -> None:
    mine, other, his = make_job(ada, "mine"), make_job(ada, "other"), make_job(bob, "his")
    make_outside(ada, "terminal", scheduler_id="4711")
    for job in (mine, his):
        Placement.objects.create(
            id=new_placement_id(job.pk),
            job=job,
            cluster="cluster1",
            scheduler_id="4711",
            state=PlacementState.SUBMITTED,
            state_since=timezone.now(),
        )
    assert names(adas, search=str(other.pk)) == ["other"]
    assert names(adas, search=str(other.pk)[:11].upper()) == ["other"]
    assert names(adas, search=other.pk.hex) == ["other"]
    assert set(names(adas, search="4711")) == {"mine", "terminal"}
    assert set(names(adas, search="4711_3")) == {"mine", "terminal"}
    assert names(adas, search="471") == []


def test_a_search_goes_on_from_page_to_page(
    ada: Person, adas: Client, make_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "ROWS_A_PAGE", 2)
    for number in range(5):
        make_job(ada, f"a&b {number}")
        make_job(ada, "other")
    first = adas.get(reverse("jobs"), {"search": "a&b"})
    assert f"?search=a%26b&amp;cursor={first.context['page'].next}" in first.content.decode()
    assert [row.name for row in all_pages(adas, search="a&b")] == [f"a&b {number}" for number in (4, 3, 2, 1, 0)]


def test_a_search_that_finds_nothing_says_so_and_leads_back(ada: Person, adas: Client, make_job: Any) -> None:
    make_job(ada, "hers")
    page = adas.get(reverse("jobs"), {"search": "<none>"}).content.decode()
    assert "No job found" in page
    assert "&lt;none&gt;" in page
    assert "Show all" in page
    assert "No jobs yet" not in page


def test_what_narrows_the_list_can_be_taken_away_one_by_one(ada: Person, adas: Client, make_job: Any) -> None:
    make_job(ada, "hers")
    page = adas.get(reverse("jobs"), {"state": "RUNNING", "project": "wing"}).content.decode()
    assert 'href="/jobs/?project=wing"' in page
    assert 'href="/jobs/?state=RUNNING"' in page


def test_dashes_alone_are_no_beginning_of_an_id(ada: Person, adas: Client, make_job: Any) -> None:
    make_job(ada, "hers")
    assert names(adas, search="----") == []


def test_rows_are_fetched_by_their_ids_and_only_ones_own(
    ada: Person, bob: Person, adas: Client, make_job: Any, make_outside: Any
) -> None:
    mine, his, outside = make_job(ada, "mine"), make_job(bob, "his"), make_outside(ada, "terminal")
    make_job(ada, "not asked for")
    answer = adas.get(reverse("job-rows"), {"id": [str(mine.pk), str(his.pk), str(outside.pk)]}).content.decode()
    assert f'id="row-{mine.pk}" data-job="{mine.pk}" hx-swap-oob="true"' in answer
    assert f'id="row-{outside.pk}"' in answer
    for word in ("his", "not asked for", "<html"):
        assert word not in answer


@pytest.mark.parametrize("ids", [["nonsense"], ["0" * 32] * 51])
def test_rows_of_nothing_are_refused(ids: list[str], adas: Client) -> None:
    assert adas.get(reverse("job-rows"), {"id": ids}).status_code == 400


def test_newer_jobs_are_counted_and_not_put_in(
    ada: Person, bob: Person, adas: Client, make_job: Any, make_outside: Any
) -> None:
    make_job(ada, "first")
    top = adas.get(reverse("jobs")).context["top"]
    assert adas.get(reverse("jobs-newer"), {"top": top}).content.strip() == b""
    make_job(ada, "second", state="RUNNING")
    make_outside(ada, "third", state="PENDING")
    make_job(bob, "his")
    assert "2 jobs are newer" in adas.get(reverse("jobs-newer"), {"top": top}).content.decode()
    one = adas.get(reverse("jobs-newer"), {"top": top, "state": "RUNNING"}).content.decode()
    assert "1 job is newer" in one
    assert 'href="/jobs/?state=RUNNING"' in one
    assert adas.get(reverse("jobs-newer"), {"top": "noon"}).status_code == 400


@pytest.mark.parametrize("path", ["jobs", "job-rows", "jobs-newer"])
def test_it_costs_the_same_queries_however_many_jobs(
    path: str,
    ada: Person,
    chief: Person,
    signed_in: Any,
    make_job: Any,
    make_outside: Any,
    django_assert_max_num_queries: Any,
) -> None:
    ids = [str(make_job(ada, f"job {number}").pk) for number in range(20)]
    make_outside(ada)
    client = signed_in(chief)
    with django_assert_max_num_queries(11):
        assert client.get(reverse(path), {"id": ids} if path == "job-rows" else {}).status_code == 200
