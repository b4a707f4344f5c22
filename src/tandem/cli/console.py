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
    """Exit statuses. From 64 to 78 they are those of sysexits.h."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    TIMEOUT = 4
    REFUSED = 65
    NOTHING_THERE = 66
    UNAVAILABLE = 69
    NOT_ALLOWED = 77
    GAVE_UP = 124
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """In words: for problems, and for the reference page."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.DONE: "Done.",
    Exit.FAILED: "Failed; or the job that was waited for did.",
    Exit.USAGE: "The command was not understood.",
    Exit.CANCELLED: "The job that was waited for was cancelled.",
    Exit.TIMEOUT: "The job that was waited for reached its time limit.",
    Exit.REFUSED: "The portal refused what was sent.",
    Exit.NOTHING_THERE: "There is no such thing.",
    Exit.UNAVAILABLE: "The portal does not answer.",
    Exit.NOT_ALLOWED: "Not signed in, or not allowed.",
    Exit.GAVE_UP: "Gave up waiting, as told.",
    Exit.INTERRUPTED: "Interrupted.",
}


# Answers go to stdout; what happens meanwhile, and what goes wrong, to stderr.
# Addresses of AWS hold words between colons (`:secret:`) that would be made pictures.
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)

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
