"""What can be wrong with an environment file, told so that one can mend it: where, what is there, what is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST = 80


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, at one place of the file. Printable, whatever the file contains."""

    file: str
    line: int
    key: str
    found: str
    allowed: str

    def __post_init__(self) -> None:
        for name in ("file", "key", "found", "allowed"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}found {self.found}; allowed: {self.allowed}"


class EnvironmentFileError(Exception):
    """The environment file cannot be used; `problems` has everything that is wrong with it, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def printable(text: str) -> str:
    """The same text; with escapes where it could not be printed on one line."""
    return text if text.isprintable() else ascii(text)[1:-1]


def shown(text: str) -> str:
    """A value as it stands in the file, on one line, printable and not too long."""
    line = printable(text)
    return f"'{line if len(line) <= _LONGEST else f'{line[: _LONGEST - 1]}…'}'"
