"""Who is meant: people by words, by how they stand, by group."""

from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Concat, Lower

from tandem.accounts.models import Person


def matching(words: str) -> QuerySet[Person]:
    """Those who have these words in their name, full name or address, in small letters or capitals; everybody without
    words.
    """
    words = words.replace("\0", "").strip().lower()
    if not words:
        return Person.objects.all()
    # Not `icontains`: MariaDB tells small letters from capitals there, as it does in all our columns.
    said = Lower(Concat("username", Value(" "), "full_name", Value(" "), "email", output_field=TextField()))
    return Person.objects.alias(said=said).filter(said__contains=words)


def standing(people: QuerySet[Person], how: str) -> QuerySet[Person]:
    """Those of `people` who are `enabled`, `disabled`, `administrator` or `new` (have never signed in); else all."""
    match how:
        case "enabled":
            return people.filter(is_active=True)
        case "disabled":
            return people.filter(is_active=False)
        case "administrator":
            return people.filter(is_administrator=True)
        case "new":
            return people.filter(last_login=None)
    return people


def in_group(people: QuerySet[Person], group: str) -> QuerySet[Person]:
    """Those of `people` who are in the group; all without one."""
    if not group:
        return people
    # Not every database can look into JSON, and there are some thousand people at most.
    members = [pk for pk, groups in Person.objects.values_list("pk", "groups") if group in groups]
    return people.filter(pk__in=members)


def all_groups() -> list[str]:
    """Every group that somebody is in."""
    return sorted({group for groups in Person.objects.values_list("groups", flat=True) for group in groups})
