"""The API for jobs that were submitted on a cluster itself, and the filters that all lists of jobs share."""

from typing import Any

import pytest
from django.utils import timezone
from tests.site.conftest import Api

from tandem.accounts.models import Person
from tandem.jobs.models import OutsideJob


@pytest.fixture
def make_outside(db: None) -> Any:
    def make(owner: Person, scheduler_id: str, **fields: Any) -> OutsideJob:
        now = timezone.now()
        given = {"name": "from a terminal", "cluster": "cluster1", "state": "RUNNING", "created_at": now}
        return OutsideJob.objects.create(
            owner=owner, scheduler_id=scheduler_id, state_since=now, seen_at=now, **(given | fields)
        )

    return make


def ids(api: Api, query: str = "") -> list[str]:
    answer = api.get(f"/outside-jobs{query}")
    assert answer.status_code == 200, answer.content
    return [row["scheduler_id"] for row in answer.json()["results"]]


def test_one_sees_ones_own_and_an_administrator_all(
    mia: Person, tom: Person, as_mia: Api, as_administrator: Api, make_outside: Any
) -> None:
    make_outside(mia, "1")
    his = make_outside(tom, "2")
    assert ids(as_mia) == ["1"]
    assert ids(as_administrator) == ["2", "1"]
    assert ids(as_administrator, "?owner=tom") == ["2"]
    assert as_mia.get(f"/outside-jobs/{his.pk}").status_code == 404
    assert as_mia.post(f"/outside-jobs/{his.pk}/cancel").status_code == 404
    his.refresh_from_db()
    assert his.cancel_wanted_at is None


def test_it_tells_what_the_scheduler_says(mia: Person, as_mia: Api, make_outside: Any) -> None:
    job = make_outside(mia, "7", queue="long", nodes="n1", scheduler_state="RUNNING")
    told = as_mia.get(f"/outside-jobs/{job.pk}").json()
    assert told["id"] == str(job.pk)
    assert (told["owner"], told["cluster"], told["queue"], told["nodes"]) == ("mia", "cluster1", "long", "n1")
    assert (told["state"], told["cancelling"], told["last_seen_at"]) == ("RUNNING", False, None)


def test_a_cancel_is_recorded_for_who_wished_it(
    mia: Person, root: Person, as_mia: Api, as_administrator: Api, make_outside: Any, is_problem: Any
) -> None:
    job = make_outside(mia, "7")
    assert as_administrator.post(f"/outside-jobs/{job.pk}/cancel").json()["cancelling"] is True
    assert as_mia.post(f"/outside-jobs/{job.pk}/cancel").json()["cancelling"] is True
    job.refresh_from_db()
    assert job.cancel_wanted_by == root
    over = make_outside(mia, "8", state="COMPLETED")
    is_problem(as_mia.post(f"/outside-jobs/{over.pk}/cancel"), 409)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?state=ACTIVE", ["3", "1"]),
        ("?state=COMPLETED&state=PENDING", ["3", "2"]),
        ("?state=completed,pending", ["3", "2"]),
        ("?cluster=cluster2", ["2"]),
        ("?queue=long", ["3"]),
        ("?search=2", ["2"]),
        ("?search=TERMINAL", ["3", "2", "1"]),
        ("?project=any", []),
        ("?since=2026-01-01&until=2026-01-02", []),
    ],
)
def test_the_filters_of_the_page_are_those_of_the_api(
    query: str, found: list[str], mia: Person, as_mia: Api, make_outside: Any
) -> None:
    make_outside(mia, "1")
    make_outside(mia, "2", state="COMPLETED", cluster="cluster2")
    make_outside(mia, "3", state="PENDING", queue="long")
    assert ids(as_mia, query) == found


@pytest.mark.parametrize("path", ["/jobs", "/outside-jobs"])
@pytest.mark.parametrize("query", ["state=NONE", "since=noon", "search=" + "x" * 101, "cluster=" + "x" * 41])
def test_a_filter_that_cannot_be_is_refused_by_its_name(path: str, query: str, as_mia: Api, is_problem: Any) -> None:
    problem = is_problem(as_mia.get(f"{path}?{query}"), 422)
    assert query.partition("=")[0] in str(problem["errors"])
