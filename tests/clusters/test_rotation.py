"""Replacing the SSH authority: at no moment is somebody locked out, whatever interrupts it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tandem.clusters import rotation
from tandem.clusters.rotation import RotationRefused, Stage, finish, records_of, rotate


class Interrupted(BaseException):
    """As Ctrl-C."""


class Environment:
    """Two clusters and two portal nodes, to which things are carried one by one; each step can be the last one."""

    def __init__(self) -> None:
        self.keys: dict[str, str | None] = {"signing": "first", "coming": None, "leaving": None}
        self.since: datetime | None = None
        self.sshd = {name: frozenset({"first"}) for name in ("cluster1", "cluster2")}
        self.signers = {"portal-a": "first", "portal-b": "first"}
        self.away: list[str] = []
        self.deaf: set[str] = set()
        self.steps_left = -1
        self.names = (f"key-{number}" for number in count(1))

    def step(self) -> None:
        if self.steps_left == 0:
            raise Interrupted
        self.steps_left -= 1

    def fingerprints(self) -> dict[str, str | None]:
        return dict(self.keys)

    def replaced_at(self) -> datetime | None:
        return self.since

    def introduce(self) -> None:
        self.step()
        self.keys["coming"] = next(self.names)

    def replace(self) -> None:
        self.step()
        self.keys = {"signing": self.keys["coming"], "coming": None, "leaving": self.keys["signing"]}
        self.since = datetime.now(UTC)

    def note_replaced(self) -> None:
        self.step()
        self.since = datetime.now(UTC)

    def drop(self) -> None:
        self.step()
        self.keys["leaving"] = None

    def carry(self) -> None:
        for name in self.sshd:
            self.step()
            if name not in self.deaf:
                self.sshd[name] = records_of(self).trusted
            self.check()
        for name in self.signers:
            self.step()
            if name not in self.deaf:
                self.signers[name] = str(self.keys["signing"])
            self.check()

    def check(self) -> None:
        """What every signer signs now opens every cluster."""
        for key in self.signers.values():
            assert all(key in trusted for trusted in self.sshd.values())

    def out_of_reach(self) -> list[str]:
        return self.away

    def trusted(self) -> dict[str, frozenset[str]]:
        return self.sshd

    def signing(self) -> dict[str, str]:
        return self.signers


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr(rotation, "ARRIVAL", 0.0)
    monkeypatch.setattr(rotation, "LOOK_EVERY", 0.0)
    return Environment()


def silent(_: str) -> None:
    """Says nothing."""


def test_both_are_trusted_while_the_new_one_signs_until_it_is_finished(environment: Environment) -> None:
    assert rotate(environment, silent).stage is Stage.REPLACING
    assert set(environment.signers.values()) == {"key-1"}
    assert set(environment.sshd.values()) == {frozenset({"first", "key-1"})}
    assert finish(environment, silent, at_once=True).stage is Stage.SETTLED
    assert set(environment.signers.values()) == {"key-1"}
    assert set(environment.sshd.values()) == {frozenset({"key-1"})}


def test_calling_it_again_does_not_begin_another_rotation(environment: Environment) -> None:
    rotate(environment, silent)
    since = environment.since
    assert rotate(environment, silent).signing == "key-1"
    assert environment.since == since
    finish(environment, silent, at_once=True)
    assert finish(environment, silent).signing == "key-1"
    assert rotate(environment, silent).signing == "key-2"


@pytest.mark.parametrize("verb", [rotate, lambda ground, say: finish(ground, say, at_once=True)])
def test_interrupted_anywhere_nobody_is_locked_out_and_calling_it_again_goes_on(
    environment: Environment, verb: Callable[..., object]
) -> None:
    for steps in count():
        again = Environment()
        if verb is not rotate:
            rotate(again, silent)
        again.steps_left = steps
        try:
            verb(again, silent)
        except Interrupted:
            again.check()
            again.steps_left = -1
            verb(again, silent)
        else:
            break
        again.check()
        assert set(again.signers.values()) == {"key-1"}
        assert len(again.sshd["cluster1"]) == (2 if verb is rotate else 1)
        assert again.sshd["cluster1"] == again.sshd["cluster2"]
    assert steps > 3


def test_nothing_is_begun_while_a_zone_is_down(environment: Environment) -> None:
    environment.away = ["zone-b is down"]
    for verb in (rotate, finish):
        with pytest.raises(RotationRefused, match="zone-b is down"):
            verb(environment, silent)
    assert environment.keys == {"signing": "first", "coming": None, "leaving": None}


def test_nothing_is_begun_while_a_signer_does_not_answer(environment: Environment) -> None:
    environment.signers["portal-b"] = ""
    with pytest.raises(RotationRefused, match="portal-b"):
        rotate(environment, silent)
    assert environment.keys["coming"] is None


def test_it_does_not_sign_with_the_new_one_before_every_cluster_has_heard_of_it(environment: Environment) -> None:
    environment.deaf = {"cluster2"}
    with pytest.raises(RotationRefused, match="cluster2 has not heard"):
        rotate(environment, silent)
    assert set(environment.signers.values()) == {"first"}
    environment.deaf = set()
    assert rotate(environment, silent).signing == "key-1"


def test_the_old_one_is_not_dropped_while_its_certificates_may_be_good(environment: Environment) -> None:
    rotate(environment, silent)
    with pytest.raises(RotationRefused, match="may be good until"):
        finish(environment, silent)
    environment.since = datetime.now(UTC) - timedelta(minutes=6)
    finish(environment, silent)
    assert environment.sshd["cluster1"] == {"key-1"}


def test_a_signer_that_followed_late_puts_off_the_end(environment: Environment) -> None:
    rotate(environment, silent)
    environment.signers["portal-b"] = "first"
    environment.since = datetime.now(UTC) - timedelta(days=1)
    with pytest.raises(RotationRefused, match="may be good until"):
        finish(environment, silent)
    assert environment.signers["portal-b"] == "key-1"
