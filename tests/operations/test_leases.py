"""Leases: one worker at a time, and another within seconds when it is gone."""

from datetime import timedelta

import pytest

from tandem.clock import database_now
from tandem.clusters import ask_signer
from tandem.operations import leases
from tandem.operations.leases import DURATION, LeaseKeeper, acquire, release
from tandem.operations.models import Lease

pytestmark = pytest.mark.django_db


def test_one_of_two_gets_it_and_keeps_it() -> None:
    assert acquire("watch:cluster1", "first")
    assert not acquire("watch:cluster1", "second")
    assert acquire("watch:cluster1", "first")


def test_another_takes_over_what_has_run_out() -> None:
    assert acquire("watch:cluster1", "first")
    Lease.objects.update(expires_at=database_now() - timedelta(milliseconds=1))
    assert acquire("watch:cluster1", "second")
    assert not acquire("watch:cluster1", "first")


def test_what_is_given_back_is_free_at_once() -> None:
    acquire("watch:cluster1", "first")
    release(["watch:cluster1"], "first")
    assert acquire("watch:cluster1", "second")


def test_giving_back_does_not_take_it_from_somebody_else() -> None:
    acquire("watch:cluster1", "second")
    release(["watch:cluster1"], "first")
    assert not acquire("watch:cluster1", "first")


def test_a_takeover_takes_less_than_ten_seconds() -> None:
    assert DURATION.total_seconds() + leases.RENEW_EVERY < 10


def test_a_keeper_holds_no_longer_than_the_database_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    keeper = LeaseKeeper("first", ["watch:cluster1"])
    keeper.renew()
    assert keeper.holds("watch:cluster1")
    now[0] += DURATION.total_seconds()
    assert not keeper.holds("watch:cluster1"), "the database was not asked since"


def test_a_stuck_loops_lease_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    keeper = LeaseKeeper("first", ["watch:cluster1"])
    keeper.renew()
    Lease.objects.update(expires_at=database_now() - timedelta(seconds=1))
    now[0] += leases.STUCK_AFTER + 1
    keeper.renew()
    assert acquire("watch:cluster1", "second")


def test_a_node_that_cannot_enter_clusters_gives_its_leases_up_and_takes_them_again_later() -> None:
    fit = [True]
    keeper = LeaseKeeper("first", ["watch:cluster1"], lambda: fit[0])
    keeper.turn()
    fit[0] = False
    for _ in range(leases.UNFIT_AFTER):
        keeper.turn()
    assert not keeper.holds("watch:cluster1")
    assert acquire("watch:cluster1", "second")
    release(["watch:cluster1"], "second")
    fit[0] = True
    keeper.turn()
    assert keeper.holds("watch:cluster1")


def test_one_hiccup_costs_no_lease() -> None:
    answers = iter([True, False, True])
    keeper = LeaseKeeper("first", ["watch:cluster1"], lambda: next(answers))
    for _ in range(3):
        keeper.turn()
        assert keeper.holds("watch:cluster1")


def test_a_dead_signers_leases_are_taken_over_within_ten_seconds() -> None:
    assert (leases.UNFIT_AFTER + 1) * leases.RENEW_EVERY + leases.UNFIT_AFTER * ask_signer.PING_TIME < 10
