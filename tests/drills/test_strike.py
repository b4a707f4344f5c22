"""A strike ends what it began, whatever happens, and counts only when it took effect."""

from pathlib import Path
from typing import ClassVar

import pytest

from tandem.drills import strike as module
from tandem.drills.faults import FAULTS, Fault
from tandem.drills.portal import Portal
from tandem.drills.strike import Struck, Watch, strike
from tandem.environment import Environment, load_environment
from tandem.local.layout import Layout
from tandem.local.processes import NotRunningError

REFERENCE = Path(__file__).parents[2] / "tandem.yaml"


class Recorded(Fault):
    """A fault that notes what is done to it."""

    name = "recorded"
    says = "nothing"
    done: ClassVar[list[str]] = []
    fails = False
    effect = True

    def begin(self) -> None:
        self.done.append("begin")
        if self.fails:
            raise NotRunningError("there is no such zone")

    def halfway(self) -> None:
        self.done.append("halfway")

    def took_effect(self) -> bool:
        self.done.append("look")
        return self.effect

    def end(self) -> None:
        self.done.append("end")


class WellAtOnce(Watch):
    def __init__(self) -> None:
        super().__init__(Portal.__new__(Portal), lambda _text: None)

    def is_well(self, clusters: frozenset[str], since: float) -> bool:
        return True


@pytest.fixture
def environment() -> Environment:
    return load_environment(REFERENCE)


def struck(environment: Environment, **attributes: bool) -> Struck:
    fault = Recorded(environment, Layout(environment).zones[0])
    fault.done.clear()
    for name, value in attributes.items():
        setattr(fault, name, value)
    return strike(fault, 0.0, WellAtOnce(), lambda _text: None, stopping=lambda: False)


def test_it_begins_looks_and_ends(environment: Environment) -> None:
    found = struck(environment)
    assert Recorded.done == ["begin", "halfway", "look", "end"]
    assert found.took_effect
    assert found.recovered_after is not None


def test_one_without_effect_does_not_count(environment: Environment) -> None:
    found = struck(environment, effect=False)
    assert (found.took_effect, found.recovered_after) == (False, None)


def test_one_that_cannot_be_done_is_ended_and_told(environment: Environment) -> None:
    found = struck(environment, fails=True)
    assert Recorded.done == ["begin", "end"]
    assert not found.took_effect
    assert "there is no such zone" in found.trouble


def test_an_interrupt_ends_it_too(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float, _stopping: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_pause", interrupted)
    with pytest.raises(KeyboardInterrupt):
        struck(environment)
    assert Recorded.done == ["begin", "end"]


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_says_what_it_does_and_where(environment: Environment, name: str) -> None:
    fault = FAULTS[name](environment, Layout(environment).zones[0])
    assert len(fault.says) > 20
    assert "cluster1" in fault.clusters
