"""How many of a process's threads may wait for a cluster at once, for pages and the API.

A page never waits for a scheduler; a few wait for a moment, for files or for a first answer. Whoever has a login shell
that sleeps makes that moment long. Others must find a thread all the same, and so must the balancer's health check.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

# Of the eight threads of a process (local/services.py).
_waiting_for_an_answer = BoundedSemaphore(3)
_reading_files = BoundedSemaphore(3)
PATIENCE = 2.0  # seconds


class NoSeat(Exception):
    """As many as may read through clusters already do."""


@contextmanager
def seat_to_read() -> Iterator[None]:
    """For one who reads something on a cluster. Raises NoSeat."""
    if not _reading_files.acquire(timeout=PATIENCE):
        raise NoSeat("Too much is being read at the moment; try again in a few seconds.")
    try:
        yield
    finally:
        _reading_files.release()


@contextmanager
def seat_to_wait() -> Iterator[bool]:
    """For one who would like to wait for a first answer: whether there is a seat for that."""
    seated = _waiting_for_an_answer.acquire(blocking=False)
    try:
        yield seated
    finally:
        if seated:
            _waiting_for_an_answer.release()
