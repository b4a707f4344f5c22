"""Transactions that the database gives up because two stood in each other's way: they are simply done again."""

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection

# "Deadlock found" and "Lock wait timeout exceeded" of MariaDB and MySQL: the whole transaction was rolled back.
_IN_THE_WAY = frozenset({1205, 1213})
TRIES = 5

P = ParamSpec("P")
R = TypeVar("R")


def was_in_the_way(problem: OperationalError) -> bool:
    """Whether a transaction failed only because another was under way."""
    return bool(problem.args) and problem.args[0] in _IN_THE_WAY


def done_again(act: Callable[P, R]) -> Callable[P, R]:
    """Does `act`, which opens the outermost transaction itself, again when that was in another's way.

    Inside somebody else's transaction the failure is passed on: only he can do all of it again.
    """

    @functools.wraps(act)
    def doing(*args: P.args, **kwargs: P.kwargs) -> R:
        for left in range(TRIES - 1, -1, -1):
            try:
                return act(*args, **kwargs)
            except OperationalError as problem:
                if not left or connection.in_atomic_block or not was_in_the_way(problem):
                    raise
                time.sleep(random.uniform(0.005, 0.05))  # noqa: S311
        raise AssertionError  # pragma: no cover

    return doing
