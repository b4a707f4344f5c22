"""The people file is written by a service; what it says is believed only as far as it does no harm."""

import json
from pathlib import Path
from typing import Any

import pytest

from tandem.local.accounts import account_files, read_people
from tandem.local.names import SERVICE_IDS

ALICE = {"name": "alice", "uid": 2000, "full_name": "Alice", "groups": ["research"], "enabled": True}


def people(tmp_path: Path, *entries: dict[str, Any]) -> list[str]:
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"version": 1, "people": list(entries)}))
    return [person.name for person in read_people(file)]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "root"},
        {"name": "slurm"},
        {"name": "tandem-watch"},
        {"name": "a:0:0"},
        {"name": "../x"},
        {"name": "x\n"},
        {"name": ""},
        {"name": None},
        {"uid": 0},
        {"uid": SERVICE_IDS["slurm"]},
        {"uid": 1000},
        {"uid": 65534},
        {"uid": True},
        {"uid": "2000"},
        {"uid": -1},
    ],
    ids=str,
)
def test_system_accounts_cannot_be_touched(tmp_path: Path, change: dict[str, Any]) -> None:
    bob = {"name": "bob", "uid": 2001, "enabled": True}
    assert people(tmp_path, ALICE | change, bob) == ["bob"]


def test_the_administrator_may_be_below_2000_but_not_a_system_account(tmp_path: Path) -> None:
    entry = {"name": "ec2-user", "uid": 1000, "administrator": True, "enabled": True}
    assert people(tmp_path, entry) == ["ec2-user"]
    assert people(tmp_path, entry | {"uid": 999}) == []


def test_nobody_takes_anothers_name_or_number(tmp_path: Path) -> None:
    assert people(tmp_path, ALICE, ALICE | {"name": "mallory"}, ALICE | {"uid": 2005}) == ["alice"]


def test_a_name_or_group_cannot_bring_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    evil = {"full_name": "x:0:0\nroot2:x:0:0::/:/bin/sh\n", "groups": ["tandem", "root", "ok", "a\nb"]}
    file.write_text(json.dumps({"version": 1, "people": [ALICE | evil]}))
    files = account_files(read_people(file))
    assert all(len(line.split(":")) == 7 for line in files.passwd.splitlines())
    assert [line.split(":")[0] for line in files.passwd.splitlines() if line.split(":")[2] == "0"] == ["root"]
    groups = {line.split(":")[0]: line.split(":")[3] for line in files.group.splitlines()}
    assert "alice" not in groups["tandem"] + groups["root"]
    assert groups["ok"] == "alice"


def test_whoever_is_disabled_keeps_the_number_and_loses_the_shell(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"version": 1, "people": [ALICE | {"enabled": False}]}))
    line = next(line for line in account_files(read_people(file)).passwd.splitlines() if line.startswith("alice:"))
    assert line.startswith("alice:x:2000:2000:")
    assert line.endswith(":/usr/sbin/nologin")


def test_accounts_are_open_for_certificates_and_closed_for_passwords() -> None:
    # `!` would be a locked account for sshd, and an empty field no password at all.
    assert {line.split(":")[1] for line in account_files([]).shadow.splitlines()} == {"*"}


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2, "people": []}', "{"])
def test_an_unreadable_file_is_no_empty_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "people.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_people(file)
