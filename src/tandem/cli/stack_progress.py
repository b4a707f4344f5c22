"""Shows how far stacks are: a bar each on a terminal, else a line for each change."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from tandem.aws.deploying import Progress as StackProgress
from tandem.aws.deploying import Show


def words(status: str) -> str:
    """`UPDATE_ROLLBACK_IN_PROGRESS` as people say it."""
    return status.replace("_", " ").lower() or "not begun"


@contextmanager
def shown(console: Console) -> Iterator[Show]:
    """What to call with how far the stacks are, for as long as the block runs."""
    if console.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description:<17}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[working_on]}"),
        )
        with Progress(*columns, console=console) as progress:
            yield _Bars(progress).show
    else:
        yield _Lines(console).show


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def show(self, stacks: Sequence[StackProgress]) -> None:
        """Move the bars; a stack that nothing happens to has none."""
        for one in stacks:
            if not (one.step.done or one.step.working_on):
                continue
            if one.stack not in self.tasks:
                self.tasks[one.stack] = self.progress.add_task(one.stack, total=None, working_on="")
            total = max(one.total, one.step.done) if one.total else None
            finished = not one.step.status.endswith("_IN_PROGRESS")
            self.progress.update(
                self.tasks[one.stack],
                completed=one.step.done,
                total=one.step.done if finished else total,
                working_on=words(one.step.status) if finished else one.step.working_on,
            )


class _Lines:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.said: dict[str, str] = {}

    def show(self, stacks: Sequence[StackProgress]) -> None:
        """Say what has another state than last time."""
        for one in stacks:
            if (one.step.done or one.step.working_on) and self.said.get(one.stack) != one.step.status:
                self.said[one.stack] = one.step.status
                self.console.print(f"{one.stack}: {words(one.step.status)}", markup=False)
