from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tandem.accounts import actions
from tandem.accounts.models import Person, Token
from tandem.accounts.people_file import publish_people

FIRST = "the-First-Passw0rd"
FILE = """\
name: demo
region: eu-central-1
zones:
  - name: eu-central-1a
clusters:
  - name: cluster1
    zone: eu-central-1a
    queues:
      - name: compute
        instance_type: c5.xlarge
        elastic_nodes: 2
administrator:
  name: ec2-user
users:
  - name: ada
    uid: 2001
    full_name: Ada Lovelace
    groups: [physics]
"""


@pytest.fixture
def sync(tmp_path: Path, db: None) -> Any:
    """Runs the command on the file above, changed if wanted."""

    def run(password: str | None = FIRST, old: str = "", new: str = "") -> None:
        environment = tmp_path / "tandem.yaml"
        environment.write_text(FILE.replace(old, new) if old else FILE)
        options = [f"--environment={environment}"]
        if password is not None:
            file = tmp_path / "password"
            file.write_text(password + "\n")
            options.append(f"--administrator-password-file={file}")
        call_command("sync_people", *options)

    return run


def test_everybody_of_the_file_is_there_and_the_administrator_can_sign_in(sync: Any, browser: Any) -> None:
    sync()
    administrator, ada = Person.objects.get(username="ec2-user"), Person.objects.get(username="ada")
    assert (administrator.uid, administrator.is_administrator) == (1000, True)
    assert (ada.uid, ada.full_name, ada.groups, ada.is_administrator) == (2001, "Ada Lovelace", ["physics"], False)
    assert not ada.has_usable_password()
    browser.sign_in("ec2-user", FIRST)
    assert browser.is_in()


def test_running_it_again_changes_nothing(sync: Any, capsys: pytest.CaptureFixture[str]) -> None:
    sync()
    before = list(Person.objects.order_by("pk").values())
    capsys.readouterr()
    sync()
    assert list(Person.objects.order_by("pk").values()) == before
    assert capsys.readouterr().out == ""


def test_a_password_that_the_administrator_chose_is_never_reset(sync: Any) -> None:
    sync()
    administrator = Person.objects.get(username="ec2-user")
    actions.set_password(administrator, "My-own-Passw0rd")
    sync("a-New-generated-1")
    administrator.refresh_from_db()
    assert administrator.check_password("My-own-Passw0rd")


def test_a_generated_password_follows_its_file(sync: Any) -> None:
    sync()
    sync("a-New-generated-1")
    assert Person.objects.get(username="ec2-user").check_password("a-New-generated-1")


def test_a_password_that_breaks_the_rule_is_refused_and_not_repeated(sync: Any) -> None:
    with pytest.raises(CommandError) as refused:
        sync("tooweak")
    assert "tooweak" not in str(refused.value)
    assert not Person.objects.exists()


def test_a_changed_file_is_taken_over_without_touching_who_was_added_in_the_portal(sync: Any) -> None:
    sync()
    actions.add_person("eve", groups=["chemistry"])
    actions.disable(Person.objects.get(username="ada"))
    sync(old="[physics]", new="[physics, theory]")
    ada = Person.objects.get(username="ada")
    assert ada.groups == ["physics", "theory"]
    assert not ada.is_active
    assert Person.objects.get(username="eve").groups == ["chemistry"]


ADA = """\
users:
  - name: ada
    uid: 2001
    full_name: Ada Lovelace
    groups: [physics]
"""


def test_who_is_taken_out_of_the_file_is_disabled_and_who_comes_back_is_enabled(
    sync: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sync()
    ada = Person.objects.get(username="ada")
    actions.create_token(ada, "laptop")
    actions.add_person("eve")
    sync(old=ADA, new="")
    ada.refresh_from_db()
    assert not ada.is_active
    assert not Token.objects.usable().exists()
    assert "disabled: ada" in capsys.readouterr().out
    assert Person.objects.get(username="eve").is_active
    sync()
    ada.refresh_from_db()
    assert ada.is_active


def test_another_administrator_in_the_file_takes_the_place_of_the_one_before(sync: Any, tmp_path: Path) -> None:
    sync()
    sync(old="name: ec2-user", new="name: boss\n  uid: 2500")
    before, now = Person.objects.get(username="ec2-user"), Person.objects.get(username="boss")
    assert not before.is_active
    assert (now.is_active, now.is_administrator) == (True, True)
    assert publish_people(tmp_path / "people.json")
    sync()
    sync(old="  - name: ada\n", new="  - name: boss\n    uid: 2500\n  - name: ada\n")
    now.refresh_from_db()
    assert (now.is_active, now.is_administrator) == (True, False)


def test_who_was_enabled_again_in_the_portal_stays_enabled(sync: Any) -> None:
    sync()
    sync(old=ADA, new="")
    actions.enable(Person.objects.get(username="ada"))
    sync(old=ADA, new="")
    assert Person.objects.get(username="ada").is_active


def test_somebody_of_the_portal_who_was_disabled_there_is_not_enabled_by_the_file(sync: Any, chief: Person) -> None:
    actions.disable(actions.add_person("ada", uid=2001))
    sync()
    assert not Person.objects.get(username="ada").is_active


def test_a_file_that_leaves_no_administrator_is_refused(sync: Any) -> None:
    sync()
    chief = actions.add_person("chief", uid=2002, administrator=True)
    actions.disable(Person.objects.get(username="ec2-user"))
    sync(old="  - name: ada\n", new="  - name: chief\n    uid: 2002\n  - name: ada\n")
    with pytest.raises(CommandError, match="only administrator left"):
        sync()
    chief.refresh_from_db()
    assert (chief.is_active, chief.is_administrator) == (True, True)


@pytest.mark.parametrize(("old", "new"), [("uid: 2001", "uid: 2002"), ("name: ada", "name: grace")])
def test_a_uid_stays_with_its_person(sync: Any, old: str, new: str) -> None:
    sync()
    with pytest.raises(CommandError, match=r"2001"):
        sync(old=old, new=new)
    assert list(Person.objects.order_by("uid").values_list("username", "uid")) == [("ec2-user", 1000), ("ada", 2001)]


@pytest.mark.parametrize(
    ("added", "new"),
    [
        ({"username": "grace"}, "groups: [physics, grace]"),
        ({"username": "grace", "groups": ["optics"]}, "groups: [physics]\n  - name: optics\n    uid: 2900"),
    ],
)
def test_the_file_puts_nobody_into_the_own_group_of_somebody_of_the_portal(
    sync: Any, added: dict[str, Any], new: str
) -> None:
    sync()
    actions.add_person(**added)
    with pytest.raises(CommandError, match="the own group of a person"):
        sync(old="groups: [physics]", new=new)
    assert Person.objects.get(username="ada").groups == ["physics"]
    assert not Person.objects.filter(username="optics").exists()


def test_a_password_given_out_later_replaces_one_that_was_chosen(sync: Any, tmp_path: Path) -> None:
    sync()
    administrator = Person.objects.get(username="ec2-user")
    actions.set_password(administrator, "my-Own-Choice-7")
    chosen = Person.objects.get(username="ec2-user").password_chosen_at
    assert chosen is not None
    file, environment = tmp_path / "password", tmp_path / "tandem.yaml"
    file.write_text("a-Newer-Secret-8\n")
    for given, works in ((chosen - timedelta(minutes=1), False), (chosen + timedelta(minutes=1), True)):
        options = [f"--environment={environment}", f"--administrator-password-file={file}"]
        call_command("sync_people", *options, f"--administrator-password-since={given.isoformat()}")
        assert Person.objects.get(username="ec2-user").check_password("a-Newer-Secret-8") is works
