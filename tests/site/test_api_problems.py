"""Every error of the API has the one shape, whoever noticed it."""

import json

import pytest
from django.db import InterfaceError, OperationalError

from tandem.clusters.errors import AnswerLost, ClusterRefused, ClusterUnreachable


@pytest.mark.parametrize("path", ["/nowhere", "/jobs/not-a-uuid", "/people/tom/explode", "/", "/jobs/"])
def test_unknown_addresses(nobody, as_mia, is_problem, path):
    is_problem(nobody.get(path), 404)
    is_problem(as_mia.get(path), 404)


def test_an_unknown_address_outside_the_version(client, is_problem):
    is_problem(client.get("/api/v2/jobs", secure=True), 404)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/jobs"), ("PUT", "/tokens"), ("POST", "/clusters")])
def test_methods_that_are_not_there_name_those_that_are(as_mia, is_problem, method, path):
    refused = as_mia(method, path)
    is_problem(refused, 405)
    assert refused["Allow"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1, 2"])
def test_a_body_that_is_no_json(nobody, as_mia, is_problem, body):
    is_problem(nobody.post("/tokens", body), 400)
    is_problem(as_mia.post("/jobs", body), 400)


def test_a_body_that_is_too_big(as_mia, is_problem, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    is_problem(as_mia.post("/jobs", {"executable": "x" * 2000}), 413)


def test_a_field_that_is_not_valid_is_named(nobody, is_problem):
    problem = is_problem(nobody.post("/tokens", {"days": "many", "name": ["x"]}), 422)
    assert set(problem["errors"]) == {"days", "name"}


def test_an_unknown_host_gets_a_problem_too(client, is_problem):
    is_problem(client.get("/api/v1/clusters", secure=True, headers={"Host": "evil.example"}), 400)


@pytest.mark.parametrize("error", [OperationalError(2006, "gone"), InterfaceError(0, "")])
def test_a_database_that_is_away_is_a_503_to_be_repeated(as_mia, is_problem, monkeypatch, error):
    def fail(*args):
        raise error

    dropped = []
    monkeypatch.setattr("tandem.site.problems.drop_connections", lambda: dropped.append(True))
    monkeypatch.setattr("tandem.accounts.authentication.digest", fail)
    away = as_mia.get("/clusters")
    is_problem(away, 503)
    assert int(away["Retry-After"]) > 0
    assert dropped, "an old connection would lead to the old server"


def test_a_mistake_of_ours_is_a_500_that_tells_nothing(as_mia, is_problem, monkeypatch):
    def fail(*args):
        raise RuntimeError("the secret word")

    monkeypatch.setattr("tandem.accounts.authentication.digest", fail)
    failed = as_mia.get("/clusters")
    is_problem(failed, 500)
    assert b"secret" not in failed.content


@pytest.mark.parametrize(
    ("error", "status"),
    [(ClusterUnreachable("cluster1 does not answer"), 503), (AnswerLost("lost"), 503), (ClusterRefused("no"), 502)],
)
def test_clusters_that_do_not_answer_or_refuse(as_mia, is_problem, monkeypatch, error, status):
    def fail(*args):
        raise error

    monkeypatch.setattr("tandem.accounts.authentication.digest", fail)
    is_problem(as_mia.get("/clusters"), status)


def test_the_schema_and_its_page_are_readable_without_signing_in(nobody, client):
    schema = json.loads(nobody.get("/openapi.json").content)
    assert schema["openapi"].startswith("3.")
    assert "/api/v1/jobs" in schema["paths"]
    page = client.get("/api/v1/docs", secure=True)
    assert page.status_code == 200
    for path in schema["paths"]:
        assert path in page.content.decode()


def test_the_schemas_page_shows_code_as_code(client):
    page = client.get("/api/v1/docs", secure=True).content.decode()
    assert "`" not in page
    assert "<code>Tandem-File</code>" in page


def test_the_schemas_page_asks_no_other_host_for_anything(client):
    page = client.get("/api/v1/docs", secure=True).content.decode()
    assert 'src="http' not in page
    assert 'src="//' not in page
    assert "<script>" not in page
    assert "style=" not in page


def test_a_database_that_fails_before_the_api_is_reached_gets_a_problem_too(client, is_problem, monkeypatch):
    def gone(*_):
        raise OperationalError(2006, "gone")

    monkeypatch.setattr("tandem.accounts.middleware.SignInRequiredMiddleware.process_view", gone)
    monkeypatch.setattr("tandem.site.errors.drop_connections", lambda: None)
    client.raise_request_exception = False
    answer = client.get("/api/v1/jobs", secure=True)
    assert "Try again" in is_problem(answer, 503)["detail"]
    assert int(answer["Retry-After"]) > 0
