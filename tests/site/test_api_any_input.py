"""Whatever is sent to whatever address of the schema gets an answer in shape: never a 500, every error a problem."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandem.jobs.submission import Submission
from tandem.site.api import api

HARDLY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | HARDLY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HARDLY_TEXT, inner, max_size=3),
    max_leaves=6,
)
MOMENTS = ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"]
VALUE = HARDLY_TEXT | st.sampled_from(MOMENTS) | st.integers().map(str)
FIELDS = sorted(Submission.model_fields)
SUBMISSION = st.dictionaries(st.sampled_from(FIELDS), ANY_JSON, max_size=5) | st.builds(
    lambda more: {"executable": "/bin/true", **more}, st.dictionaries(st.sampled_from(FIELDS), HARDLY_TEXT, max_size=3)
)
PATHS = api.get_openapi_schema(path_prefix="/api/v1/")["paths"]
OPERATIONS = [(method.upper(), path) for path, methods in PATHS.items() for method in methods]
ENOUGH = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def cursor_at(place: str) -> str:
    """A cursor as the lists give them, of a place that nobody gave."""
    return b64encode(urlencode({"p": place}).encode()).decode()


def queries_for(method: str, path: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Some of the parameters that the schema names for this, some of them twice; and one that nobody knows."""
    known = PATHS[path][method.lower()].get("parameters", [])
    names = [one["name"] for one in known if one["in"] == "query"]
    values = VALUE | VALUE.map(cursor_at)
    return st.lists(st.tuples(st.sampled_from([*names, "unknown"]), values), max_size=len(names) + 1)


def bodies_for(path: str) -> st.SearchStrategy[bytes]:
    """Bodies that are nothing, something, or nearly right."""
    nearly = SUBMISSION if path.endswith("/jobs") else ANY_JSON
    return st.binary(max_size=20) | nearly.map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@ENOUGH
@given(data=st.data())
def test_any_request_gets_an_answer_in_shape(as_administrator, monkeypatch_waiting, method, path, data):
    words = {name: data.draw(HARDLY_TEXT.filter(bool), label=name) for name in _names_in(path)}
    address = path.removeprefix("/api/v1").format(**{name: quote(word, safe="") for name, word in words.items()})
    if query := data.draw(queries_for(method, path), label="query"):
        address += f"?{urlencode(query)}"
    key = data.draw(st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=250))
    headers = {"Idempotency_Key": key} if key is not None else {}
    answer = as_administrator(method, address, data.draw(bodies_for(path), label="body"), **headers)
    # There is no cluster here that could give files.
    assert answer.status_code < 500 or (answer.status_code == 503 and "/files" in path), answer.content
    if answer.status_code >= 400:
        problem = json.loads(answer.content)
        assert answer["Content-Type"] == "application/problem+json"
        assert problem["status"] == answer.status_code
        assert all(isinstance(text, str) for texts in problem.get("errors", {}).values() for text in texts)


@pytest.mark.parametrize("path", ["/jobs", "/outside-jobs"])
@pytest.mark.parametrize("place", [*MOMENTS, "", "\0", "2026-11-22T25:00", "é", "9" * 40])
def test_a_cursor_that_was_never_given_is_refused_or_leads_somewhere(as_administrator, path: str, place: str):
    answer = as_administrator.get(f"{path}?{urlencode({'cursor': cursor_at(place)})}")
    assert answer.status_code in (200, 422), answer.content
    if answer.status_code == 422:
        assert json.loads(answer.content)["errors"]["cursor"]


@ENOUGH
@given(body=SUBMISSION)
def test_what_is_taken_reads_back_as_itself(as_administrator, body: dict[str, Any]):
    answer = as_administrator.post("/jobs", body)
    if answer.status_code == 201:
        kept = as_administrator.get(f"/jobs/{answer.json()['id']}").json()["submission"]
        assert Submission.model_validate(kept).model_dump() == kept


@pytest.fixture
def monkeypatch_waiting(monkeypatch):
    """Nobody answers here, so nobody is waited for."""
    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", lambda job, seconds: job)


def _names_in(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
