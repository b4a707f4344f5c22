"""Spoolers through the API: one's own, what may be done to them, and what is refused in words."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from tests.site.conftest import Api

from tandem.jobs.models import Job, JobState, Spooler

HELLO = {"executable": "/bin/echo"}


@pytest.fixture
def made() -> Callable[..., str]:
    """Submits a job that is over at once; its spooler's id."""

    def make(api: Api, name: str = "a study", state: str = JobState.COMPLETED, **fields: Any) -> str:
        job = Job.objects.get(pk=api.post("/jobs", {**HELLO, "name": name}).json()["id"])
        Job.objects.filter(pk=job.pk).update(state=state, sealed_at=timezone.now(), ended_at=timezone.now())
        Spooler.objects.filter(pk=job.spooler_id).update(**fields)
        return str(job.spooler_id)

    return make


def in_days(number: int) -> str:
    return (datetime.now(UTC) + timedelta(days=number)).isoformat()


def test_the_list_has_ones_own_and_pages(as_mia: Api, as_tom: Api, made: Callable[..., str]) -> None:
    ids = [made(as_mia) for _ in range(3)]
    made(as_tom)
    page = as_mia.get("/spoolers?page_size=2").json()
    assert [spooler["id"] for spooler in page["results"]] == ids[:0:-1]
    cursor = page["next"].split("?")[1]
    assert [spooler["id"] for spooler in as_mia.get(f"/spoolers?{cursor}").json()["results"]] == ids[:1]


def test_it_tells_what_becomes_of_one(as_mia: Api, made: Callable[..., str]) -> None:
    until = timezone.now().replace(microsecond=0) + timedelta(days=3)
    seen = as_mia.get(f"/spoolers/{made(as_mia, expires_at=until)}").json()
    assert (seen["name"], seen["owner"], seen["fate"], seen["kept"]) == ("a study", "mia", "expires", False)
    assert seen["path"] == f"/efs/spoolers/mia/{seen['id']}"
    assert datetime.fromisoformat(seen["expires_at"]) == until
    assert [job["state"] for job in seen["jobs"]] == ["COMPLETED"]


def test_what_is_gone_is_listed_when_asked_for(as_mia: Api, made: Callable[..., str]) -> None:
    gone = made(as_mia, removed_at=timezone.now())
    assert as_mia.get("/spoolers").json()["results"] == []
    assert [spooler["id"] for spooler in as_mia.get("/spoolers?files=removed").json()["results"]] == [gone]
    assert as_mia.get(f"/spoolers?id={gone[:6]}").json()["results"][0]["fate"] == "removed"
    assert as_mia.get(f"/spoolers/{gone}").json()["fate"] == "removed"


def test_a_new_name(as_mia: Api, made: Callable[..., str], is_problem: Callable[..., Any]) -> None:
    spooler = made(as_mia)
    assert as_mia("PATCH", f"/spoolers/{spooler}", {"name": "finer"}).json()["name"] == "finer"
    for name in ("", "a\nb", "x" * 201):
        assert "name" in is_problem(as_mia("PATCH", f"/spoolers/{spooler}", {"name": name}), 422)["errors"]


def test_keep_and_extend(as_mia: Api, made: Callable[..., str], is_problem: Callable[..., Any]) -> None:
    spooler = made(as_mia, expires_at=timezone.now() + timedelta(days=3))
    assert as_mia.post(f"/spoolers/{spooler}/keep").json()["fate"] == "kept"
    assert as_mia.post(f"/spoolers/{spooler}/extend", {"expires_at": in_days(9)}).json()["fate"] == "expires"
    is_problem(as_mia.post(f"/spoolers/{spooler}/extend", {"expires_at": in_days(2)}), 409)
    is_problem(as_mia.post(f"/spoolers/{spooler}/extend", {"expires_at": in_days(-2)}), 409)
    for wrong in ("soon", "2027-01-01T00:00:00"):
        is_problem(as_mia.post(f"/spoolers/{spooler}/extend", {"expires_at": wrong}), 422)


def test_a_deletion_is_accepted_once_nothing_runs(
    as_mia: Api, made: Callable[..., str], is_problem: Callable[..., Any]
) -> None:
    spooler, running = made(as_mia), made(as_mia, state=JobState.RUNNING)
    for _ in range(2):
        answer = as_mia.delete(f"/spoolers/{spooler}")
        assert (answer.status_code, answer.json()["fate"]) == (202, "deleting")
    assert "not over" in is_problem(as_mia.delete(f"/spoolers/{running}"), 409)["detail"]


def test_an_administrator_sees_but_does_not_delete(
    as_mia: Api, as_administrator: Api, made: Callable[..., str], is_problem: Callable[..., Any]
) -> None:
    spooler = made(as_mia)
    assert as_administrator.get(f"/spoolers/{spooler}").status_code == 200
    assert as_administrator.post(f"/spoolers/{spooler}/keep").status_code == 200
    is_problem(as_administrator.delete(f"/spoolers/{spooler}"), 409)


def test_the_zip_comes_from_the_process_that_streams(as_mia: Api, made: Callable[..., str]) -> None:
    spooler = made(as_mia)
    answer = as_mia.get(f"/spoolers/{spooler}/zip")
    assert (answer.status_code, answer["Location"]) == (307, f"/streams/spoolers/{spooler}/zip")


def test_the_outputs_of_a_job_whose_files_are_gone_say_so(
    as_mia: Api, made: Callable[..., str], is_problem: Callable[..., Any]
) -> None:
    job = Job.objects.get(spooler=made(as_mia, removed_at=timezone.now()))
    assert "removed" in is_problem(as_mia.get(f"/jobs/{job.pk}/outputs"), 404)["detail"]
    assert "removed" in is_problem(as_mia.get(f"/jobs/{job.pk}/outputs/output.txt"), 404)["detail"]
