"""Who asks the API: somebody with a token, or somebody signed in with a session (and CSRF)."""

from datetime import timedelta
from typing import Any, cast

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import AuthenticationError, HttpError
from ninja.security import HttpBearer, SessionAuth

from tandem.accounts.models import Person, Token
from tandem.accounts.tokens import digest

# `last_used_at` is for people who look at their tokens: a write per request would cost more than it tells.
USE_RECORDED_EVERY = timedelta(minutes=1)


# By hand, and only what is needed: every request of a program passes here, and to compile this the ORM takes four times
# as long as the database takes to answer it.
_WHOSE = """
SELECT token.id, token.last_used_at IS NULL OR token.last_used_at < %s,
    person.id, person.username, person.is_administrator
FROM accounts_token token JOIN accounts_person person ON person.id = token.person_id
WHERE token.digest = %s AND token.revoked_at IS NULL AND token.expires_at > %s AND person.is_active
"""


class BearerToken(HttpBearer):
    """`Authorization: Bearer …`. One query; a token that is not good ends the request, session or not."""

    def authenticate(self, request: HttpRequest, token: str) -> Person:
        """The token's owner, with no more than name and rights loaded.

        Raises AuthenticationError for a token that is unknown, expired, revoked or of a disabled person.
        """
        now = timezone.now()
        moment = connection.ops.adapt_datetimefield_value
        with connection.cursor() as cursor:
            cursor.execute(_WHOSE, [moment(now - USE_RECORDED_EVERY), digest(token), moment(now)])
            row = cursor.fetchone()
        if row is None:
            raise AuthenticationError(message="The token is unknown, expired or revoked.")
        token_id, use_is_old, person_id, username, is_administrator = row
        if use_is_old:
            Token.objects.filter(pk=token_id).update(last_used_at=now)
        known = [person_id, username, bool(is_administrator)]
        return Person.from_db(connection.alias, ["id", "username", "is_administrator"], known)


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
