"""The people file is read when it changes, and a broken one lets nobody in."""

import json
from pathlib import Path

import pytest

from tandem.clusters.people import PeopleFile


def write(path: Path, content: str) -> None:
    aside = path.with_suffix(".new")
    aside.write_text(content)
    aside.replace(path)


def test_it_lists_who_is_enabled_and_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    write(path, json.dumps({"people": [{"name": "alice", "enabled": True}, {"name": "bob", "enabled": False}]}))
    people = PeopleFile(path)
    assert people.enabled() == {"alice"}
    write(path, json.dumps({"people": [{"name": "alice", "enabled": False}, {"name": "bob", "enabled": True}]}))
    assert people.enabled() == {"bob"}


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"people": [{"name": "alice", "enabled": 1}, {}]}'])
def test_a_broken_file_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "people.json"
    write(path, content)
    with pytest.raises(ValueError, match=r"."):
        PeopleFile(path).enabled()


def test_enabled_means_true_and_nothing_like_it(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    write(path, json.dumps({"people": [{"name": "a", "enabled": 1}, {"name": "b", "enabled": "true"}]}))
    assert PeopleFile(path).enabled() == frozenset()
