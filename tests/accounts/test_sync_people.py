from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tandem.accounts import actions
from tandem.accounts.models import Person

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


@pytest.mark.parametrize(("old", "new"), [("uid: 2001", "uid: 2002"), ("name: ada", "name: grace")])
def test_a_uid_stays_with_its_person(sync: Any, old: str, new: str) -> None:
    sync()
    with pytest.raises(CommandError, match=r"2001"):
        sync(old=old, new=new)
    assert list(Person.objects.order_by("uid").values_list("username", "uid")) == [("ec2-user", 1000), ("ada", 2001)]
