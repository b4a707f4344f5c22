"""`tandem keys`: what a person is told, and when it says no."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tandem.cli import keys
from tandem.local.keys import LocalKeys
from tandem.local.secrets import Secrets
from tandem.local.state import State

REFERENCE = Path(__file__).parents[2] / "tandem.yaml"


class Ground(LocalKeys):
    """The records of an environment that is described and not running; clusters and signers hear at once."""

    away: list[str] = []
    parent = Path()

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.state = State(environment.name, self.parent)
        self.secrets = Secrets(self.state.secrets)

    def carry(self) -> None:
        """Nothing to be told."""

    def out_of_reach(self) -> list[str]:
        return self.away

    def trusted(self) -> dict[str, frozenset[str]]:
        return dict.fromkeys(("cluster1", "cluster2"), frozenset(key for key in self.fingerprints().values() if key))

    def signing(self) -> dict[str, str]:
        return {"portal-a": str(self.fingerprints()["signing"])}


@pytest.fixture
def ground(home: Path, monkeypatch: pytest.MonkeyPatch) -> type[Ground]:
    (home / "tandem.yaml").write_text(REFERENCE.read_text().replace("name: tandem\n", "name: nobody\n"))
    monkeypatch.setattr(Ground, "parent", home)
    monkeypatch.setattr(Ground, "away", [])
    monkeypatch.setattr("tandem.local.state.LOCKS", home / "locks")
    monkeypatch.setattr(keys, "LocalKeys", Ground)
    return Ground


@pytest.fixture
def made(ground: type[Ground], home: Path) -> Secrets:
    secrets = Secrets(State("nobody", home).secrets)
    secrets.prepare([], ["cluster1", "cluster2"])
    return secrets


@pytest.mark.usefixtures("ground")
@pytest.mark.parametrize("words", [("show",), ("rotate",), ("rotate", "--finish")])
def test_an_environment_that_was_never_up_has_no_keys(tandem: Callable[..., Any], words: tuple[str, ...]) -> None:
    outcome = tandem("keys", *words)
    assert (outcome.status, outcome.stdout) == (66, "")
    assert "has no keys yet" in outcome.stderr


def test_a_rotation_says_what_is_left_to_do_and_is_finished(tandem: Callable[..., Any], made: Secrets) -> None:
    shown = tandem("keys", "show", "--json").json
    assert (shown["stage"], shown["finish_from"]) == ("settled", None)
    assert set(shown["host_keys"]) == {"cluster1", "cluster2"}
    outcome = tandem("keys", "rotate")
    assert outcome.status == 0
    assert "`tandem keys rotate --finish` drops it" in outcome.stderr
    shown = tandem("keys", "show", "--json").json
    assert shown["stage"] == "replacing"
    assert datetime.fromisoformat(shown["finish_from"]) > datetime.now(UTC)
    assert shown["authorities"]["leaving"] in tandem("keys", "show").stdout
    refused = tandem("keys", "rotate", "--finish", "--json")
    assert (refused.status, refused.json["exit_status"]) == (1, 1)
    assert "may be good until" in refused.json["detail"]
    assert tandem("keys", "rotate", "--finish", "--now", "--json").json["stage"] == "settled"
    assert not made.rotation_is_under_way()


def test_a_zone_that_is_down_is_named_and_nothing_is_begun(
    tandem: Callable[..., Any], made: Secrets, ground: type[Ground]
) -> None:
    ground.away = ["zone-b is down: `tandem zone start zone-b` first"]
    outcome = tandem("keys", "rotate")
    assert outcome.status == 1
    assert "tandem zone start zone-b" in outcome.stderr
    assert not made.rotation_is_under_way()


@pytest.mark.usefixtures("made")
def test_an_interrupted_rotation_goes_on(tandem: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Ground, "replace", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        outcome = tandem("keys", "rotate")
    assert outcome.status == 130
    assert "goes on" in outcome.stderr
    shown = tandem("keys", "show")
    assert "`tandem keys rotate` goes on with it" in shown.stderr
    assert tandem("keys", "rotate", "--json").json["stage"] == "replacing"


@pytest.mark.usefixtures("made")
def test_now_goes_with_finish(tandem: Callable[..., Any]) -> None:
    assert tandem("keys", "rotate", "--now").status == 2
