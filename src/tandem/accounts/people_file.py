"""The people file: who may enter the clusters, as every zone, the signer and the door read it.

The database is where people are kept. Whoever changes somebody writes the file at once, so that nobody disabled stays
in for want of a worker; every worker writes it whenever it differs. Two may write at the same time, and a late one may
write what is older: a worker's next look, seconds later, sets that right.
"""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import structlog

from tandem.accounts.models import Person
from tandem.node import this_node

logger = structlog.get_logger(__name__)
VERSION = 1


class PeopleFileRefused(Exception):
    """Publishing this would lock everybody out or let in whom it must not: the file stays as it is."""


def _content(people: Iterable[Person]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "people": [
            {
                "name": person.username,
                "uid": person.uid,
                "full_name": person.full_name,
                "groups": person.groups,
                "enabled": person.is_active,
                "administrator": person.is_administrator,
            }
            for person in people
        ],
    }


def _check(content: dict[str, Any]) -> None:
    """Raise PeopleFileRefused for a list that can only come from a mistake, such as an empty database."""
    people = content["people"]
    if not any(person["enabled"] and person["administrator"] for person in people):
        raise PeopleFileRefused("no enabled administrator is among the people")
    for key in ("name", "uid"):
        if len({person[key] for person in people}) != len(people):
            raise PeopleFileRefused(f"two people have the same {key}")
    for person in people:
        if person["uid"] < 1000 or (person["uid"] < 2000 and not person["administrator"]):
            raise PeopleFileRefused(f"{person['name']} has the uid {person['uid']}, which is the system's")


def publish_people(path: Path | None = None) -> bool:
    """Write the people file if it differs from the database; says whether it did. Raises PeopleFileRefused, OSError.

    The file is replaced in one step, so that nobody reads half of it.
    """
    node = this_node()
    path = path or (node.people_file if node else None)
    if path is None:
        return False
    content = _content(Person.objects.order_by("uid"))
    _check(content)
    new = (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
    try:
        if path.read_bytes() == new:
            return False
    except FileNotFoundError:
        pass
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(new)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    logger.info("people published", people=len(content["people"]))
    return True


def published_uids() -> set[int]:
    """Uids in the people file: it may know somebody whom a restored database has forgotten."""
    node = this_node()
    if node is None:
        return set()
    try:
        return {int(person["uid"]) for person in json.loads(node.people_file.read_bytes())["people"]}
    except FileNotFoundError:
        return set()
