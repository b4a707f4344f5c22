"""What all commands have in common: where they write, how they fail, and which environment file they mean."""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from tandem.environment import Environment


class Exit(IntEnum):
    """Exit statuses and what they mean. From 64 to 78 they are those of sysexits.h."""

    meaning: str

    def __new__(cls, status: int, meaning: str) -> "Exit":
        """A number that knows its meaning, from which the reference page is made."""
        one = int.__new__(cls, status)
        one._value_ = status
        one.meaning = meaning
        return one

    DONE = 0, "Done."
    FAILED = 1, "Failed; or the job that was waited for did."
    USAGE = 2, "The command was not understood."
    CANCELLED = 3, "The job that was waited for was cancelled."
    TIMEOUT = 4, "The job that was waited for reached its time limit."
    REFUSED = 65, "The portal refused what was sent."
    NOTHING_THERE = 66, "There is no such thing."
    UNAVAILABLE = 69, "The portal does not answer."
    NOT_ALLOWED = 77, "Not signed in, or not allowed."
    GAVE_UP = 124, "Gave up waiting, as told."
    INTERRUPTED = 130, "Interrupted."


# Answers go to stdout; what happens meanwhile, and what goes wrong, to stderr.
out = Console(highlight=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)

EnvironmentFile = Annotated[
    Path, typer.Option("--file", "-f", envvar="TANDEM_FILE", metavar="FILE", help="The environment file.")
]
ENVIRONMENT_FILE = Path("tandem.yaml")

# Whether the command that runs was asked for JSON: then its failure is a JSON document as well.
json_wanted: ContextVar[bool] = ContextVar("json_wanted", default=False)


def _remember(wanted: bool) -> bool:
    json_wanted.set(wanted)
    return wanted


AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON, also when it fails.", callback=_remember, is_eager=True)
]


def fail(text: str, status: Exit = Exit.FAILED, problem: Mapping[str, Any] | None = None) -> typer.Exit:
    """Say `text` on stderr, and with --json what is known of the problem on stdout; returns the exception to raise."""
    err.print(text, style="red", markup=False)
    print_problem(text, status, problem)
    return typer.Exit(status)


def print_problem(text: str, status: Exit, problem: Mapping[str, Any] | None = None) -> None:
    """With --json: a document like those of the API (RFC 9457), which says the exit status too."""
    if json_wanted.get():
        known = {"type": "about:blank", "title": status.meaning, "detail": text, **(problem or {})}
        print_json({**known, "exit_status": status})


def print_json(data: Any) -> None:
    """One JSON document on stdout, and nothing else there."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def environment_of(file: Path) -> "Environment":
    """The environment that `file` describes; what is wrong with it goes to stderr, and the command ends."""
    # Here, and not above: commands that only talk to a portal start in half the time without it.
    from tandem.environment import EnvironmentFileError, load_environment

    try:
        return load_environment(file)
    except EnvironmentFileError as error:
        raise fail(str(error)) from None
