"""Runs scripts by the Python of ParallelCluster's own environment, the same way on every machine."""

import os
import subprocess
from pathlib import Path

PYTHON = Path(__file__).parents[4] / "build" / "parallelcluster" / "bin" / "python"
# Nothing is asked of AWS; the library wants to know a region all the same. Nothing that a person has set counts.
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "PATH": os.defpath,
}


def answer(script: Path, given: str) -> str:
    """What `script` prints, reading `given`."""
    assert PYTHON.exists(), "run `make build/parallelcluster/.ready`"
    done = subprocess.run(
        [PYTHON, script], input=given, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
