"""Telling a person what `up` and `down` are doing: a line per step, and the end of the log of one that fails."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

TAIL_LINES = 25


class StepError(Exception):
    """A step failed. `log` is the file that says why, if there is one."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class Step:
    """One step while it runs."""

    def __init__(self, title: str, show: Callable[[str], None]) -> None:
        self.title = title
        self.detail = ""
        self._show = show

    def note(self, detail: str) -> None:
        """Say how far it is; the last note stays on the line."""
        if detail != self.detail:
            self.detail = detail
            self._show(self.line())

    def line(self) -> str:
        """The step and its note, in rich's markup."""
        return escape(self.title) + (f" [dim]{escape(self.detail)}[/]" if self.detail else "")


class Progress:
    """Shows steps on a console: a spinner while one runs, a line with its time when it is done."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step for as long as the block runs."""
        start = time.monotonic()
        with self.console.status(escape(title)) as status:
            step = Step(title, status.update)
            try:
                yield step
            except BaseException:
                status.stop()
                self.console.print(f"[red]✗[/] {step.line()}")
                raise
        self.console.print(f"[green]✓[/] {step.line()} [dim]{time.monotonic() - start:.1f} s[/]")

    def explain(self, error: StepError) -> None:
        """Say why a step failed, with the end of its log."""
        self.console.print(str(error), style="red", markup=False)
        if error.log and error.log.is_file():
            lines = error.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            self.console.print(f"[dim]the end of {escape(str(error.log))}:[/]")
            for line in lines:
                self.console.print(f"  {line}", markup=False, highlight=False)


def wait_until(ready: Callable[[], bool], what: str, deadline: float, log: Path | None = None) -> None:
    """Wait for a condition. Raises StepError after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not ready():
        if time.monotonic() > end:
            raise StepError(f"{what}: not within {deadline:.0f} s", log)
        time.sleep(0.1)
