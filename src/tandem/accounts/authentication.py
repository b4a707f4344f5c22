"""Who asks the API: somebody with a token, or somebody signed in with a session (and CSRF)."""

from datetime import timedelta
from typing import Any, cast

from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import AuthenticationError, HttpError
from ninja.security import HttpBearer, SessionAuth

from tandem.accounts.models import Person, Token
from tandem.accounts.tokens import digest

# `last_used_at` is for people who look at their tokens: a write per request would cost more than it tells.
USE_RECORDED_EVERY = timedelta(minutes=1)


class BearerToken(HttpBearer):
    """`Authorization: Bearer …`. One query; a token that is not good ends the request, session or not."""

    def authenticate(self, request: HttpRequest, token: str) -> Person:
        """The token's owner. Raises AuthenticationError if it is unknown, expired, revoked or of a disabled person."""
        found = Token.objects.select_related("person").filter(digest=digest(token)).first()
        now = timezone.now()
        if found is None or found.revoked_at or found.expires_at <= now or not found.person.is_active:
            raise AuthenticationError(message="The token is unknown, expired or revoked.")
        if found.last_used_at is None or now - found.last_used_at >= USE_RECORDED_EVERY:
            Token.objects.filter(pk=found.pk).update(last_used_at=now)
        cast(Any, request).token = found
        return found.person


class SignedIn(SessionAuth):
    """The browser's session; what changes something needs the CSRF token as well."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Person | None:
        """The signed-in person, if there is one and the account is enabled."""
        person = request.user
        return person if isinstance(person, Person) and person.is_active else None


def person_of(request: HttpRequest) -> Person:
    """Who was authenticated for this request of the API."""
    return cast(Person, cast(Any, request).auth)


def administrator_of(request: HttpRequest) -> Person:
    """The same, who must be an administrator: 403 otherwise."""
    person = person_of(request)
    if not person.is_administrator:
        raise HttpError(403, "Only administrators may do this.")
    return person
