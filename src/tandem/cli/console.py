"""What all commands have in common: where they write, how they fail, and which environment file they mean."""

import json
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from tandem.environment import Environment


class Exit(IntEnum):
    """Exit statuses. From 64 on they are those of sysexits.h."""

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


# Answers go to stdout; what happens meanwhile, and what goes wrong, to stderr.
out = Console(highlight=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)

EnvironmentFile = Annotated[
    Path, typer.Option("--file", "-f", envvar="TANDEM_FILE", metavar="FILE", help="The environment file.")
]
ENVIRONMENT_FILE = Path("tandem.yaml")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(text: str, status: Exit = Exit.FAILED) -> typer.Exit:
    """Say `text` on stderr; returns the exception to raise."""
    err.print(text, style="red", markup=False)
    return typer.Exit(status)


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
