"""What every answer tells browsers to forbid, whatever the answer is."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tandem.accounts.models import Person

SAMPLES = {
    "uuidstr": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "uuid": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "int": "1",
    "slug": "job-submission",
    "path": "a/b",
    "str": "x",
}


def addresses(resolver: Any, start: str = "/") -> Iterator[str]:
    """Every address of the portal, with something in the place of each of its parts."""
    for pattern in resolver.url_patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, start + route)
        elif isinstance(pattern, URLPattern):
            filled = re.sub(r"<(?:(\w+):)?\w+>", lambda part: SAMPLES[part[1] or "str"], route)
            yield start + filled


EVERYWHERE = sorted({*addresses(get_resolver("tandem.site.urls")), "/nowhere", "/api/v1/nowhere", "/static/nowhere"})


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


OPEN_TO_ALL = {"/sign-in", "/link", "/link/use", "/healthz", "/api/v1/docs", "/api/v1/openapi.json"}


@pytest.mark.parametrize("address", EVERYWHERE)
def test_nothing_is_open_to_all_that_is_not_meant_to_be(db: None, address: str) -> None:
    for method in ("get", "post"):
        response = getattr(Client(raise_request_exception=False), method)(address, secure=True)
        if address in OPEN_TO_ALL:
            continue
        if address.startswith("/api/"):
            # The API signs people in by itself, and `POST /tokens` is how.
            assert response.status_code in ((400, 401, 405) if address == "/api/v1/tokens" else (401, 404, 405))
        elif "nowhere" in address:
            assert response.status_code == 404
        else:
            assert (response.status_code, response["Location"].partition("?")[0]) == (302, "/sign-in")


def test_an_error_is_guarded_too(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.accounts.views.SignInForm", lambda *args: 1 / 0)
    response = Client(raise_request_exception=False).get("/sign-in", secure=True)
    assert response.status_code == 500
    assert_guarded(response)
