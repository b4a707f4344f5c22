"""`tandem user …`: for administrators, over HTTP."""

import pytest

from tandem.accounts.models import Person


@pytest.fixture
def administrator(sign_in):
    sign_in("chief")


def test_somebody_is_added_invited_disabled_and_enabled(administrator, tandem):
    added = tandem("user", "add", "eve", "--full-name", "Eve Adams", "--group", "physics", "--json").json
    assert (added["username"], added["groups"], added["uid"] >= 2000) == ("eve", ["physics"], True)
    invitation = tandem("user", "invite", "eve")
    assert invitation.stdout.startswith("http")
    assert len(invitation.stdout.split()) == 1
    assert tandem("user", "disable", "eve", "--json").json["enabled"] is False
    assert tandem("user", "invite", "eve").status == 65
    assert "enabled" in tandem("user", "enable", "eve").stderr
    assert tandem("user", "reset", "eve", "--json").json["link"].startswith("http")
    assert "eve" in tandem("user", "list").stdout


def test_groups_and_rights_are_changed(administrator, tandem):
    tandem("user", "add", "eve", "--group", "physics")
    assert (
        tandem("user", "group", "eve", "--add", "cfd", "--add", "chem", "--remove", "physics").stdout == "cfd\nchem\n"
    )
    assert tandem("user", "group", "eve").stdout == "cfd\nchem\n"
    assert "an administrator" in tandem("user", "promote", "eve").stderr
    assert tandem("user", "demote", "eve", "--json").json["administrator"] is False
    refused = tandem("user", "demote", "chief")
    assert (refused.status, "only administrator" in refused.stderr) == (65, True)


def test_the_list_is_searched(administrator, tandem):
    assert [person["username"] for person in tandem("user", "list", "--search", "mi", "--json").json] == ["mia"]
    assert len(tandem("user", "list", "--limit", "1", "--json").json) == 1


def test_a_name_of_the_system_is_refused_by_field(administrator, tandem):
    outcome = tandem("user", "add", "root")
    assert outcome.status == 65
    assert "username" in outcome.stderr


def test_others_may_not(signed_in, tandem):
    for words in (["list"], ["add", "eve"], ["invite", "chief"], ["disable", "chief"]):
        assert tandem("user", *words).status == 77
    assert not Person.objects.filter(username="eve").exists()
    assert Person.objects.get(username="chief").is_active


def test_nobody_of_that_name(administrator, tandem):
    assert tandem("user", "disable", "ghost").status == 66


def test_names_cannot_lead_to_another_address(administrator, tandem):
    outcome = tandem("user", "disable", "../tokens")
    assert outcome.status in (65, 66)


def test_a_name_cannot_turn_one_wish_into_another(administrator, tandem):
    tandem("user", "add", "eve")
    assert tandem("user", "invite", "eve/disable?").status == 66
    assert Person.objects.get(username="eve").is_active
