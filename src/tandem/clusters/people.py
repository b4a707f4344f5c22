"""Who may enter the clusters: the people file that the worker publishes, as the signer and the door read it."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class PeopleFile:
    """The file at `path`, read again whenever it has been replaced."""

    path: Path
    _version: tuple[int, int, int] | None = field(default=None, init=False)
    _enabled: frozenset[str] = field(default=frozenset(), init=False)

    def enabled(self) -> frozenset[str]:
        """Names of the people who may enter now. Raises OSError or ValueError when the file cannot be read."""
        about = self.path.stat()
        version = (about.st_ino, about.st_mtime_ns, about.st_size)
        if version != self._version:
            content = json.loads(self.path.read_bytes())
            try:
                self._enabled = frozenset(
                    str(person["name"]) for person in content["people"] if person["enabled"] is True
                )
            except (KeyError, TypeError) as problem:
                raise ValueError(f"{self.path} is not a people file: {problem!r}") from problem
            self._version = version
        return self._enabled
