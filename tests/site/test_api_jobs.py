"""Jobs through the API: recorded once, seen by whom they concern, listed in pages that do not move."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tandem.jobs.models import Event, Job, JobState, Placement, PlacementState, Task

HELLO = {"executable": "/bin/echo", "options": "hello"}


def submit(api, body=None, **headers):
    answer = api.post("/jobs", body or HELLO, **headers)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_submission_is_recorded_and_answered_with_its_address(as_mia, mia):
    answer = as_mia.post("/jobs", {**HELLO, "name": "first", "project": "heat"})
    assert answer.status_code == 201
    job = answer.json()
    assert answer["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["state"], job["owner"], job["name"], job["project"]) == ("ACCEPTED", "mia", "first", "heat")
    assert job["spooler"].startswith("/efs/spoolers/mia/")
    kept = Job.objects.get(pk=job["id"])
    assert kept.owner == mia
    assert kept.submission["executable"] == "/bin/echo"
    assert Event.objects.filter(job=kept).count() == 1
    assert as_mia.get(answer["Location"].removeprefix("/api/v1")).json()["submission"] == kept.submission


def test_a_submission_costs_few_queries(as_mia):
    submit(as_mia)
    with CaptureQueriesContext(connection) as queries:
        submit(as_mia)
    statements = [query["sql"].split()[0] for query in queries]
    # Who is it; then one transaction (a savepoint here, inside the test's own).
    assert statements.count("SELECT") == 1
    assert statements.count("INSERT") == 3
    assert "UPDATE" not in statements


def test_nobody_submits(nobody, is_problem):
    is_problem(nobody.post("/jobs", HELLO), 401)
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "executable"),
        ({**HELLO, "processors": 0}, "processors"),
        ({**HELLO, "processors": "many"}, "processors"),
        ({**HELLO, "memory": "lots"}, "memory"),
        ({**HELLO, "time_limit": "soon"}, "time_limit"),
        ({**HELLO, "array": "9-0"}, "array"),
        ({**HELLO, "owner": "tom"}, "owner"),
        ({**HELLO, "additional_options": "--uid=root"}, "additional_options"),
        ({"script": "#!/bin/sh\n#SBATCH --uid=root\ntrue\n"}, "script"),
    ],
)
def test_what_cannot_be_is_refused_by_field(as_mia, is_problem, body, field):
    problem = is_problem(as_mia.post("/jobs", body), 422)
    assert field in problem["errors"]
    assert not Job.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null"])
def test_a_body_that_is_no_object_is_refused(as_mia, is_problem, body):
    is_problem(as_mia.post("/jobs", body), 422)


def test_a_body_that_is_nested_without_end_is_refused(as_mia, is_problem):
    is_problem(as_mia.post("/jobs", b"[" * 200_000), 400)


def test_the_same_key_and_body_make_one_job(as_mia):
    first = submit(as_mia, Idempotency_Key="k1")
    again = submit(as_mia, Idempotency_Key="k1")
    assert again == first
    assert submit(as_mia, dict(reversed(HELLO.items())), Idempotency_Key="k1")["id"] == first["id"]
    assert submit(as_mia, Idempotency_Key="k2")["id"] != first["id"]
    assert Job.objects.count() == 2


def test_the_same_key_with_another_body_is_refused(as_mia, is_problem):
    submit(as_mia, Idempotency_Key="k1")
    is_problem(as_mia.post("/jobs", {"executable": "/bin/true"}, Idempotency_Key="k1"), 422)
    assert Job.objects.count() == 1


def test_keys_are_each_persons_own_and_exact(as_mia, as_tom):
    ids = {
        submit(as_mia, Idempotency_Key="key")["id"],
        submit(as_tom, Idempotency_Key="key")["id"],
        submit(as_mia, Idempotency_Key="KEY")["id"],
    }
    assert len(ids) == 3


def test_a_key_that_is_too_long_is_refused(as_mia, is_problem):
    problem = is_problem(as_mia.post("/jobs", HELLO, Idempotency_Key="k" * 201), 422)
    assert "Idempotency-Key" in problem["errors"]


def test_a_job_is_seen_by_its_owner_and_administrators_alone(nobody, as_mia, as_tom, as_administrator, is_problem):
    job = submit(as_mia)
    path = f"/jobs/{job['id']}"
    assert as_mia.get(path).json()["id"] == job["id"]
    assert as_administrator.get(path).json()["owner"] == "mia"
    is_problem(as_tom.get(path), 404)
    is_problem(nobody.get(path), 401)
    assert as_tom.get("/jobs").json()["results"] == []
    assert len(as_administrator.get("/jobs").json()["results"]) == 1


@pytest.mark.parametrize("verb", ["cancel", "hold", "release", "requeue"])
def test_a_job_is_changed_by_its_owner_and_administrators_alone(
    nobody, as_mia, as_tom, as_administrator, is_problem, verb
):
    job = submit(as_mia, {**HELLO, "restartable": True})
    if verb == "requeue":
        Job.objects.update(state=JobState.RUNNING)
    path = f"/jobs/{job['id']}/{verb}"
    is_problem(nobody.post(path), 401)
    is_problem(as_tom.post(path), 404)
    assert Event.objects.count() == 1
    assert as_mia.post(path).status_code == 200
    assert as_administrator.post(path).status_code == 200


def test_a_cancelled_job_is_cancelling_until_it_has_ended(as_mia, is_problem):
    job = submit(as_mia)
    assert as_mia.post(f"/jobs/{job['id']}/cancel").json()["cancelling"] is True
    Job.objects.update(state=JobState.CANCELLED)
    assert as_mia.get(f"/jobs/{job['id']}").json()["cancelling"] is False


def test_what_is_over_cannot_be_cancelled_or_held(as_mia, is_problem):
    job = submit(as_mia)
    Job.objects.update(state=JobState.COMPLETED)
    for verb in ("cancel", "hold", "requeue"):
        assert is_problem(as_mia.post(f"/jobs/{job['id']}/{verb}"), 409)["detail"]


def test_a_held_job_says_so(as_mia):
    job = submit(as_mia)
    assert as_mia.post(f"/jobs/{job['id']}/hold").json()["held"] is True
    assert as_mia.post(f"/jobs/{job['id']}/release").json()["held"] is False


def test_a_job_shows_its_placements_and_its_tasks_by_state(as_mia):
    job = submit(as_mia, {**HELLO, "array": "0-2"})
    now = timezone.now()
    row = Job.objects.get()
    Placement.objects.create(
        id=uuid.uuid4(), job=row, cluster="cluster1", state=PlacementState.REFUSED, state_since=now, message="no"
    )
    for index, state in enumerate([JobState.RUNNING, JobState.RUNNING, JobState.COMPLETED]):
        Task.objects.create(job=row, index=index, state=state)
    shown = as_mia.get(f"/jobs/{job['id']}").json()
    assert [(one["cluster"], one["state"], one["message"]) for one in shown["placements"]] == [
        ("cluster1", "REFUSED", "no")
    ]
    assert shown["tasks"] == {"RUNNING": 2, "COMPLETED": 1}


def test_an_arrays_tasks_are_listed_in_pages(as_mia, is_problem):
    job = submit(as_mia, {**HELLO, "array": "0-8:2,20"})
    row = Job.objects.get()
    Task.objects.create(job=row, index=4, state=JobState.FAILED, exit_code=3, reason="exit code 3", attempt=1)
    seen, address = [], f"/jobs/{job['id']}/tasks?page_size=4"
    while address:
        page = as_mia.get(address).json()
        seen += page["results"]
        address = page["next"] and page["next"].removeprefix("/api/v1")
    assert [one["index"] for one in seen] == [0, 2, 4, 6, 8, 20]
    assert [(one["state"], one["exit_code"], one["attempt"]) for one in seen[1:3]] == [
        ("ACCEPTED", None, 0),
        ("FAILED", 3, 1),
    ]
    assert as_mia.get(f"/jobs/{job['id']}").json()["tasks"] == {"ACCEPTED": 5, "FAILED": 1}
    failed = as_mia.get(f"/jobs/{job['id']}/tasks?state=FAILED").json()
    assert ([one["index"] for one in failed["results"]], failed["next"]) == ([4], None)
    is_problem(as_mia.get(f"/jobs/{job['id']}/tasks?state=BROKEN"), 422)


def test_a_job_without_array_has_no_tasks(as_mia, is_problem):
    is_problem(as_mia.get(f"/jobs/{submit(as_mia)['id']}/tasks"), 409)


def test_somebody_elses_tasks_are_not_there(as_mia, as_tom, is_problem):
    is_problem(as_tom.get(f"/jobs/{submit(as_mia, {**HELLO, 'array': '0-1'})['id']}/tasks"), 404)


def test_a_cancel_is_answered_with_what_stands_against_it(as_mia):
    job = submit(as_mia)
    assert as_mia.post(f"/jobs/{job['id']}/cancel").json()["wishes"][0].startswith("Cancelling: ")


def test_jobs_are_filtered_by_state_cluster_project_and_id(as_mia):
    jobs = [submit(as_mia, {**HELLO, "project": project}) for project in ("a", "a", "b")]
    Job.objects.filter(pk=jobs[0]["id"]).update(state=JobState.FAILED, cluster="cluster1")
    Job.objects.filter(pk=jobs[1]["id"]).update(state=JobState.RUNNING, cluster="cluster2")

    def found(query):
        return {job["id"] for job in as_mia.get(f"/jobs?{query}").json()["results"]}

    ids = [job["id"] for job in jobs]
    assert found("state=FAILED") == {ids[0]}
    assert found("state=FAILED&state=RUNNING") == {ids[0], ids[1]}
    assert found("cluster=cluster2") == {ids[1]}
    assert found("project=a") == {ids[0], ids[1]}
    assert found("project=a&state=RUNNING") == {ids[1]}
    for length in (8, 10, 20, 36):
        assert found(f"id={ids[2][:length]}") == {ids[2]}
        assert found(f"id={ids[2][:length].replace('-', '')}") == {ids[2]}


@pytest.mark.parametrize(
    "query", ["state=BROKEN", "page_size=x", "cursor=nonsense", "cursor=cD1ub25zZW5zZQ==", "id=%25"]
)
def test_a_filter_that_is_none_is_refused_by_name(as_mia, is_problem, query):
    problem = is_problem(as_mia.get(f"/jobs?{query}"), 422)
    assert query.split("=")[0] in " ".join(problem["errors"])


def test_pages_show_each_job_once_whatever_is_submitted_meanwhile(as_mia):
    before = {submit(as_mia)["id"] for _ in range(7)}
    # Some at the very same moment: the order must still be one.
    Job.objects.update(created_at=timezone.now() - timedelta(hours=1))
    newest = submit(as_mia)["id"]
    seen, address = [], "/jobs?page_size=3"
    while address:
        page = as_mia.get(address).json()
        seen += [job["id"] for job in page["results"]]
        submit(as_mia)
        address = page["next"] and page["next"].split("/api/v1")[1]
    assert seen[0] == newest
    assert sorted(seen[1:]) == sorted(before)


def test_a_page_costs_the_same_queries_however_many_jobs(as_mia, django_assert_num_queries):
    for _ in range(5):
        submit(as_mia)
    with django_assert_num_queries(4):
        assert len(as_mia.get("/jobs").json()["results"]) == 5


def test_waiting_for_a_cluster_ends_at_its_first_word(as_mia, monkeypatch):
    waited = []

    def answer(job, seconds):
        waited.append(seconds)
        Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, reason="Invalid partition name specified")
        job.refresh_from_db()
        return job

    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", answer)
    answered = as_mia.post("/jobs?wait=2", HELLO)
    assert answered.status_code == 201
    assert answered.json()["reason"] == "Invalid partition name specified"
    assert waited == [2]
    submit(as_mia)
    assert waited == [2], "nobody waits unless asked"


@pytest.mark.parametrize("wait", ["-1", "60", "long"])
def test_waiting_has_its_limits(as_mia, is_problem, wait):
    is_problem(as_mia.post(f"/jobs?wait={wait}", HELLO), 422)
    assert not Job.objects.exists()
