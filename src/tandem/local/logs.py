"""The logs of the services, which outlive their zones."""

from collections.abc import Iterator
from pathlib import Path

from tandem.local.state import State

# Written by programs that do not leave it to supervisord.
_OTHERS = {"munged": "munge/munged.log", "database": "mysql/error.log"}


def log_files(state: State) -> dict[str, Path]:
    """Every log by `place/service`."""
    return {f"{place}/{name}": path for place, root in state.logs().items() for name, path in _of_place(root)}


def _of_place(root: Path) -> Iterator[tuple[str, Path]]:
    if not root.is_dir():
        return
    for path in sorted(root.glob("*.out")):
        other = root / _OTHERS.get(path.stem, "")
        yield path.stem, other if other.is_file() else path
    for name in ("supervisord", "manage"):
        if (root / f"{name}.log").is_file():
            yield name, root / f"{name}.log"


def matching_logs(state: State, wanted: str | None) -> dict[str, Path]:
    """The logs that `wanted` means: `place/service`, a place, or a service in all places."""
    found = log_files(state)
    if wanted is None or wanted in found:
        return found if wanted is None else {wanted: found[wanted]}
    return {name: path for name, path in found.items() if wanted in name.split("/")}
