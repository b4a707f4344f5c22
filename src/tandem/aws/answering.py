"""How the Lambdas behind custom resources answer CloudFormation: each event exactly once, whatever becomes of the work.

An event that nobody answers keeps a stack waiting for an hour. So what fails is answered too, with the reason; and what
takes too long is answered by a timer, just before Lambda would end the function.

Imports nothing but Python's own: it is copied beside each of the functions.
"""

import json
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.error import URLError

log = logging.getLogger("answering")
log.setLevel(logging.INFO)

SPARE_SECONDS = 10.0  # of the function's time that are kept for answering
ATTEMPTS = 5
PUT_TIME = 5.0
LONGEST_REASON = 800  # of what went wrong; CloudFormation takes 4 KB in all


class Context(Protocol):
    """What Lambda tells a function of itself, as far as it is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends the function."""


@dataclass(frozen=True)
class Result:
    """What came of an event. CloudFormation deletes what had another `physical_id` before."""

    physical_id: str
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """What CloudFormation asks for."""

    request: str  # Create, Update or Delete
    properties: dict[str, Any]
    physical_id: str  # empty on Create
    stack: str
    resource: str

    @classmethod
    def of(cls, raw: dict[str, Any]) -> "Event":
        """The event as Lambda gets it."""
        return cls(
            request=raw["RequestType"],
            properties=raw["ResourceProperties"],
            physical_id=raw.get("PhysicalResourceId", ""),
            stack=raw["StackId"],
            resource=raw["LogicalResourceId"],
        )

    def text(self, name: str, default: str | None = None) -> str:
        """A property that must be there, unless there is a default. Raises ValueError."""
        value = self.properties.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise ValueError(f"the property {name} is missing")
        return value


class _Answer:
    """The one answer to one event."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self._lock = threading.Lock()
        self._given = False

    def give(self, status: str, reason: str, result: Result) -> None:
        """Answer, unless that was done already."""
        with self._lock:
            if self._given:
                return
            self._given = True
            document = {
                "Status": status,
                "Reason": reason or "done",
                "PhysicalResourceId": result.physical_id,
                "StackId": self._raw["StackId"],
                "RequestId": self._raw["RequestId"],
                "LogicalResourceId": self._raw["LogicalResourceId"],
                "Data": result.data,
            }
            log.info("%s %s: %s %s", self._raw["RequestType"], self._raw["LogicalResourceId"], status, reason)
            _put(self._raw["ResponseURL"], json.dumps(document).encode())

    def too_late(self, physical_id: str) -> None:
        """What the timer says."""
        self.give("FAILED", "this took too long; its log says how far it came", Result(physical_id))


def answered(raw: dict[str, Any], context: Context | None, work: Callable[[Event], Result]) -> None:
    """Do the work that the event asks for, and answer it.

    A Create that fails is answered with an id of its own, so that the Delete that follows finds nothing to undo.
    """
    answer = _Answer(raw)
    unmade = raw.get("PhysicalResourceId") or f"{NOTHING_MADE}:{raw['LogicalResourceId']}"
    timer = None
    if context is not None:
        left = context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS
        timer = threading.Timer(max(left, 0.1), answer.too_late, [unmade])
        timer.daemon = True
        timer.start()
    try:
        result = work(Event.of(raw))
    except Exception as problem:
        log.exception("the work failed")
        where = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "its log")
        answer.give(
            "FAILED", f"{type(problem).__name__}: {str(problem)[:LONGEST_REASON]} (see {where})", Result(unmade)
        )
    else:
        answer.give("SUCCESS", "", result)
    finally:
        if timer is not None:
            timer.cancel()


NOTHING_MADE = "nothing-made"


def _put(url: str, body: bytes) -> None:
    """Send the answer; the address is one of S3's, signed for this event. Raises URLError after some attempts."""
    for attempt in range(ATTEMPTS):
        # S3 wants exactly the header that was signed, which is an empty content type.
        request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=PUT_TIME):  # noqa: S310
                return
        except (URLError, TimeoutError) as problem:
            log.warning("the answer was not taken: %s", problem)
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(min(2.0**attempt / 10, 2))
