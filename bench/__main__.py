"""`make bench`: measure, and write `bench/results.md`."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from bench.bringing_up import bringing_up
from bench.failing_over import looking, losing_a_zone, no_capacity
from bench.finding import listing, showing_changes
from bench.lab import laboratory
from bench.listing import crowded_folder
from bench.measure import Row
from bench.polling import polling
from bench.submitting import sustained, until_durable
from tandem import __version__
from tandem.local.machine import machine

RESULTS = Path(__file__).parent / "results.md"
PARTS = ("up", "failover", "polling", "durable", "sustained", "files", "lists")


def main() -> None:
    """Run the parts that are wanted, all unless told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which; all unless given")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--count", type=int, default=200, help="submissions per run")
    wanted = parser.parse_args()
    parts = wanted.parts or PARTS
    rows: list[Row] = []
    with laboratory() as lab:
        if "up" in parts:
            rows += said(bringing_up(lab, wanted.rounds))
        else:
            lab.up()
        token = lab.sign_in()
        if "failover" in parts:
            # First: what the others leave waiting would send all that follows to the other cluster.
            rows += said(looking(lab, token, wanted.rounds))
            rows += said(no_capacity(lab, token, wanted.rounds - 1))
            rows += said(losing_a_zone(lab, token, wanted.rounds))
        if "polling" in parts:
            rows += said(polling(lab, (10, 1000)))
        if "durable" in parts:
            rows += said(until_durable(lab, token, wanted.rounds, wanted.count // 4))
        if "sustained" in parts:
            rows += said(sustained(lab, token, wanted.rounds, wanted.count))
        if "files" in parts:
            rows += said(crowded_folder(lab, token, wanted.rounds))
        if "lists" in parts:
            rows += said(showing_changes(lab, token, wanted.rounds))
            rows += said(listing(lab, token))
    if not wanted.parts:
        RESULTS.write_text(page(rows, wanted.rounds))
        print(f"written to {RESULTS}")


def said(rows: list[Row]) -> list[Row]:
    """The same rows, printed."""
    for row in rows:
        print(row.line(), flush=True)
    return rows


def page(rows: list[Row], rounds: int) -> str:
    """The results as a page."""
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"Tandem {__version__}, {datetime.now(UTC):%Y-%m-%d}, on {machine()}. "
            f"Medians of {rounds} runs; both sides of a line run on this machine in turns. Made by `make bench`.",
            "",
            "| what | Tandem | beside | ratio | target |",
            "|---|---|---|---|---|",
            *(row.line() for row in rows),
            "",
            "`tandem up`, fresh, starts without a state directory, but with Debian's and Python's packages installed",
            "and the front-end bundle built, and leaves out the first MPI jobs that `make up` ends with.",
            "",
            "The portal is reached through the load balancer and TLS on a connection that is kept; MariaDB makes every",
            "commit durable (`innodb_flush_log_at_trx_commit=1`). Jobs wait for an hour (`--begin`), so that starting",
            "them is not measured. Everything shares the machine: client, load balancer, portal nodes, database and",
            "both clusters.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
