"""`/api/v1/tokens` (one's own) and `/api/v1/people` (administrators)."""

from datetime import datetime
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Body, Query, Router, Schema
from ninja.errors import AuthenticationError, HttpError
from ninja.pagination import paginate
from pydantic import AfterValidator, Field

from tandem.accounts import actions
from tandem.accounts.authentication import SignedIn, administrator_of, person_of
from tandem.accounts.models import Person, Token
from tandem.accounts.queries import matching
from tandem.accounts.sign_in import check_sign_in
from tandem.api_pages import Pages
from tandem.environment.model import FullName

tokens = Router(tags=["tokens"])
people = Router(tags=["people"])


class TokenOut(Schema):
    """A token without its secret; `prefix` is how the secret begins."""

    id: int
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class NewToken(Schema):
    """What to call the token and how long it is good. Name and password in place of a browser's session."""

    name: str = Field("", max_length=80)
    days: int = Field(actions.TOKEN_DAYS, ge=1, le=actions.TOKEN_DAYS_MOST)
    username: str | None = Field(None, max_length=150)
    password: str | None = Field(None, max_length=4096)


class NewTokenOut(Schema):
    """The secret is shown this once: send it as `Authorization: Bearer …`."""

    token: TokenOut
    secret: str


class PersonOut(Schema):
    """Somebody of the environment: the same name and uid on every cluster."""

    username: str
    uid: int
    full_name: str
    email: str
    groups: list[str]
    administrator: bool = Field(validation_alias="is_administrator")
    enabled: bool = Field(validation_alias="is_active")
    last_sign_in_at: datetime | None = Field(validation_alias="last_login")


def _address(value: str) -> str:
    if value:
        try:
            validate_email(value)
        except ValidationError:
            raise ValueError("is not an e-mail address") from None
    return value


class NewPerson(Schema):
    """Without `uid`: the next free one."""

    username: str = Field(max_length=32)
    uid: int | None = None
    full_name: FullName = ""
    email: Annotated[str, AfterValidator(_address)] = Field("", max_length=254)
    groups: list[str] = Field([], max_length=64)
    administrator: bool = False


class GroupChange(Schema):
    """Groups on the clusters to put somebody into, and to take them out of."""

    add: list[str] = Field([], max_length=64)
    remove: list[str] = Field([], max_length=64)


class LinkOut(Schema):
    """A one-time link. It is shown this once."""

    link: str
    expires_at: datetime


@tokens.get("", response=list[TokenOut], operation_id="list_tokens", summary="List your tokens")
def list_tokens(request: HttpRequest) -> QuerySet[Token]:
    """One's own tokens that are good now."""
    return Token.objects.usable().filter(person=person_of(request)).order_by("-created_at", "-pk")


@tokens.post("", auth=None, response={201: NewTokenOut}, operation_id="create_token", summary="Create a token")
def create_token(request: HttpRequest, body: NewToken) -> dict[str, Any]:
    """A token for whoever signs in here with `username` and `password`, or is signed in with a session (and CSRF).

    A token alone makes no further token: a stolen one would live for ever.
    """
    if body.username is not None or body.password is not None:
        person = check_sign_in(request, body.username or "", body.password or "")
    elif (signed_in := SignedIn()(request)) is not None:
        person = signed_in
    else:
        raise AuthenticationError(message="Send username and password, or sign in with a browser.")
    token, secret = actions.create_token(person, body.name, body.days)
    return {"token": token, "secret": secret}


@tokens.delete("/{int:token_id}", response={204: None}, operation_id="revoke_token", summary="Revoke a token")
def revoke_token(request: HttpRequest, token_id: int) -> None:
    """Make one of one's own tokens good for nothing, from the next request on."""
    actions.revoke_token(get_object_or_404(Token, pk=token_id, person=person_of(request)))


@people.get("", response=list[PersonOut], operation_id="list_people", summary="List people")
@paginate(Pages, ordering=("username",))
def list_people(
    request: HttpRequest,
    search: Annotated[str, Query(max_length=100, description="Part of a name, full name or address.")] = "",
) -> QuerySet[Person]:
    """Everybody, by name. For administrators. `next` is the address of the next page."""
    administrator_of(request)
    return matching(search).order_by("username")


@people.get("/{username}", response=PersonOut, operation_id="show_person", summary="Show a person")
def show_person(request: HttpRequest, username: str) -> Person:
    """Somebody. For administrators."""
    administrator_of(request)
    return _person(username)


@people.post("", response={201: PersonOut}, operation_id="add_person", summary="Add a person")
def add_person(request: HttpRequest, body: Annotated[NewPerson, Body()]) -> Person:
    """Add somebody, without a password yet: invite them next. For administrators."""
    administrator = administrator_of(request)
    return actions.add_person(
        body.username,
        uid=body.uid,
        full_name=body.full_name,
        email=body.email,
        groups=body.groups,
        administrator=body.administrator,
        by=administrator,
    )


@people.post("/{username}/invite", response=LinkOut, operation_id="invite_person", summary="Invite a person")
def invite(request: HttpRequest, username: str) -> dict[str, Any]:
    """A link with which somebody chooses a first password: good once, for 24 hours. For administrators."""
    administrator = administrator_of(request)
    return _link(actions.invite(_person(username), by=administrator))


@people.post("/{username}/reset", response=LinkOut, operation_id="reset_person", summary="Reset a password")
def reset(request: HttpRequest, username: str) -> dict[str, Any]:
    """A link with which somebody chooses a new password: good once, for 24 hours. For administrators.

    Once it is used, their sign-ins end and their tokens are revoked.
    """
    administrator = administrator_of(request)
    return _link(actions.reset(_person(username), by=administrator))


@people.post("/{username}/disable", response=PersonOut, operation_id="disable_person", summary="Disable a person")
def disable(request: HttpRequest, username: str) -> Person:
    """End somebody's sign-ins, tokens and connections, and let them in no more; jobs go on. For administrators."""
    administrator = administrator_of(request)
    person = _person(username)
    actions.disable(person, by=administrator)
    return person


@people.post("/{username}/enable", response=PersonOut, operation_id="enable_person", summary="Enable a person")
def enable(request: HttpRequest, username: str) -> Person:
    """Let somebody in again. For administrators."""
    administrator = administrator_of(request)
    person = _person(username)
    actions.enable(person, by=administrator)
    return person


@people.post("/{username}/groups", response=PersonOut, operation_id="change_groups", summary="Change groups")
def change_groups(request: HttpRequest, username: str, body: GroupChange) -> Person:
    """Put somebody into groups on the clusters, and take them out of others. For administrators."""
    administrator = administrator_of(request)
    person = _person(username)
    actions.change_groups(person, add=body.add, remove=body.remove, by=administrator)
    return person


@people.post("/{username}/promote", response=PersonOut, operation_id="promote_person", summary="Make an administrator")
def promote(request: HttpRequest, username: str) -> Person:
    """Make somebody an administrator. For administrators."""
    administrator = administrator_of(request)
    person = _person(username)
    actions.promote(person, by=administrator)
    return person


@people.post("/{username}/demote", response=PersonOut, operation_id="demote_person", summary="Unmake an administrator")
def demote(request: HttpRequest, username: str) -> Person:
    """Take an administrator's rights away; never one's own, nor the last one's. For administrators."""
    administrator = administrator_of(request)
    person = _person(username)
    actions.demote(person, by=administrator)
    return person


def _person(username: str) -> Person:
    if person := Person.objects.filter(username=username).first():
        return person
    raise HttpError(404, f"There is nobody called {username}.")


def _link(new: actions.NewLink) -> dict[str, Any]:
    return {"link": new.url, "expires_at": new.link.expires_at}
