"""Every address of the process that serves streams. Pages are not among them: nothing here asks who is signed in.

What goes wrong is answered in plain words, since no page of the portal can be made here.
"""

import sys

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from tandem.jobs.stream_access import secured
from tandem.site.errors import RETRY_AFTER_SECONDS, database_trouble, drop_connections

urlpatterns = [path("", include("tandem.jobs.streams")), path("", include("tandem.files.streams"))]


def _plain(status: int, words: str) -> HttpResponse:
    return secured(HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8"))


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400"""
    return _plain(400, "This request cannot be read.")


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403"""
    return _plain(403, "This is not yours to see.")


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404"""
    return _plain(404, "There is nothing here.")


def handler500(request: HttpRequest) -> HttpResponse:
    """500; or 503, when it was the database that failed. Django calls this while the exception is being handled."""
    words = database_trouble(sys.exc_info()[1])
    if words is None:
        return _plain(500, "Something went wrong in the portal. The failure is in its log.")
    drop_connections()
    answer = _plain(503, f"{words.title}. {words.to_do}")
    answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer
