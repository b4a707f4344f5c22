"""People of the environment file into the database: run when an environment is brought up or its file has changed."""

from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from tandem.accounts import actions
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
    disabled: list[str] = field(default_factory=list)
    administrator_password_set: bool = False


def sync_people(
    environment: Environment, administrator_password: str | None = None, password_since: datetime | None = None
) -> Synced:
    """Make the portal's people of the file what the file says; who was added in the portal stays as they are.

    1. add and update everybody whom the file names; who comes back to it is enabled again
    2. disable whom the file named and no longer names; their account, jobs and files stay
    3. set the administrator's password, unless that person has chosen one after `password_since`

    Who is in the file and was disabled in the portal stays disabled. Raises SyncRefused, ValidationError (password).
    One transaction; locks the rows of the people of the file and of all enabled administrators.
    """
    done = Synced()
    with transaction.atomic():
        administrator = _sync(environment.administrator, done, groups=[])
        for user in environment.users:
            _sync(user, done, groups=user.groups)
        _take_out({administrator.username, *(user.name for user in environment.users)}, done)
        _check_groups()
        if administrator_password is not None and _is_newer(password_since, administrator.password_chosen_at):
            done.administrator_password_set = _set_given_password(administrator, administrator_password)
    logger.info(
        "people of the environment file taken over", added=done.added, changed=done.changed, disabled=done.disabled
    )
    return done


def _is_newer(given: datetime | None, chosen: datetime | None) -> bool:
    return chosen is None or (given is not None and given > chosen)


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
    # Whom the file took out, it brings back, as what it says. Whom somebody disabled in the portal stays disabled.
    kept = person.is_administrator and person.in_file is not False
    administrator = kept or isinstance(wanted, Administrator)
    enabled = person.is_active or person.in_file is False
    new = (wanted.full_name, list(groups), administrator, enabled)
    if person.pk is None or (person.full_name, person.groups, person.is_administrator, person.is_active) != new:
        if person.pk is not None:
            done.changed.append(wanted.name)
        person.full_name, person.groups, person.is_administrator, person.is_active = new
        person.in_file = True
        person.save()
    elif not person.in_file:
        Person.objects.filter(pk=person.pk).update(in_file=True)
    return person


def _take_out(named: set[str], done: Synced) -> None:
    """Disable whom the file no longer names; whoever enables them again in the portal keeps them from then on."""
    for person in Person.objects.select_for_update().filter(in_file=True).exclude(username__in=named):
        Person.objects.filter(pk=person.pk).update(in_file=False)
        if person.is_active:
            try:
                actions.disable(person)
            except actions.AccountChangeRefused as refused:
                raise SyncRefused(f"{person} cannot be taken out of the file: {refused}") from refused
            done.disabled.append(person.username)


def _check_groups() -> None:
    """Nobody is in a group that is somebody's own: that would open this person's files. The file's rule, for all."""
    people = dict(Person.objects.values_list("username", "groups"))
    for username, groups in sorted(people.items()):
        if taken := sorted(people.keys() & set(groups)):
            raise SyncRefused(f"{username} would be in the group {taken[0]}, which is the own group of a person.")


def _set_given_password(person: Person, password: str) -> bool:
    """Not `actions.set_password`: this is not a password that the person chose."""
    if person.has_usable_password() and person.check_password(password):
        return False
    validate_password(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])
    return True
