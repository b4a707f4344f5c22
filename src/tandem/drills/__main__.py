"""`make drill`: a storm over an environment of its own; writes `docs/reliability.md`."""

import argparse
import json
import random
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console

from tandem.drills.environment import own_environment
from tandem.drills.keeping import keep
from tandem.drills.report import document, page, show
from tandem.drills.storm import Plan, Storm
from tandem.drills.trial import Outcome

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"


def main() -> int:
    """Run a storm; the exit status says whether all promises held."""
    parser = argparse.ArgumentParser(prog="python -m tandem.drills", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="drawn anew unless given")
    parser.add_argument("--jobs", type=int, default=520)
    parser.add_argument("--strikes", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10.0, help="no strike begins later")
    parser.add_argument("--name", default="drill", help="of the environment")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--json", type=Path, help="write all there is to know to this file")
    wanted = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if wanted.seed is None else wanted.seed
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, interrupt)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/] {text}", markup=True)

    console.print(f"seed {seed}")
    plan = Plan(seed, wanted.jobs, wanted.strikes, spread=wanted.minutes * 45, longest=wanted.minutes * 60)
    with own_environment(wanted.name) as environment:
        outcome = Storm(environment, plan, say).run()
        if not outcome.held:
            console.print(f"to look into it: {keep(environment, outcome)}")
    show(outcome, console)
    if wanted.json:
        wanted.json.write_text(json.dumps(document(outcome), indent=1))
    if wanted.write and not what_is_short(outcome, plan):
        PAGE.write_text(page(outcome))
        console.print(f"written to {PAGE}")
    if short := what_is_short(outcome, plan):
        console.print(f"this proves less than it should: {short}", style="red", markup=False)
    return 0 if outcome.held and not short else 1


def what_is_short(outcome: Outcome, plan: Plan) -> str:
    """What a storm lacks of what it was to be: jobs, faults, aimed faults, recoveries; empty when it is whole."""
    unrecovered = sum(one.recovered_after is None for one in outcome.effective)
    aimed = {one.window for one in outcome.effective}
    said = [
        f"{outcome.jobs} of {plan.jobs} jobs" if outcome.jobs < plan.jobs else "",
        f"{len(outcome.effective)} of {plan.strikes} faults" if len(outcome.effective) < plan.strikes else "",
        f"{unrecovered} faults were not recovered from in time" if unrecovered else "",
        *(f"no fault {window}" for window in plan.windows if window not in aimed),
    ]
    return ", ".join(filter(None, said))


def interrupt(*_: int | FrameType | None) -> None:
    """Ends as Ctrl-C does: what was broken is mended, what was started is taken down."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
