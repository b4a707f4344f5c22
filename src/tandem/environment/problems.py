"""What can be wrong with an environment file, told so that one can mend it: where, what is there, what is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST = 80


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, at one place of the file."""

    file: str
    line: int
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}found {self.found}; allowed: {self.allowed}"


class EnvironmentFileError(Exception):
    """The environment file cannot be used; `problems` has everything that is wrong with it, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown(text: str) -> str:
    """A value as it stands in the file, on one line, printable and not too long."""
    quoted = ascii(text) if not text.isprintable() else f"'{text}'"
    return quoted if len(quoted) <= _LONGEST else f"{quoted[: _LONGEST - 1]}…"
