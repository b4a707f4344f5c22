"""The list of people on its way from portal nodes to the clusters' nodes, through parameters of 4 KiB."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tandem.aws.clusters.runtime.content import people as reader
from tandem.aws.names import NOT_YET, PEOPLE_PARTS, Names
from tandem.aws.portal.runtime import places, publish
from tandem.aws.portal.runtime.publish import TooManyPeople, parts

NAMES = Names("demo")
FIRST = NAMES.people_parts[0]


def document(count: int, chance: int = 1) -> bytes:
    """A people file of so many."""
    letters = random.Random(chance)

    def word(length: int) -> str:
        return "".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=length))

    people = [
        {
            "name": word(8),
            "uid": 2000 + number,
            "full_name": f"{word(6).title()} {word(9).title()}",
            "groups": [letters.choice(["physics", "chemistry", "biology"])],
            "enabled": True,
            "administrator": False,
        }
        for number in range(count)
    ]
    return json.dumps({"version": 1, "people": people}, indent=1).encode()


class Node:
    """A portal node's people file, beside the parameters that all of them write."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = directory / "people.json"
        self.parameters = dict.fromkeys(NAMES.people_parts, NOT_YET)
        monkeypatch.setattr(places, "PEOPLE_FILE", self.file)
        monkeypatch.setattr(publish, "parameter", lambda name: self._parameters([name])[name])
        monkeypatch.setattr(publish, "parameters", self._parameters)
        monkeypatch.setattr(reader, "parameters", self._parameters)
        monkeypatch.setattr(publish, "put_parameter", self._put)

    def _parameters(self, names: list[str]) -> dict[str, str]:
        values = {name: self.parameters[name] for name in names}
        return {name: "" if value == NOT_YET else value for name, value in values.items()}

    def _put(self, name: str, value: str) -> None:
        assert len(value) <= 4096
        self.parameters[name] = value

    def publish(self, content: bytes, made: int) -> bool:
        """Publish a list that was made at this second."""
        self.file.write_bytes(content)
        os.utime(self.file, (made, made))
        return publish.publish(NAMES.people)

    def read(self) -> list[dict[str, Any]] | None:
        """As a cluster's nodes do."""
        found = reader.published(NAMES.people, self._parameters([FIRST])[FIRST])
        return found and found[1]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


def test_nobody_is_on_it_before_somebody_has_written_it(node: Node) -> None:
    assert publish.publish(NAMES.people) is False
    assert node.read() is None


@pytest.mark.parametrize("count", [3, 1000])
def test_it_arrives_whole_however_long_it_is(node: Node, count: int) -> None:
    assert node.publish(document(count), 100)
    assert node.read() == json.loads(document(count))["people"]
    assert not node.publish(document(count), 100)
    # Another node made its own copy at another time: it says the same.
    assert not node.publish(document(count), 200)


def test_a_list_that_has_become_shorter_is_read_to_its_own_end(node: Node) -> None:
    node.publish(document(1000), 100)
    node.publish(document(3), 200)
    assert node.read() == json.loads(document(3))["people"]


def test_what_does_not_fit_is_refused_before_anything_is_written(node: Node) -> None:
    node.publish(document(3), 100)
    with pytest.raises(TooManyPeople):
        node.publish(document(10_000), 200)
    assert node.read() == json.loads(document(3))["people"]


def test_an_older_list_does_not_go_over_a_later_one(node: Node) -> None:
    node.publish(document(3), 200)
    # Of a node that has been cut off from the database since.
    assert not node.publish(document(4), 100)
    assert node.publish(document(5), 300)


def test_a_later_list_goes_over_an_older_one_that_was_written_after_it_was_made(node: Node) -> None:
    later, older = document(3), document(4)
    # It looked, was slow, and wrote over what the other node had published in the meantime.
    for number, value in enumerate(parts(older, 100_000)):
        node.parameters[NAMES.people_parts[number]] = value
    assert node.publish(later, 101)
    assert node.read() == json.loads(later)["people"]


def test_parts_of_two_lists_are_not_taken_and_do_not_stay(node: Node) -> None:
    node.publish(document(1000), 300)
    of_another = parts(document(1000, chance=2), 100_000)
    node.parameters[NAMES.people_parts[1]] = of_another[1]
    with pytest.raises(reader.Trouble, match="being written"):
        node.read()
    # Even the node with the older list puts a whole one there: nobody knows whether the other one is still alive.
    assert node.publish(document(3), 200)
    assert node.read() == json.loads(document(3))["people"]


def test_a_part_that_was_cut_is_not_taken(node: Node) -> None:
    node.publish(document(3), 100)
    node.parameters[FIRST] = node.parameters[FIRST][:-8]
    with pytest.raises((reader.Trouble, ValueError)):
        node.read()


def test_there_are_parameters_for_what_may_be_published() -> None:
    assert len(NAMES.people_parts) == PEOPLE_PARTS
