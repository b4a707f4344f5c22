"""What goes wrong at a stream's address is told in plain words, with headers that let a browser do nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from tandem.site import stream_settings, stream_urls
from tandem.site.stream_urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500"]


def broken(request: HttpRequest) -> HttpResponse:
    raise ValueError("a secret of the code")


def without_a_database(request: HttpRequest) -> HttpResponse:
    raise OperationalError(2006, "a secret of the database")


urlpatterns = [*stream_urls.urlpatterns, path("broken", broken), path("without-a-database", without_a_database)]


@pytest.fixture
def ask(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    settings.MIDDLEWARE = stream_settings.MIDDLEWARE
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr(stream_urls, "drop_connections", lambda: None)
    return Client(raise_request_exception=False).get


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("/streams/nowhere", {}, 404),
        ("/streams/events", {}, 401),
        ("/streams/events", {"host": "no host"}, 400),
        ("/streams/events", {"origin": "https://elsewhere.example"}, 403),
        ("/broken", {}, 500),
        ("/without-a-database", {}, 503),
    ],
)
def test_a_failure_is_words_that_no_browser_takes_for_a_page(
    ask: Callable[..., Any], db: None, address: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(address, headers=headers)
    assert answer.status_code == status
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert answer["X-Frame-Options"] == "DENY"
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Request-Id"]
    assert ("Retry-After" in answer) == (status == 503)
    words = answer.content.decode()
    assert words.strip()
    assert "secret" not in words
