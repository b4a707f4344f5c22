"""Who may do what: groups and administrators. Whoever changes people does it through `actions`, which has these too."""

from collections.abc import Sequence

import structlog
from django.db import transaction

from tandem.accounts.models import Person
from tandem.accounts.names import FIRST_UID, check_groups
from tandem.accounts.people_file import publish_people

logger = structlog.get_logger(__name__)


class AccountChangeRefused(Exception):
    """The account cannot be changed like this; the text says why."""


def change_groups(
    person: Person, *, add: Sequence[str] = (), remove: Sequence[str] = (), by: Person | None = None
) -> None:
    """Put the person into groups on the clusters, and take them out of others. Jobs that run keep what they have.

    Raises PersonInvalid. Locks the person's row, so that of two changes at once none is lost.
    """
    check_groups(person.username, add)
    with transaction.atomic():
        locked = Person.objects.select_for_update().get(pk=person.pk)
        groups = [group for group in dict.fromkeys([*locked.groups, *add]) if group not in remove]
        if groups != locked.groups:
            locked.groups = groups
            locked.save(update_fields=["groups"])
            tell_clusters()
            logger.info("groups changed", person=person.username, groups=groups, by=by.username if by else "")
    person.groups = groups


def promote(person: Person, *, by: Person | None = None) -> None:
    """Make the person an administrator. Raises AccountChangeRefused. Locks the person's row."""
    with transaction.atomic():
        if not Person.objects.select_for_update().get(pk=person.pk).is_active:
            raise AccountChangeRefused(f"{person} is disabled. Enable the account first.")
        _set_administrator(person, True, by)


def demote(person: Person, *, by: Person | None = None) -> None:
    """Take an administrator's rights away. Raises AccountChangeRefused. Locks all enabled administrators."""
    with transaction.atomic():
        check_can_go(person, by)
        if person.uid < FIRST_UID:
            raise AccountChangeRefused(
                f"{person} is the environment's own administrator: uids below {FIRST_UID} are for nobody else."
            )
        _set_administrator(person, False, by)


def check_can_go(person: Person, by: Person | None) -> None:
    """Raise AccountChangeRefused if the environment would be left without an administrator, or somebody shut
    themselves out. Locks the rows of all enabled administrators.
    """
    administrators = Person.objects.select_for_update().filter(is_active=True, is_administrator=True)
    others = [other for other in administrators if other.pk != person.pk]
    if person.is_administrator and not others:
        raise AccountChangeRefused(f"{person} is the only administrator left.")
    if by is not None and by.pk == person.pk:
        raise AccountChangeRefused("This is your own account: ask another administrator.")


def tell_clusters() -> None:
    """Once this is committed, publish the people file. Workers do the same, if this here fails."""
    transaction.on_commit(publish_people, robust=True)


def _set_administrator(person: Person, value: bool, by: Person | None) -> None:
    if Person.objects.filter(pk=person.pk, is_administrator=not value).update(is_administrator=value):
        tell_clusters()
        words = "made an administrator" if value else "administrator no more"
        logger.info(words, person=person.username, by=by.username if by else "")
    person.is_administrator = value
