"""What every answer tells browsers to forbid, whatever the answer is."""

from typing import Any

import pytest
from django.test import Client
from tests.routes import PAGES, Route, routes_of

from tandem.accounts.models import Person

SAMPLES = {
    "job_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "token_id": "1",
    "pk": "1",
    "slug": "job-submission",
    "path": "a/b",
}


def filled(route: Route) -> str:
    """The address with something in the place of each of its parts; which one hardly matters here."""
    return route.filled({part: SAMPLES.get(part, "x") for part in route.parts})


EVERYWHERE = sorted({*map(filled, routes_of(PAGES)), "/nowhere", "/api/v1/nowhere", "/static/nowhere"})


def assert_guarded(response: Any) -> None:
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    # Nothing may be loaded from another host.
    assert "http" not in policy
    assert "*" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["X-Request-Id"]


@pytest.mark.parametrize("address", EVERYWHERE)
def test_every_address_is_guarded_for_nobody(db: None, address: str) -> None:
    for method in ("get", "post", "delete"):
        assert_guarded(getattr(Client(raise_request_exception=False), method)(address, secure=True))


@pytest.mark.parametrize("address", EVERYWHERE)
def test_every_address_is_guarded_for_somebody(mia: Person, address: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(mia)
    response = client.get(address, secure=True)
    assert_guarded(response)
    # A page is one person's own: nothing between the portal and the browser keeps it.
    assert "no-store" in response["Cache-Control"]


def test_an_error_is_guarded_too(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.accounts.views.SignInForm", lambda *args: 1 / 0)
    response = Client(raise_request_exception=False).get("/sign-in", secure=True)
    assert response.status_code == 500
    assert_guarded(response)
