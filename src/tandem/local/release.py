"""The application's code as the zones see it: a copy per version, so that the checkout may change meanwhile."""

import compileall
import hashlib
import os
import shutil
from pathlib import Path

from tandem.local.state import State, ensure_directory
from tandem.local.zone import SOURCE

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", "*.egg-info", "frontend")


def release_name(source: Path = SOURCE) -> str:
    """A name for the code as it is now: the same for the same content."""
    digest = hashlib.sha256()
    package = source / "tandem"
    for directory, names, files in os.walk(package):
        ignored = _IGNORED(directory, [*names, *files])
        names[:] = sorted(set(names) - ignored)
        for file in sorted(set(files) - ignored):
            path = Path(directory, file)
            digest.update(f"{path.relative_to(package)}\\0{path.stat().st_mode & 0o111}\\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def make_release(state: State, name: str, source: Path = SOURCE) -> Path:
    """The directory of the release `name`, copied and compiled if it is not there yet."""
    ensure_directory(state.releases)
    release = state.releases / name
    if release.exists():
        return release
    aside = state.releases / f".{name}"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(source / "tandem", aside / "tandem", ignore=_IGNORED)
    for directory, _, files in os.walk(aside):
        Path(directory).chmod(0o755)
        for file in files:
            path = Path(directory, file)
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    compileall.compile_dir(aside, quiet=2, stripdir=str(aside), prependdir="/opt/tandem/app")
    aside.rename(release)
    return release


def current_release(state: State) -> str | None:
    """The release that the zones run."""
    link = state.releases / "current"
    return str(link.readlink()) if link.is_symlink() else None


def switch_release(state: State, name: str) -> None:
    """Let everything that starts from now on run the release `name`; keep the one before, forget older ones."""
    before = current_release(state)
    if before != name:
        aside = state.releases / ".current"
        aside.unlink(missing_ok=True)
        aside.symlink_to(name)
        aside.rename(state.releases / "current")
    for other in state.releases.iterdir():
        if other.name not in ("current", name, before):
            shutil.rmtree(other)
