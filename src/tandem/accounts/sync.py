"""People of the environment file into the database: run when an environment is brought up or its file has changed."""

from dataclasses import dataclass, field

import structlog
from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from tandem.accounts.models import Person
from tandem.environment import Administrator, Environment, User

logger = structlog.get_logger(__name__)


class SyncRefused(Exception):
    """The file contradicts what the clusters already know of somebody; nothing was changed."""


@dataclass(slots=True)
class Synced:
    """What was done."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    administrator_password_set: bool = False


def sync_people(environment: Environment, administrator_password: str | None = None) -> Synced:
    """Add and update everybody whom the file names; who was added in the portal stays as they are.

    Nobody is enabled, disabled or removed by it. The administrator's password is set unless that person has chosen
    one. Raises SyncRefused, ValidationError (password). One transaction; locks the rows of the people of the file.
    """
    done = Synced()
    with transaction.atomic():
        administrator = _sync(environment.administrator, done, groups=[])
        for user in environment.users:
            _sync(user, done, groups=user.groups)
        if administrator_password is not None and administrator.password_chosen_at is None:
            done.administrator_password_set = _set_first_password(administrator, administrator_password)
    logger.info("people of the environment file taken over", added=done.added, changed=done.changed)
    return done


def _sync(wanted: Administrator | User, done: Synced, groups: list[str]) -> Person:
    person = Person.objects.select_for_update().filter(username=wanted.name).first()
    if person is None:
        if other := Person.objects.filter(uid=wanted.uid).first():
            raise SyncRefused(f"{wanted.name} has the uid {wanted.uid}, which belongs to {other}.")
        person = Person(username=wanted.name, uid=wanted.uid)
        person.set_unusable_password()
        done.added.append(wanted.name)
    elif person.uid != wanted.uid:
        # Their files on the clusters belong to the old uid.
        raise SyncRefused(f"{wanted.name} has the uid {person.uid}; the environment file says {wanted.uid}.")
    administrator = person.is_administrator or isinstance(wanted, Administrator)
    new = (wanted.full_name, list(groups), administrator)
    if person.pk is None or (person.full_name, person.groups, person.is_administrator) != new:
        if person.pk is not None:
            done.changed.append(wanted.name)
        person.full_name, person.groups, person.is_administrator = new
        person.save()
    return person


def _set_first_password(person: Person, password: str) -> bool:
    """Not `actions.set_password`: this is not a password that the person chose."""
    if person.has_usable_password() and person.check_password(password):
        return False
    validate_password(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])
    return True
