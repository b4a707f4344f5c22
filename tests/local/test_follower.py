"""Whom Slurm takes for an operator follows who is an administrator, also what changed while nobody looked."""

import json
import subprocess
from pathlib import Path

import pytest

from tandem.local import follower
from tandem.local.accounts import Account


class Slurm:
    """An accounting database with some operators, or one that does not answer."""

    def __init__(self) -> None:
        self.operators: set[str] = set()
        self.answers = True

    def __call__(self, cluster: str, *command: str) -> subprocess.CompletedProcess[str] | None:
        if not self.answers:
            return None
        if "show" in command:
            return subprocess.CompletedProcess(command, 0, "".join(f"{name}\n" for name in sorted(self.operators)), "")
        if "adminlevel=none" in command:
            self.operators -= {word.removeprefix("name=") for word in command if word.startswith("name=")}
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    facts = tmp_path / "zone.json"
    facts.write_text(json.dumps({"clusters": {"cluster1": {}}}))
    monkeypatch.setattr(follower, "ZONE_FACTS", facts)
    made = Slurm()
    monkeypatch.setattr(follower, "_slurm", made)
    return made


def person(name: str, *, administrator: bool = True, enabled: bool = True) -> Account:
    return Account(name, 2000, "", (), enabled, administrator)


def test_who_is_an_administrator_no_more_is_no_operator_after_a_restart(slurm: Slurm) -> None:
    slurm.operators = {"chief", "demoted", "disabled", "forgotten"}
    people = [person("chief"), person("demoted", administrator=False), person("disabled", enabled=False)]
    assert follower.remove_former_operators(people)
    assert slurm.operators == {"chief"}


def test_it_is_tried_again_until_slurm_answers(slurm: Slurm) -> None:
    slurm.operators, slurm.answers = {"demoted"}, False
    assert not follower.remove_former_operators([person("chief")])
    slurm.answers = True
    assert follower.remove_former_operators([person("chief")])
    assert slurm.operators == set()
