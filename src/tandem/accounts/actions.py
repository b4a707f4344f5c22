"""The verbs that change people and what lets them in. Pages, the API and the worker go through these.

Each writes one line to the log: who was changed and, where somebody asked for it, by whom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from tandem.accounts.models import OneTimeLink, Person, SignIn, Token
from tandem.accounts.names import PersonInvalid, check_new_person, next_free_uid
from tandem.accounts.people_file import PeopleFileRefused, publish_people, published_uids
from tandem.accounts.rights import (
    AccountChangeRefused,
    change_groups,
    check_can_go,
    demote,
    promote,
    tell_clusters,
)
from tandem.accounts.sign_in import forget_old_failures
from tandem.accounts.tokens import TOKEN_START, digest, new_link_secret, new_token

__all__ = [
    "AccountChangeRefused",
    "LinkNotGood",
    "NewLink",
    "PeopleFileRefused",
    "PersonInvalid",
    "add_person",
    "change_groups",
    "create_token",
    "demote",
    "disable",
    "enable",
    "end_sign_in",
    "end_sign_ins",
    "find_link",
    "forget_expired",
    "invite",
    "promote",
    "publish_people",
    "reset",
    "revoke_token",
    "revoke_tokens",
    "set_password",
    "use_link",
]

logger = structlog.get_logger(__name__)

LINK_GOOD_FOR = timedelta(hours=24)
TOKEN_DAYS = 90
TOKEN_DAYS_MOST = 366
TOKENS_MOST = 50
# Two portal nodes may pick the same uid at once; the loser picks again.
UID_TRIES = 10


class LinkNotGood(Exception):
    """A one-time link that is unknown, used, expired, or of a disabled person: which of these is not told."""


@dataclass(frozen=True, slots=True)
class NewLink:
    """A one-time link as it is handed on. The address is not kept anywhere and cannot be shown again."""

    link: OneTimeLink
    url: str


def add_person(
    username: str,
    *,
    uid: int | None = None,
    full_name: str = "",
    email: str = "",
    groups: Sequence[str] = (),
    administrator: bool = False,
    by: Person | None = None,
) -> Person:
    """Add somebody, without a password yet. Without `uid` they get the next free one from 2000 up.

    Raises PersonInvalid. Locks nothing: the unique columns decide between two that are added at once.
    """
    check_new_person(username, uid, groups)
    for _ in range(UID_TRIES):
        person = Person(
            username=username,
            uid=uid if uid is not None else next_free_uid(_uids_in_use()),
            full_name=full_name,
            email=email,
            groups=list(dict.fromkeys(groups)),
            is_administrator=administrator,
        )
        person.set_unusable_password()
        try:
            with transaction.atomic():
                person.save(force_insert=True)
                tell_clusters()
        except IntegrityError:
            # Somebody else was quicker: with the name, which this now says, or with the uid.
            check_new_person(username, uid, groups)
            continue
        logger.info("person added", person=username, uid=person.uid, administrator=administrator, by=_name(by))
        return person
    raise PersonInvalid({"uid": ["No uid could be found: too many people are being added at once. Try again."]})


def _uids_in_use() -> set[int]:
    return set(Person.objects.values_list("uid", flat=True)) | published_uids()


def invite(person: Person, *, by: Person | None = None) -> NewLink:
    """A link with which the person chooses a first password: good once, for 24 hours, and in place of earlier ones."""
    return _new_link(person, "invite", by)


def reset(person: Person, *, by: Person | None = None) -> NewLink:
    """A link with which the person chooses a new password. Until then the old one, and all tokens, are good."""
    return _new_link(person, "reset", by)


def _new_link(person: Person, purpose: str, by: Person | None) -> NewLink:
    """Locks the person's row, so that of two new links one is good."""
    secret = new_link_secret()
    with transaction.atomic():
        locked = Person.objects.select_for_update().get(pk=person.pk)
        if not locked.is_active:
            raise AccountChangeRefused(f"{person} is disabled. Enable the account first.")
        _void_links(locked)
        link = OneTimeLink.objects.create(
            person=locked, digest=digest(secret), purpose=purpose, expires_at=timezone.now() + LINK_GOOD_FOR
        )
    logger.info("one-time link made", person=person.username, purpose=purpose, by=_name(by))
    # Behind `#`, which browsers send to no server: the secret is in no log and in no Referer.
    return NewLink(link, f"{settings.PUBLIC_URL}{reverse('one-time-link')}#{secret}")


def _void_links(person: Person) -> None:
    person.one_time_links.filter(used_at=None).update(used_at=timezone.now())


def find_link(secret: str) -> OneTimeLink:
    """The link with this secret, if it is good now; it stays good. Raises LinkNotGood."""
    link = OneTimeLink.objects.select_related("person").filter(digest=digest(secret)).first()
    if link is None or link.used_at or link.expires_at <= timezone.now() or not link.person.is_active:
        raise LinkNotGood
    return link


def use_link(secret: str, password: str) -> Person:
    """Choose a password with a one-time link, which is used up by it; sign-ins and tokens from before end.

    An administrator gave it: the old password was lost, or somebody else has it, and may have made tokens with it.

    Raises LinkNotGood; ValidationError when the password breaks the rule, and the link stays good then. Locks nothing:
    of two that use it at once, the database lets one mark it as used.
    """
    link = find_link(secret)
    validate_password(password, link.person)
    with transaction.atomic():
        if not OneTimeLink.objects.filter(pk=link.pk, used_at=None).update(used_at=timezone.now()):
            raise LinkNotGood
        set_password(link.person, password)
        revoke_tokens(link.person)
    logger.info("one-time link used", person=link.person.username, purpose=link.purpose)
    return link.person


def set_password(person: Person, password: str, *, keep_sign_in: str | None = None) -> None:
    """Set a password that the person chose; their sign-ins end, except the one whose key is `keep_sign_in`.

    Tokens stay good: programs work with them, and who knows the old password sees and revokes them on the same page.
    Raises ValidationError. Open one-time links are void from now on. Locks the person's row.
    """
    validate_password(password, person)
    with transaction.atomic():
        locked = Person.objects.select_for_update().get(pk=person.pk)
        locked.set_password(password)
        locked.password_chosen_at = timezone.now()
        locked.save(update_fields=["password", "password_chosen_at"])
        end_sign_ins(locked, keep=keep_sign_in)
        _void_links(locked)
    person.password, person.password_chosen_at = locked.password, locked.password_chosen_at
    logger.info("password set", person=person.username)


def end_sign_ins(person: Person, *, keep: str | None = None) -> int:
    """End the person's sign-ins in all browsers, except the one whose key is `keep`; says how many."""
    return SignIn.objects.filter(person=person).exclude(session_key=keep or "").delete()[0]


def revoke_tokens(person: Person) -> None:
    """Make all of the person's tokens good for nothing, from the next request on."""
    person.tokens.filter(revoked_at=None).update(revoked_at=timezone.now())


def end_sign_in(person: Person, handle: str) -> bool:
    """End one of the person's sign-ins, named by its handle; says whether there was one."""
    keys = [sign_in.session_key for sign_in in person.sign_ins.all() if sign_in.handle == handle]
    return bool(SignIn.objects.filter(person=person, session_key__in=keys).delete()[0])


def disable(person: Person, *, by: Person | None = None) -> None:
    """Let the person in no more: sign-ins, tokens and links end now, connections within a minute. Jobs go on.

    Raises AccountChangeRefused for the last administrator and for oneself. Locks all enabled administrators.
    """
    with transaction.atomic():
        check_can_go(person, by)
        Person.objects.filter(pk=person.pk).update(is_active=False)
        end_sign_ins(person)
        revoke_tokens(person)
        _void_links(person)
        tell_clusters()
    person.is_active = False
    logger.info("person disabled", person=person.username, by=_name(by))


def enable(person: Person, *, by: Person | None = None) -> None:
    """Let the person in again, with the password they had; tokens stay revoked."""
    with transaction.atomic():
        Person.objects.filter(pk=person.pk).update(is_active=True)
        tell_clusters()
    person.is_active = True
    logger.info("person enabled", person=person.username, by=_name(by))


def create_token(person: Person, name: str, days: int = TOKEN_DAYS) -> tuple[Token, str]:
    """A new API token and its secret, which cannot be shown again. Raises AccountChangeRefused."""
    if not 1 <= days <= TOKEN_DAYS_MOST:
        raise AccountChangeRefused(f"A token is good for 1 to {TOKEN_DAYS_MOST} days.")
    if Token.objects.usable().filter(person=person).count() >= TOKENS_MOST:
        raise AccountChangeRefused(f"There are {TOKENS_MOST} tokens already: revoke some of them first.")
    secret = new_token()
    token = Token.objects.create(
        person=person,
        name=name.strip()[:80] or "unnamed",
        prefix=secret[: len(TOKEN_START) + 4],
        digest=digest(secret),
        expires_at=timezone.now() + timedelta(days=days),
    )
    logger.info("key for the API made", person=person.username, key_id=token.pk, days=days)
    return token, secret


def revoke_token(token: Token) -> None:
    """Make the token good for nothing, from the next request on."""
    if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        logger.info("key for the API revoked", person=token.person.username, key_id=token.pk)
    token.refresh_from_db()


def forget_expired() -> int:
    """Delete sign-ins, links and failed tries that are past; says how many rows. Called by the worker."""
    now = timezone.now()
    sign_ins = SignIn.objects.filter(expire_date__lt=now).delete()[0]
    past = Q(expires_at__lt=now - LINK_GOOD_FOR) | Q(used_at__lt=now - LINK_GOOD_FOR)
    return sign_ins + OneTimeLink.objects.filter(past).delete()[0] + forget_old_failures()


def _name(person: Person | None) -> str:
    return person.username if person else ""
