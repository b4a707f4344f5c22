import json
import stat
from pathlib import Path

import pytest

from tandem.accounts import actions
from tandem.accounts.models import Person
from tandem.accounts.people_file import PeopleFileRefused, publish_people


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.json"


def test_everybody_is_published_and_who_is_disabled_is_marked(ada: Person, chief: Person, file: Path) -> None:
    actions.disable(ada)
    assert publish_people(file)
    assert json.loads(file.read_text()) == {
        "version": 1,
        "people": [
            {
                "name": "ada",
                "uid": 2000,
                "full_name": "Ada Lovelace",
                "groups": [],
                "enabled": False,
                "administrator": False,
            },
            {"name": "chief", "uid": 2001, "full_name": "", "groups": [], "enabled": True, "administrator": True},
        ],
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_it_is_written_only_when_it_differs(ada: Person, chief: Person, file: Path) -> None:
    assert publish_people(file)
    inode = file.stat().st_ino
    assert not publish_people(file)
    assert file.stat().st_ino == inode
    actions.add_person("eve")
    assert publish_people(file)
    # Replaced in one step: who reads it meanwhile has the old file or the new one, never half of one.
    assert file.stat().st_ino != inode
    assert list(file.parent.iterdir()) == [file]


def test_an_empty_database_locks_nobody_out(db: None, file: Path) -> None:
    file.write_text("as it was")
    with pytest.raises(PeopleFileRefused):
        publish_people(file)
    assert file.read_text() == "as it was"


def test_somebody_with_a_uid_of_the_system_is_not_published(chief: Person, file: Path) -> None:
    Person.objects.create(username="sly", uid=1001)
    with pytest.raises(PeopleFileRefused):
        publish_people(file)


def test_nothing_is_left_over_when_the_directory_cannot_be_written(chief: Person, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        publish_people(tmp_path / "gone" / "people.json")
