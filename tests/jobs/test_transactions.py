"""Transactions that stood in each other's way are done again; everything else is told."""

from collections.abc import Callable

import pytest
from django.db import OperationalError, transaction

from tandem.jobs.transactions import TRIES, done_again


def failing(times: int, number: int) -> tuple[list[int], Callable[[], str]]:
    tries: list[int] = []

    @done_again
    def act() -> str:
        tries.append(1)
        if len(tries) <= times:
            raise OperationalError(number, "the database's words")
        return "done"

    return tries, act


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_tried_again() -> None:
    tries, act = failing(2, 1213)
    assert act() == "done"
    assert len(tries) == 3


@pytest.mark.django_db(transaction=True)
def test_it_is_not_tried_for_ever() -> None:
    tries, act = failing(1000, 1205)
    with pytest.raises(OperationalError):
        act()
    assert len(tries) == TRIES


@pytest.mark.django_db(transaction=True)
def test_another_problem_is_told_at_once() -> None:
    tries, act = failing(1, 2006)
    with pytest.raises(OperationalError):
        act()
    assert len(tries) == 1


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_only_its_owner_can_do_all_of_it_again() -> None:
    tries, act = failing(1, 1213)
    with pytest.raises(OperationalError), transaction.atomic():
        act()
    assert len(tries) == 1
