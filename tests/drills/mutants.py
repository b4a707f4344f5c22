"""`make drill-mutants`: takes out one safeguard at a time, and lets a storm loose that is aimed at what it prevents.

Each is let loose twice, on Tandem as it is and without the safeguard. The count of the promise that the safeguard
serves must not be zero without it, and all counts must be zero with it: a storm that cannot fail proves nothing, and
one that always fails neither.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from tests.drills.aimed import AIMS, run_aimed
from tests.mutants import MUTANTS, make_mutant

from tandem.drills.__main__ import interrupt
from tandem.drills.environment import bring_up, own_file
from tandem.drills.promises import PROMISES
from tandem.drills.report import summary
from tandem.drills.trial import Outcome
from tandem.environment import Environment

# A fault that did not take effect does not count: some moments are short.
TRIES = 4


def is_noticed(name: str, outcome: Outcome) -> bool:
    """Whether the storm without this safeguard showed what it prevents."""
    return bool(outcome.effective) and outcome.judgement.count(MUTANTS[name].shows) > 0


def is_calm(outcome: Outcome) -> bool:
    """Whether the storm with all safeguards did what it should, and broke nothing."""
    return bool(outcome.effective) and outcome.held


def main(names: Sequence[str], environment_name: str) -> int:
    """Run those; the exit status says whether each was noticed, and nothing else."""
    signal.signal(signal.SIGTERM, interrupt)
    console = Console(highlight=False)
    table = Table("taken out", "must show", *PROMISES, "", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    began, failed = time.monotonic(), 0

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s {text}", style="dim", markup=False)

    def storm(name: str, environment: Environment) -> Outcome:
        for _ in range(TRIES):
            outcome = run_aimed(AIMS[name], environment, say)
            if outcome.effective or not outcome.held:
                break
            say("the fault missed its moment: once more")
        console.print(summary(outcome), markup=False)
        for broken in outcome.judgement.broken[:3]:
            console.print(f"{broken.promise}: {broken.words}", markup=False)
        return outcome

    with own_file(environment_name) as file, TemporaryDirectory() as directory:
        # Readable for the zones' service accounts.
        Path(directory).chmod(0o755)
        environment = bring_up(file)
        for name in names:
            console.print(f"[bold]{name}[/]: nothing taken out")
            outcome = storm(name, environment)
            _row(table, "nothing", "", outcome, "as it should be" if is_calm(outcome) else "[red]NOT CALM[/]")
            failed += not is_calm(outcome)
        for name in names:
            console.print(f"without [bold]{name}[/]")
            outcome = storm(name, bring_up(file, make_mutant(name, Path(directory) / name)))
            noticed = is_noticed(name, outcome)
            _row(table, name, MUTANTS[name].shows, outcome, "noticed" if noticed else "[red]NOT NOTICED[/]")
            failed += not noticed
    console.print(table)
    console.print(f"{time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def _row(table: Table, name: str, shows: str, outcome: Outcome, words: str) -> None:
    table.add_row(name, shows, *(str(outcome.judgement.count(promise)) for promise in PROMISES), words)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.drills.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MUTANTS, []], help="which; all unless given")
    parser.add_argument("--name", default="mutants", help="of the environment")
    wanted = parser.parse_args()
    sys.exit(main(wanted.names or list(MUTANTS), wanted.name))
