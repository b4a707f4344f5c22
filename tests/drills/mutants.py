"""`make drill-mutants`: takes out one safeguard at a time, and lets a storm loose that is aimed at it.

Each mutant must show a count that is not zero: a storm that cannot fail proves nothing.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from tests.mutants import MUTANTS, make_mutant

from tandem.drills.environment import own_environment
from tandem.drills.load import Wanted
from tandem.drills.promises import PROMISES
from tandem.drills.report import summary
from tandem.drills.storm import Plan, Storm
from tandem.drills.trial import Outcome

NAMED = tuple(Wanted("single", cluster, delay=45, seconds=2.0) for cluster in ("cluster1", "cluster2"))
SLOW = Wanted("single", seconds=7.0)
LONG = Wanted("single", seconds=12.0)
SHORT = tuple(Wanted("single", seconds=seconds) for seconds in (0.1, 0.5, 1.0, 2.0))
RESTARTABLE = Wanted("restartable", restartable=True, seconds=100.0)


def _plan(fault: str, jobs: int, strikes: int, spread: float, mix: tuple[Wanted, ...], **more: object) -> Plan:
    fields = {"windows": (), "longest": 150.0, "drain": 120.0, "double": 0.0, **more}
    return Plan(1, jobs, strikes, spread, faults=(fault,), mix=mix, **fields)  # type: ignore[arg-type]


# Jobs wait on a cluster that is cut off: they are placed on the other one, and start on both.
# An answer that was lost is no answer; a requeued job may not run again; a run that cannot reach the storage must end;
# who decided on what was true before another worker took over must find that out.
STORMS = {
    "claim": _plan("zone-cut-keeping-storage", 160, 2, 10.0, (SLOW,), calm=9.0, lasts=(18.0, 22.0)),
    "look-up": _plan("reply-lost", 60, 5, 60.0, NAMED),
    "no-requeue": _plan("requeue", 40, 4, 40.0, (LONG,), calm=6.0),
    "self-fence": _plan("zone-cut", 24, 1, 10.0, (RESTARTABLE,), calm=15.0, lasts=(55.0, 60.0), drain=240.0),
    "compare-and-swap": _plan("worker-hang", 400, 14, 150.0, SHORT, calm=3.0, lasts=(7.0, 8.0), longest=240.0),
}


def storm_over(name: str, console: Console) -> Outcome:
    """The storm that is aimed at this safeguard, without it."""
    with TemporaryDirectory() as directory:
        # Readable for the zones' service accounts.
        Path(directory).chmod(0o755)
        source = make_mutant(name, Path(directory))
        with own_environment(f"mutant-{name}"[:20].rstrip("-"), source) as environment:
            return Storm(environment, STORMS[name], lambda text: console.print(text, style="dim", markup=False)).run()


def main(names: Iterable[str]) -> int:
    """Run those; the exit status says whether each was noticed."""
    console = Console(highlight=False)
    table = Table("taken out", *PROMISES, "noticed", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    missed = 0
    for name in names:
        console.print(f"[bold]without {name}[/]")
        outcome = storm_over(name, console)
        counts = [outcome.judgement.count(promise) for promise in PROMISES]
        console.print(summary(outcome), markup=False)
        for broken in outcome.judgement.broken[:3]:
            console.print(f"{broken.promise}: {broken.words}", markup=False)
        missed += not any(counts)
        table.add_row(name, *map(str, counts), "yes" if any(counts) else "[red]no[/]")
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.drills.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MUTANTS, []], help="which; all unless given")
    sys.exit(main(parser.parse_args().names or list(MUTANTS)))
