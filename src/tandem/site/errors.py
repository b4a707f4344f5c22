"""Pages for what went wrong: what happened, what was kept, what to do; with the request's id and never a secret.

They keep the frame. Only when the database is away is the person left out of it, since nobody can be looked up.
"""

import sys
from dataclasses import dataclass

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from tandem.site.context import frame

logger = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Words:
    """What an error page says."""

    title: str
    happened: str
    kept: str
    to_do: str


BAD_REQUEST = Words(
    "This request cannot be read",
    "The browser sent something that the portal does not understand.",
    "Nothing was changed.",
    "Go back, load the page again and repeat what you did.",
)
FORBIDDEN = Words(
    "This is not yours to see",
    "Your account has no right to this page, or to what you tried to do.",
    "Nothing was changed.",
    "If you need it, ask an administrator of this environment.",
)
CSRF = Words(
    "This page was too old",
    "The form came from a page that was loaded before your last sign-in, or from another site.",
    "Nothing was changed. What you typed is still in the form when you go back.",
    "Go back, load the page again, and send the form once more.",
)
TOO_LARGE = Words(
    "This is too large",
    "What you sent is larger than the portal takes: at most 10 MiB can be uploaded.",
    "Nothing was changed. What you typed is still in the form when you go back.",
    "Copy the file to the cluster, go back, and give its path there instead.",
)
NOT_FOUND = Words(
    "There is nothing here",
    "The address leads nowhere, or to something that belongs to somebody else.",
    "Nothing was changed.",
    "Check the address, or start from the list of your jobs.",
)
SERVER_ERROR = Words(
    "Something went wrong in the portal",
    "The portal failed at answering. The failure is in its log, under the id below.",
    "Jobs that were accepted before are safe; running jobs run on. If you were submitting one, look at your jobs "
    "before you submit it again.",
    "Load the page again. If it happens again, give an administrator the id below.",
)
DATABASE_AWAY = Words(
    "The database does not answer",
    "The portal cannot reach its database at the moment. It tries again with every request.",
    "Jobs that were accepted before are safe; running jobs run on. If you were submitting one just now, look at your "
    "jobs before you submit it again.",
    "Wait a few seconds and load the page again.",
)
DATABASE_READ_ONLY = Words(
    "The database takes no changes at the moment",
    "The portal's database is being moved to another server; until then it can only be read.",
    "What was accepted before is safe. What you just sent was not recorded.",
    "Wait a few seconds and send it again.",
)
DATABASE_BUSY = Words(
    "The database was too busy",
    "Several changes met, and yours had to stand back.",
    "What was accepted before is safe. What you just sent was not recorded.",
    "Send it again.",
)

# MariaDB's and the driver's numbers. All else is a mistake of ours and ends as 500.
_AWAY = {
    0,
    1040,
    1042,
    1043,
    1053,
    1077,
    1152,
    1158,
    1159,
    1160,
    1161,
    1184,
    1203,
    1317,
    1927,
    2002,
    2003,
    2006,
    2013,
    2014,
    2055,
}
_READ_ONLY = {1290, 1792, 1836}
_BUSY = {1205, 1213}


def database_trouble(exc: BaseException | None) -> Words | None:
    """What to say when it was the database that failed the request, or None."""
    if not isinstance(exc, DatabaseError | InterfaceError):
        return None
    number = exc.args[0] if exc.args and isinstance(exc.args[0], int) else None
    text = str(exc).lower()
    if number in _READ_ONLY or "readonly database" in text:
        return DATABASE_READ_ONLY
    if number in _BUSY or "database is locked" in text:
        return DATABASE_BUSY
    if number in _AWAY or isinstance(exc, InterfaceError) or "unable to open database" in text:
        return DATABASE_AWAY
    return None


def drop_connections() -> None:
    """Close this thread's connections: after a move of the database, an old one would lead to the old server."""
    for connection in connections.all(initialized_only=True):
        try:
            connection.close()
        except (OperationalError, InterfaceError):
            logger.info("a database connection was already gone")


def _page(request: HttpRequest, status: int, words: Words, *, with_person: bool = True) -> HttpResponse:
    # A page that may work in a moment can be asked for again; what was sent is sent again by the person alone.
    again = request.get_full_path() if status >= 500 and request.method == "GET" else ""
    context = {"words": words, "status": status, "again": again}
    if request.headers.get("HX-Request"):
        # A fragment that failed must not be put where the fragment was: it becomes a message instead, whole, and the
        # page keeps its address.
        answer = HttpResponse(render_to_string("site/error_toast.html", {**context, **frame(request)}), status=status)
        answer["HX-Retarget"] = "#toasts"
        answer["HX-Reswap"] = "innerHTML"
        answer["HX-Reselect"] = "unset"
        answer["HX-Push-Url"] = "false"
        return answer
    if with_person and hasattr(request, "user"):
        return render(request, "site/error.html", context, status=status)
    # Without the request, and so without the context processors that would ask the database who it is.
    return HttpResponse(render_to_string("site/error.html", {**context, **frame(request)}), status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400"""
    # It may have been the Host header or the cookies that were bad: nothing more is read of this request.
    return _page(request, 400, BAD_REQUEST, with_person=False)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403"""
    return _page(request, 403, FORBIDDEN)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403, because the form's token is missing or old."""
    logger.info("csrf", reason=reason)
    return _page(request, 403, CSRF)


def too_large(request: HttpRequest) -> HttpResponse:
    """413. Who sent it is not looked up."""
    return _page(request, 413, TOO_LARGE, with_person=False)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404"""
    return _page(request, 404, NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """500; or 503, when it was the database that failed. Django calls this while the exception is being handled."""
    words = database_trouble(sys.exc_info()[1])
    if words is None:
        # What failed may have been the look-up of the person: the page does without.
        return _page(request, 500, SERVER_ERROR, with_person=False)
    drop_connections()
    answer = _page(request, 503, words, with_person=False)
    answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer
