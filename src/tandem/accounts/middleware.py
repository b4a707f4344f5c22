"""Everything needs a sign-in unless its view says otherwise (`login_not_required`); the API asks for itself."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from tandem.accounts.sessions import SessionStore


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Django's, except where a redirection to a page helps nobody.

    A disabled person is nobody here from the next request on: Django's backend does not return such a user.
    """

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: tuple[Any], view_kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Nothing, when the request may go on."""
        if request.path.startswith("/api/"):
            return None
        refused = super().process_view(request, view_func, view_args, view_kwargs)
        if refused is None and request.user.is_authenticated:
            # Of a database that takes no changes at the moment pages can still be read.
            with suppress(DatabaseError):
                cast(SessionStore, request.session).seen()
        return refused

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        """To the sign-in page; a fragment moves the whole page there, a stream just ends."""
        if request.path.startswith("/streams/"):
            return HttpResponse("Sign in first.", status=401, content_type="text/plain; charset=utf-8")
        if request.headers.get("HX-Request"):
            return HttpResponse(status=204, headers={"HX-Redirect": reverse("sign-in")})
        return super().handle_no_permission(request, view_func)
