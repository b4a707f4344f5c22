"""What is needed to look into a broken promise, kept before the environment is gone."""

import tarfile
import tempfile
from pathlib import Path

from tandem.drills.trial import Outcome
from tandem.environment import Environment
from tandem.local.state import State


def keep(environment: Environment, outcome: Outcome) -> Path:
    """Control directories and evidence of the jobs concerned, and all logs, in one file."""
    state, name = State(environment.name), environment.administrator.name
    with tempfile.NamedTemporaryFile(prefix=f"drill-{outcome.seed}-", suffix=".tar.gz", delete=False) as file:
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            for job in {one.job for one in outcome.judgement.broken}:
                for path in (
                    state.efs / "spoolers" / name / ".tandem" / job,
                    *state.efs.glob(f"home/{name}/drill-*/{job}.*"),
                ):
                    _add(tar, path, state.root)
                for path in state.storage.glob(f"scratch/*/{name}/drill-*/{job}.*"):
                    _add(tar, path, state.root)
            for log in state.logs().values():
                _add(tar, log, state.root)
        return Path(file.name)


def _add(tar: tarfile.TarFile, path: Path, root: Path) -> None:
    if path.exists():
        tar.add(path, str(path.relative_to(root)))
