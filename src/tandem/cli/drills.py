"""`tandem drill`: a fault on purpose, and the proof that the promises hold."""

import time
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.table import Table

from tandem.cli.console import (
    ENVIRONMENT_FILE,
    AsJson,
    EnvironmentFile,
    Exit,
    environment_of,
    err,
    fail,
    out,
    print_json,
)
from tandem.cli.local import interruptible, told


def drill(
    name: Annotated[str, typer.Argument(help="The drill's name, or `list` for all there are.")],
    zone: Annotated[str | None, typer.Option("--zone", help="Where; the last zone unless given.")] = None,
    file: EnvironmentFile = ENVIRONMENT_FILE,
    as_json: AsJson = False,
) -> None:
    """Let something fail while jobs run, and check that no work was lost.

    What failed is mended. The evidence is what the jobs' own payloads write down, beside what the portal says in the
    end. Exit status 1 when a promise was broken, or the fault had no effect.
    """
    # Here, and not above: `tandem drill --help` starts at once without them.
    from tandem.drills.faults import FAULTS
    from tandem.drills.portal import PortalError
    from tandem.drills.report import document, show
    from tandem.drills.single import run_drill
    from tandem.local.drill import Drill

    if name == "list":
        table = Table.grid(padding=(0, 2))
        for one in FAULTS.values():
            table.add_row(one.name, one.says)
        out.print(table)
        return
    if name not in FAULTS:
        raise fail(f"no drill {name!r}; there are: {', '.join(FAULTS)}", Exit.NOTHING_THERE)
    environment = environment_of(file)
    ground = Drill(environment)
    zones = {one.name: one for one in ground.layout.zones}
    place = zones.get(zone or ground.layout.zones[-1].name)
    if place is None:
        raise fail(f"no zone {zone!r}; there are: {', '.join(zones)}", Exit.NOTHING_THERE)
    began = time.monotonic()

    def say(text: str) -> None:
        err.print(f"[dim]{time.monotonic() - began:6.1f} s[/] {text}")

    fault = FAULTS[name](environment, place)
    err.print(f"[bold]{name}[/] in {place.name}: {fault.says}.")
    with ExitStack() as stack:
        stack.enter_context(told())
        stack.enter_context(interruptible())
        stack.enter_context(ground.state.locked())
        try:
            outcome = run_drill(fault, environment, say)
        except PortalError as problem:
            raise fail(str(problem), Exit.UNAVAILABLE) from None
        except KeyboardInterrupt:
            said = "Interrupted: what was broken is mended; jobs that are on their way go on."
            raise fail(said, Exit.INTERRUPTED) from None
    if as_json:
        print_json(document(outcome))
    else:
        show(outcome, out)
    if not outcome.held or not outcome.effective:
        raise typer.Exit(Exit.FAILED)
