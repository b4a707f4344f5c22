"""Groups and administrators: who may be what, and that somebody is left to look after the others."""

import json
from pathlib import Path

import pytest
from django.db import transaction

from tandem.accounts import actions, rights
from tandem.accounts.models import Person
from tandem.accounts.people_file import publish_people


def test_somebody_is_put_into_groups_and_taken_out(ada: Person) -> None:
    actions.change_groups(ada, add=["physics", "cfd", "physics"])
    actions.change_groups(ada, add=["chemistry"], remove=["physics", "never-in"])
    ada.refresh_from_db()
    assert ada.groups == ["cfd", "chemistry"]


def test_of_two_changes_at_once_none_is_lost(ada: Person) -> None:
    """Each has read the person before the other wrote."""
    here, there = Person.objects.get(pk=ada.pk), Person.objects.get(pk=ada.pk)
    actions.change_groups(here, add=["physics"])
    actions.change_groups(there, add=["cfd"])
    ada.refresh_from_db()
    assert ada.groups == ["physics", "cfd"]


@pytest.mark.parametrize("group", ["sudo", "root", "two words", "Big", "bob", "ada", "-x", "tandem-web", ""])
def test_nobody_gets_into_a_group_that_is_the_systems_or_another_persons(ada: Person, bob: Person, group: str) -> None:
    with pytest.raises(actions.PersonInvalid) as refused:
        actions.change_groups(ada, add=[group])
    assert list(refused.value.errors) == ["groups"]
    ada.refresh_from_db()
    assert ada.groups == []


def test_an_administrator_is_made_and_unmade(ada: Person, chief: Person) -> None:
    actions.promote(ada, by=chief)
    assert Person.objects.get(pk=ada.pk).is_administrator
    actions.demote(ada, by=chief)
    assert not Person.objects.get(pk=ada.pk).is_administrator


def test_the_last_administrator_stays_one(ada: Person, chief: Person) -> None:
    with pytest.raises(actions.AccountChangeRefused, match="only administrator"):
        actions.demote(chief)
    actions.promote(ada)
    actions.disable(ada)
    with pytest.raises(actions.AccountChangeRefused, match="only administrator"):
        actions.demote(chief)
    assert Person.objects.get(pk=chief.pk).is_administrator


@pytest.mark.parametrize("verb", [actions.demote, actions.disable])
def test_nobody_shuts_themselves_out(ada: Person, chief: Person, verb: object) -> None:
    actions.promote(ada)
    with pytest.raises(actions.AccountChangeRefused, match="your own"):
        verb(chief, by=chief)  # type: ignore[operator]
    assert Person.objects.filter(is_administrator=True, is_active=True).count() == 2


def test_a_disabled_person_is_made_no_administrator(ada: Person, chief: Person) -> None:
    actions.disable(ada)
    with pytest.raises(actions.AccountChangeRefused, match="disabled"):
        actions.promote(ada)


def test_the_environments_own_administrator_stays_one(ada: Person) -> None:
    """The clusters take nobody else with such a uid: the people file could not be published any more."""
    own = Person.objects.create(username="ec2-user", uid=1000, is_administrator=True)
    actions.promote(ada)
    with pytest.raises(actions.AccountChangeRefused, match="own administrator"):
        actions.demote(own, by=ada)


@pytest.mark.django_db(transaction=True)
def test_the_clusters_hear_of_it_once_it_is_certain(
    ada: Person, chief: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "people.json"
    monkeypatch.setattr(rights, "publish_people", lambda: publish_people(file))
    with transaction.atomic():
        actions.promote(ada)
        actions.change_groups(ada, add=["physics"])
        assert not file.exists()
    published = {person["name"]: person for person in json.loads(file.read_text())["people"]}
    assert (published["ada"]["administrator"], published["ada"]["groups"]) == (True, ["physics"])
