"""Hands the people file of this node on to the clusters' nodes, through Parameter Store.

    python -m tandem.aws.portal.runtime.publish

A parameter holds 4 KiB, so the list is compressed and cut into parts. Each says which whole it is of, and of how many
parts: who reads while another writes takes nothing (see clusters/runtime/content/people.py).

Every portal node publishes. The later list counts: a node that has been cut off from the database, and has an old one,
does not write over that of another.
"""

import base64
import gzip
import hashlib
import sys
from datetime import UTC, datetime

from tandem.aws.names import PEOPLE_PARTS
from tandem.aws.portal.runtime import places
from tandem.aws.portal.runtime.cli import AwsError, parameter, put_parameter

PART = 4000
DIGEST = 12


class TooManyPeople(Exception):
    """The list does not fit into the parameters."""


def parts(content: bytes) -> list[str]:
    """The list as the values of parameters 0, 1, … Raises TooManyPeople."""
    packed = gzip.compress(content, mtime=0)
    digest = hashlib.sha256(packed).hexdigest()[:DIGEST]
    text = base64.b64encode(packed).decode()
    pieces = [text[start : start + PART] for start in range(0, len(text), PART)]
    if len(pieces) > PEOPLE_PARTS:
        raise TooManyPeople(f"the list of people takes {len(pieces)} parameters; there are {PEOPLE_PARTS}")
    return [f"{digest} {len(pieces)} {piece}" for piece in pieces]


def publish(path: str) -> bool:
    """Publish the people file below `path`, if it is not there and what is there is older. Returns whether it did.

    Raises AwsError, TooManyPeople, OSError.
    """
    if not places.PEOPLE_FILE.exists():
        return False
    changed = datetime.fromtimestamp(places.PEOPLE_FILE.stat().st_mtime, UTC)
    values = parts(places.PEOPLE_FILE.read_bytes())
    there = parameter(f"{path}/0")
    if there.value == values[0] or (there.value and there.written > changed):
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
