"""Pages for what went wrong: they say what happened, what was kept, what to do, and never a secret."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from tandem.accounts.models import Person
from tandem.site import errors
from tandem.site.health import PATIENCE, Probe, find_trouble
from tandem.site.urls import handler400, handler403, handler404, handler500  # noqa: F401
from tandem.site.urls import urlpatterns as own

SECRET = "hunter2-Secret!"
raising: Exception = ValueError(SECRET)


def fails(request: HttpRequest) -> None:
    local_secret = SECRET  # noqa: F841 - a traceback with locals would show it
    raise raising


urlpatterns = [*own, path("fails", fails)]


@pytest.fixture
def ask(mia: Person, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask, as somebody signed in, for a page whose view raises this."""

    # The tests' own transaction is on this connection.
    monkeypatch.setattr(errors, "drop_connections", lambda: None)

    def ask(exception: Exception, **headers: str) -> Any:
        monkeypatch.setattr(f"{__name__}.raising", exception)
        client = Client(raise_request_exception=False, headers=headers)
        client.force_login(mia)
        with override_settings(ROOT_URLCONF=__name__):
            return client.get("/fails?token=tandem_abcdefghijkl", secure=True)

    return ask


@pytest.mark.parametrize(
    ("exception", "status", "said"),
    [
        (SuspiciousOperation(SECRET), 400, "cannot be read"),
        (PermissionDenied(SECRET), 403, "not yours to see"),
        (ValueError(SECRET), 500, "went wrong in the portal"),
        (OperationalError(2006, SECRET), 503, "The database does not answer"),
        (InterfaceError(0, SECRET), 503, "The database does not answer"),
        (OperationalError(2013, SECRET), 503, "The database does not answer"),
        (OperationalError(1290, SECRET), 503, "takes no changes"),
        (OperationalError(1836, SECRET), 503, "takes no changes"),
        (OperationalError(1213, SECRET), 503, "too busy"),
        # A mistake of ours in a query is not called an outage.
        (OperationalError(1054, SECRET), 500, "went wrong in the portal"),
    ],
)
def test_a_failure_is_told_in_words_without_its_details(ask: Any, exception: Exception, status: int, said: str) -> None:
    response = ask(exception)
    page = response.content.decode()
    assert response.status_code == status
    assert said in page
    for question in ("What happened", "What was kept", "What to do"):
        assert question in page
    assert response["X-Request-Id"] in page
    assert SECRET not in page
    assert "Traceback" not in page


def test_the_frame_stays_around_an_error(ask: Any) -> None:
    page = ask(PermissionDenied()).content.decode()
    assert 'href="/jobs/"' in page
    assert "mia" in page


def test_nobody_is_looked_up_while_the_database_is_away(ask: Any) -> None:
    page = ask(OperationalError(2006, "gone")).content.decode()
    assert 'href="/jobs/"' in page
    assert "mia" not in page


def test_browsers_are_told_when_to_ask_again(ask: Any) -> None:
    assert int(ask(OperationalError(2006, "gone"))["Retry-After"]) > 0


@pytest.mark.parametrize("already_gone", [False, True])
def test_connections_are_dropped_so_that_the_next_request_finds_the_new_server(
    monkeypatch: pytest.MonkeyPatch, already_gone: bool
) -> None:
    closed = []

    class Connection:
        def close(self) -> None:
            closed.append(self)
            if already_gone:
                raise OperationalError(2006, "gone")

    open_now = [Connection(), Connection()]
    monkeypatch.setattr(errors, "connections", SimpleNamespace(all=lambda initialized_only: open_now))
    try:
        raise OperationalError(2006, "gone")
    except OperationalError:
        assert errors.server_error(RequestFactory().get("/")).status_code == 503
    assert closed == open_now


def test_a_fragment_that_failed_becomes_a_message(ask: Any) -> None:
    response = ask(ValueError(SECRET), **{"HX-Request": "true"})
    assert response["HX-Retarget"] == "#toasts"
    assert (response["HX-Reselect"], response["HX-Push-Url"]) == ("unset", "false")
    page = response.content.decode()
    assert "<html" not in page
    assert response["X-Request-Id"] in page
    assert SECRET not in page


def test_what_may_work_in_a_moment_can_be_asked_for_again(ask: Any) -> None:
    assert "Try again" in ask(OperationalError(2006, "gone")).content.decode()
    assert "Try again" not in ask(PermissionDenied()).content.decode()


def test_a_page_that_is_not_there_keeps_the_frame(mia: Person) -> None:
    client = Client()
    client.force_login(mia)
    response = client.get("/nowhere", secure=True)
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_a_host_that_is_not_ours_is_refused(db: None) -> None:
    response = Client(raise_request_exception=False).get("/sign-in", headers={"Host": "evil.example"}, secure=True)
    assert response.status_code == 400
    assert "evil.example" not in response.content.decode()


def test_the_log_has_the_failure_under_the_same_id_and_without_the_query(
    ask: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ask(ValueError("told to the log only"))
    assert any("told to the log only" in str(record.exc_info) for record in caplog.records if record.exc_info)
    assert "tandem_abcdefghijkl" not in caplog.text


def test_readiness_needs_the_database(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_trouble() == ""
    assert Client().get("/healthz").status_code == 200

    def gone(*_: object) -> None:
        raise OperationalError(2003, SECRET)

    monkeypatch.setattr("tandem.site.health.connection", SimpleNamespace(cursor=gone))
    monkeypatch.setattr("tandem.site.health.drop_connections", lambda: None)
    response = Client().get("/healthz")
    assert response.status_code == 404
    assert "the database does not answer" in response.content.decode()
    assert SECRET not in response.content.decode()


def test_readiness_is_asked_by_address_and_without_tls(db: None) -> None:
    """As a balancer does; it is neither sent to the sign-in nor refused for its host."""
    assert Client().get("/healthz", headers={"Host": "127.0.0.1:8000"}).status_code == 200


def test_readiness_needs_the_nodes_signer(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tandem.site.health.this_node", lambda: SimpleNamespace(signer_socket=tmp_path / "none"))
    response = Client().get("/healthz")
    assert response.status_code == 404
    assert "signer" in response.content.decode()


def test_readiness_is_answered_while_the_database_hangs_and_asks_it_once_at_a_time() -> None:
    """A balancer that gets no answer takes the node for dead, and cuts off what is under way there."""
    gate, looks = threading.Event(), []

    def hang() -> str:
        looks.append(1)
        gate.wait(30)
        return ""

    probe = Probe(hang)
    assert [probe.trouble(0.01) for _ in range(5)] == ["the database or the signer is slow to answer"] * 5
    assert looks == [1]
    gate.set()
    assert probe.trouble(30) == ""


def test_readiness_is_answered_within_the_second_that_the_balancer_waits() -> None:
    assert PATIENCE < 1
