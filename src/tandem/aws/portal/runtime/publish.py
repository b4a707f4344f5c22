"""Hands the people file of this node on to the clusters' nodes, through Parameter Store.

    python -m tandem.aws.portal.runtime.publish

A parameter holds 4 KiB, so the list is compressed and cut into parts. Each says which whole it is of, of how many
parts, and when the list was made. Who reads while another writes takes nothing (clusters/runtime/content/people.py).

Every portal node publishes. The later list counts: a node that has been cut off from the database, and has an old one,
does not write over that of another. Two that write at the same time may leave the older one there, or parts of both:
the next look of the node that has the later list sets that right.
"""

import base64
import gzip
import hashlib
import re
import sys

from tandem.aws.names import PEOPLE_PARTS
from tandem.aws.portal.runtime import places
from tandem.aws.portal.runtime.cli import AwsError, parameter, parameters, put_parameter

PART = 4000
DIGEST = 12
_HEADER = re.compile(rf"([0-9a-f]{{{DIGEST}}}) (\d+) (\d+) ")


class TooManyPeople(Exception):
    """The list does not fit into the parameters."""


def parts(content: bytes, made: int) -> list[str]:
    """The list, made at this time (milliseconds), as the values of parameters 0, 1, … Raises TooManyPeople."""
    packed = gzip.compress(content, mtime=0)
    digest = hashlib.sha256(packed).hexdigest()[:DIGEST]
    text = base64.b64encode(packed).decode()
    pieces = [text[start : start + PART] for start in range(0, len(text), PART)]
    if len(pieces) > PEOPLE_PARTS:
        raise TooManyPeople(f"the list of people takes {len(pieces)} parameters; there are {PEOPLE_PARTS}")
    return [f"{digest} {len(pieces)} {made} {piece}" for piece in pieces]


def published(path: str) -> tuple[str, int] | None:
    """Which list is there, by its digest, and when it was made; None when there is none that is whole."""
    first = _HEADER.match(parameter(f"{path}/0"))
    if first is None:
        return None
    digest, count, made = first.groups()
    others = [f"{path}/{number}" for number in range(1, min(int(count), PEOPLE_PARTS))]
    if not all(part.startswith(first.group()) for part in parameters(others).values()):
        return None
    return digest, int(made)


def publish(path: str) -> bool:
    """Publish the people file below `path`, unless it is there, or a later one is. Returns whether it did.

    Raises AwsError, TooManyPeople, OSError.
    """
    if not places.PEOPLE_FILE.exists():
        return False
    made = places.PEOPLE_FILE.stat().st_mtime_ns // 1_000_000
    values = parts(places.PEOPLE_FILE.read_bytes(), made)
    there = published(path)
    if there and (values[0].startswith(f"{there[0]} ") or there[1] > made):
        return False
    # The first is what readers look at: it comes last.
    for number, value in reversed(list(enumerate(values))):
        put_parameter(f"{path}/{number}", value)
    return True


def main() -> int:
    """The command; its argument is the path of the portal's own parameter."""
    try:
        if publish(sys.argv[1].rpartition("/")[0] + "/people"):
            print("people published")
    except (AwsError, TooManyPeople, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
