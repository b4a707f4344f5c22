"""Writes the reference pages that are made from the code: `make docs`."""

import inspect
import sys
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click
from typer.core import TyperGroup

from tandem.cli.console import Exit
from tandem.cli.main import SUB_COMMANDS, app
from tandem.environment.reference import reference_page

REFERENCE = Path(__file__).parent / "reference"


def commands_page() -> str:
    """The page of all commands and their options."""
    group = typer.main.get_group(app)
    loaded = {name: sub.load(name) for name, sub in SUB_COMMANDS.items()}
    for command in loaded.values():
        _say_whole_sentences(command)
    whole = TyperGroup(name="tandem", commands=loaded, params=group.params, help=group.help)
    page = get_docs_for_click(obj=whole, ctx=typer.Context(whole), name="tandem", title="Commands")
    # Short names are enough to choose by; help on help is not.
    lines = [line.rstrip() for line in page.splitlines() if not line.startswith(("* `--help`", "* `-h, --help`"))]
    return "\n".join(lines).strip() + "\n\n" + exit_statuses()


def exit_statuses() -> str:
    """What the commands' exit statuses mean."""
    rows = "".join(f"| {int(status)} | {status.meaning} |\n" for status in Exit)
    return f"""## Exit statuses

| Status | Meaning |
| --- | --- |
{rows}
With `--json` there is one JSON document on standard output, whatever happens. When a command fails, it is a problem as
in the API (RFC 9457) with `title`, `detail`, `exit_status` and, where the portal said no, its `status` and the `errors`
of each field. `check`, `status`, `drill` and `job wait` print their ordinary document where what they found is not
good. What is meant for people goes to standard error.
"""


def _say_whole_sentences(command: Any) -> None:
    """In lists of commands, the first sentence of a command's help instead of its first 45 characters."""
    command.short_help = inspect.cleandoc(command.help or "").partition(". ")[0].rstrip(".") + "."
    for inner in getattr(command, "commands", {}).values():
        _say_whole_sentences(inner)


PAGES = {"environment-file.md": reference_page, "commands.md": commands_page}


def main() -> None:
    """Write all pages; with `--check`, only say which are stale."""
    stale = [name for name, page in PAGES.items() if not _is_current(REFERENCE / name, page())]
    if "--check" in sys.argv[1:]:
        sys.exit("".join(f"docs/reference/{name} is stale: run `make docs`\n" for name in stale) or None)
    for name in stale:
        (REFERENCE / name).write_text(PAGES[name]())
        print(f"wrote docs/reference/{name}")


def _is_current(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text() == text


if __name__ == "__main__":
    main()
