"""The worker's loops outlive whatever goes wrong in one of their turns."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError, connections

from tandem.operations import worker
from tandem.operations.worker import Loop


def run_until(loop: Loop, stopping: threading.Event, done: Callable[[], bool]) -> None:
    loop.start()
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)
    stopping.set()
    loop.join(10)
    assert not loop.is_alive()


@pytest.mark.parametrize("problem", [OperationalError(1290, "running with --read-only"), ValueError("a bug")])
def test_a_failed_turn_is_followed_by_the_next(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "AFTER_FAILURE", 0.01)
    stopping = threading.Event()
    turns: list[int] = []

    def turn() -> float:
        turns.append(1)
        if len(turns) < 3:
            raise problem
        return 0.01

    run_until(Loop("a loop", turn, stopping), stopping, lambda: len(turns) > 5)


def test_a_read_only_database_is_left_for_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    monkeypatch.setattr(worker, "AFTER_FAILURE", 0.01)
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)
    monkeypatch.setattr(type(connections["default"]), "close", lambda self: closed.append(1))
    stopping = threading.Event()

    def turn() -> float:
        raise OperationalError(1290, "running with --read-only")

    run_until(Loop("a loop", turn, stopping), stopping, lambda: len(closed) > 1)


def test_a_loop_rests_while_its_lease_is_somebody_elses() -> None:
    stopping = threading.Event()
    asked: list[str] = []
    turns: list[int] = []

    def holds(name: str) -> bool:
        asked.append(name)
        return len(asked) > 2

    def turn() -> float:
        turns.append(len(asked))
        return 0.01

    run_until(Loop("watch:cluster1", turn, stopping, holds), stopping, lambda: bool(turns))
    assert turns[0] == 3
    assert asked[0] == "watch:cluster1"


def test_what_is_to_be_done_at_the_end_is_done() -> None:
    stopping = threading.Event()
    ended: list[int] = []
    loop = Loop("a loop", lambda: 0.01, stopping, at_end=lambda: ended.append(1))
    run_until(loop, stopping, lambda: True)
    assert ended == [1]
