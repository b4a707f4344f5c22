"""What a drill showed, for people: on the terminal, and as the page `docs/reliability.md`."""

from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tandem.drills.promises import OVERLAP, PROMISES, WATCHDOG_PERIOD
from tandem.drills.trial import Outcome
from tandem.drills.windows import WINDOWS
from tandem.local.machine import machine


def recoveries(outcome: Outcome) -> dict[str, list[float]]:
    """Per kind of fault, how long each took to recover from."""
    found: dict[str, list[float]] = {}
    for one in outcome.effective:
        found.setdefault(one.fault, [])
        if one.recovered_after is not None:
            found[one.fault].append(one.recovered_after)
    return found


def show(outcome: Outcome, console: Console) -> None:
    """The tables."""
    faults = Table("fault", "times", "recovered: median", "worst", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, times in sorted(recoveries(outcome).items()):
        number = str(sum(one.fault == name for one in outcome.effective))
        faults.add_row(name, number, *((_seconds(median(times)), _seconds(max(times))) if times else ("-", "-")))
    console.print(faults)
    console.print()
    table = Table("promise", "broken", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for promise in PROMISES:
        count = outcome.judgement.count(promise)
        table.add_row(promise, f"[{'red' if count else 'green'}]{count}[/]")
    console.print(table)
    console.print(f"allowed: {thaws(outcome)}", markup=False, highlight=False)
    for broken in outcome.judgement.broken[:40]:
        where = broken.job + (f" task {broken.task}" if broken.task is not None else "")
        console.print(f"{broken.promise}: {where}: {broken.words}", style="red", markup=False)
    console.print(summary(outcome), markup=False, highlight=False)


def thaws(outcome: Outcome) -> str:
    """What was measured of runs that lived on beside their successor after a thaw: allowed for as long as this."""
    found = outcome.judgement.thawed
    measured = f"median {_seconds(median(found))}, at most {_seconds(max(found))}" if found else "none"
    return f"{len(found)} beside their successor after a thaw, for {WATCHDOG_PERIOD} s at most: {measured}"


def summary(outcome: Outcome) -> str:
    """In one sentence."""
    judged = outcome.judgement
    seed = f"Seed {outcome.seed}. " if outcome.seed is not None else ""
    return (
        f"{seed}{outcome.jobs} jobs with {outcome.tasks} tasks, {len(outcome.effective)} faults that took effect"
        f" ({len(outcome.strikes) - len(outcome.effective)} did not), {outcome.seconds:.0f} s;"
        f" {judged.restarted} restarts, {judged.interrupted} tasks interrupted and called so,"
        f" {judged.corrected} of them corrected later;"
        f" longest wait for the portal {outcome.longest_wait:.1f} s."
    )


def document(outcome: Outcome) -> dict[str, Any]:
    """As JSON."""
    return {
        "seed": outcome.seed,
        "held": outcome.held,
        "jobs": outcome.jobs,
        "tasks": outcome.tasks,
        "kinds": outcome.kinds,
        "seconds": round(outcome.seconds, 1),
        "longest_wait_for_the_portal": round(outcome.longest_wait, 1),
        "counts": {promise: outcome.judgement.count(promise) for promise in PROMISES},
        "broken": [asdict(one) for one in outcome.judgement.broken],
        "restarts": outcome.judgement.restarted,
        "interrupted": outcome.judgement.interrupted,
        "corrected": outcome.judgement.corrected,
        "beside_their_successor_after_a_thaw": outcome.judgement.thawed,
        "strikes": [
            {
                "fault": one.fault,
                "zone": one.zone,
                "window": one.window,
                "began": one.began,
                "lasted": round(one.lasted, 1),
                "took_effect": one.took_effect,
                "recovered_after": None if one.recovered_after is None else round(one.recovered_after, 1),
                "trouble": one.trouble,
            }
            for one in outcome.strikes
        ],
    }


def page(outcome: Outcome) -> str:
    """`docs/reliability.md`."""
    judged = outcome.judgement
    rows = []
    for name, times in sorted(recoveries(outcome).items()):
        count = sum(one.fault == name for one in outcome.effective)
        middle, worst = (_seconds(median(times)), _seconds(max(times))) if times else ("-", "-")
        rows.append(f"| {name} | {count} | {middle} | {worst} |")
    aimed = [f"{sum(one.window == window for one in outcome.effective)} {window}" for window in WINDOWS]
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.kinds.items()))
    return "\n".join(
        [
            "# Reliability",
            "",
            f"Made by `make drill SEED={outcome.seed}` on {datetime.now(UTC):%Y-%m-%d}, on {machine()}.",
            "What is promised, and what is not: [No work is lost](explanation/no-work-is-lost.md). How to do",
            "it yourself: [How to drill](how-to/drill.md).",
            "",
            f"{outcome.jobs} jobs with {outcome.tasks} tasks ({kinds}) in {outcome.seconds:.0f} s, while",
            f"{len(outcome.effective)} faults took effect; those aimed at a critical window: {', '.join(aimed)}.",
            "",
            "| promise | broken | allowed |",
            "|---|---|---|",
            *(
                f"| {promise} | {judged.count(promise)} | {thaws(outcome) if promise == OVERLAP else 'none'} |"
                for promise in PROMISES
            ),
            "",
            f"{judged.restarted} runs of restartable jobs were started again; {judged.interrupted} tasks were",
            f"interrupted and truthfully called so, of which {judged.corrected} were found complete later.",
            "",
            "| fault | times | recovered after: median | worst |",
            "|---|---|---|---|",
            *rows,
            "",
            "*Recovered* is when the portal answers and the clusters concerned are UP again, counted from the end of",
            "the fault (the zone's power is back, the cable plugged in), or from the strike for what is over at once;",
            "meanwhile the other zone had faults of its own.",
            "The evidence is what the payloads wrote down themselves, beside what the API says in the end. The longest",
            f"that a client which retries waited for the portal was {outcome.longest_wait:.1f} s.",
            "",
        ]
    )


def _seconds(value: float) -> str:
    return f"{value:.1f} s"
