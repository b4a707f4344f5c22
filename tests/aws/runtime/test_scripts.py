"""Every script that runs on a machine of AWS's is looked at by shellcheck, and stops at what fails."""

import subprocess
from pathlib import Path

import pytest

AWS = Path(__file__).parents[3] / "src/tandem/aws"
SCRIPTS = sorted(AWS.glob("*/runtime/**/*.sh"))


def test_they_are_found() -> None:
    assert {script.name for script in SCRIPTS} >= {"loader.sh", "setup.sh", "boot.sh"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.name))
def test_shellcheck_finds_nothing(script: Path) -> None:
    found = subprocess.run(["shellcheck", "--", script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.name))
def test_it_stops_at_what_fails_and_waits_for_nothing_without_end(script: Path) -> None:
    text = script.read_text()
    assert "\nset -eu\n" in text
    for line in text.splitlines():
        if any(word in line.split() for word in ("aws", "dnf", "pip", "curl")) and not line.lstrip().startswith("#"):
            assert "timeout " in line or line.startswith(("pip()", "pip ")), line


def test_nothing_unpinned_is_fetched_from_elsewhere() -> None:
    for script in SCRIPTS:
        text = script.read_text()
        assert "http://" not in text
        assert "https://" not in text
        assert "curl " not in text
