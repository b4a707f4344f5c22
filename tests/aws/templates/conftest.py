"""The templates of two environments, made once for all tests of all processes: asking them takes no time."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.aws.emulator.running import NODE
from tests.aws.templates.synthesis import Templates, read

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where they are. Whichever process comes first makes them; the others wait."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "templates"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "unaccepted" / "error").exists():
            done = subprocess.run(
                [sys.executable, "-m", "tests.aws.templates.make", directory],
                env={**os.environ, **NODE, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="session")
def templates(synthesized: Path) -> Templates:
    """Those of the environment that comes with Tandem."""
    return read(synthesized / "default")


@pytest.fixture(scope="session")
def otherwise(synthesized: Path) -> Templates:
    """Those of an environment that wants everything else that can be had."""
    return read(synthesized / "otherwise")
