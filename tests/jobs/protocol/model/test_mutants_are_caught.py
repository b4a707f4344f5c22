"""With a safeguard taken out, the model has to break: by the schedule that is known to need it, and in the long run
(`make model`) also by chance.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.mutants import MUTANTS, ROOT, TESTS, make_mutant, mutate

MODEL = "tests/jobs/protocol/model"
# How many schedules may be made until chance finds it; 0: it is not looked for.
BY_CHANCE = int(os.environ.get("TANDEM_MODEL_MUTANTS", "0"))


def run_model(name: str, directory: Path, *args: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a part of the model on a copy of all, without the safeguard."""
    source = make_mutant(name, directory / "src")
    tests = directory / "tests"
    tests.mkdir()
    for file in ("conftest.py", "region.py", "mutants.py"):
        shutil.copy(TESTS / file, tests)
    shutil.copytree(TESTS / "jobs", tests / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", directory)
    mutate(tests, MUTANTS[name].twin)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "--no-migrations", *args],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": f"{source}:{directory}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", MUTANTS)
def test_the_known_schedule_breaks_without_its_safeguard(name: str, tmp_path: Path) -> None:
    file, test = f"{MODEL}/test_known_schedules.py", "test_" + re.sub(r"\W", "_", name)
    done = run_model(name, tmp_path, f"{file}::{test}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ledger.Broken" in done.stdout


@pytest.mark.skipif(not BY_CHANCE, reason="make model does")
@pytest.mark.parametrize("name", MUTANTS)
def test_chance_finds_that_a_safeguard_is_missing(name: str, tmp_path: Path) -> None:
    done = run_model(
        name, tmp_path, f"{MODEL}/test_model.py", TANDEM_MODEL_EXAMPLES=str(BY_CHANCE), TANDEM_MODEL_SHRINK="0"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ledger.Broken" in done.stdout
    made, broken = (re.search(text, done.stdout) for text in (r"([0-9]+) schedules", r"ledger\.Broken: (.*)"))
    print(f"{name} taken out: after {made and made[1]} schedules {broken and broken[1]}")
