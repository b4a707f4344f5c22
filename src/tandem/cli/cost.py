"""`tandem cost`: what the environment costs on AWS."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tandem.aws.cost import LEFT_OUT, Estimate, cost_of, defaults_of_2021
from tandem.aws.prices import TABLE, PriceError, Prices, read_prices
from tandem.cli.console import ENVIRONMENT_FILE, AsJson, EnvironmentFile, environment_of, err, fail, out, print_json


def cost(
    file: EnvironmentFile = ENVIRONMENT_FILE,
    prices: Annotated[Path, typer.Option("--prices", help="Another price table.", show_default=False)] = TABLE,
    as_json: AsJson = False,
) -> None:
    """Say what the environment costs on AWS: a month with no job running, and an hour of each node.

    Beside it stands what the solution of 2021 costs with its defaults, at the same prices.
    """
    environment = environment_of(file)
    try:
        table = read_prices(prices)
        estimate, before = cost_of(environment, table), defaults_of_2021(table)
    except PriceError as error:
        raise fail(str(error)) from None
    if as_json:
        print_json(_document(estimate, before, table))
        return
    _show(estimate, before)
    said = f"List prices of {table.region} on {table.as_of}, in US dollars, {table.hours_a_month} hours a month."
    if environment.region != table.region:
        said += f" {environment.region} has prices of its own: often 10 to 20 % higher."
    err.print(f"{said} Not in it: {LEFT_OUT}.", style="dim", markup=False)


def _show(estimate: Estimate, before: Estimate) -> None:
    parts, old = estimate.by_part(), before.by_part()
    table = Table("Idle, by part", "", "a month", "2021", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in table.columns[2:]:
        column.justify = "right"
    for part, amount in parts.items():
        table.add_row(f"[bold]{part}[/]", "", f"[bold]{_dollars(amount)}[/]", _dollars(old.get(part, Decimal(0))))
        for item in estimate.items:
            if item.part == part:
                table.add_row("", item.what, _dollars(item.monthly), "")
    share = f"{_share(estimate, before):.0f} % of 2021's defaults"
    table.add_row("[bold]Together[/]", share, f"[bold]{_dollars(estimate.monthly)}[/]", _dollars(before.monthly))
    out.print(table)
    hours = Table("Cluster", "Queue", "Node", "instance", "disk", "an hour", "at most", box=None, pad_edge=False)
    hours.padding = (0, 2, 0, 0)
    for column in hours.columns[3:]:
        column.justify = "right"
    for node in estimate.node_hours:
        most = f"{_dollars(node.together * node.most_nodes)} with {node.most_nodes}"
        amounts = (f"{amount:.4f}" for amount in (node.instance, node.disk, node.together))
        hours.add_row(node.cluster, node.queue, node.instance_type, *amounts, most)
    out.print()
    out.print(hours)


def _dollars(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _share(estimate: Estimate, before: Estimate) -> Decimal:
    return 100 * estimate.monthly / before.monthly


def _document(estimate: Estimate, before: Estimate, prices: Prices) -> dict[str, Any]:
    """For programs: amounts are numbers, in US dollars."""
    return {
        "currency": "USD",
        "prices": {"region": prices.region, "as_of": prices.as_of.isoformat()},
        "idle": _idle(estimate),
        "defaults_of_2021": _idle(before),
        "percent_of_2021": round(float(_share(estimate, before)), 1),
        "node_hours": [
            {
                "cluster": node.cluster,
                "queue": node.queue,
                "instance_type": node.instance_type,
                "parts": {"instance": round(float(node.instance), 5), "disk": round(float(node.disk), 5)},
                "together": round(float(node.together), 5),
                "most_nodes": node.most_nodes,
            }
            for node in estimate.node_hours
        ],
    }


def _idle(estimate: Estimate) -> dict[str, Any]:
    return {
        "monthly": round(float(estimate.monthly), 2),
        "parts": {part: round(float(amount), 2) for part, amount in estimate.by_part().items()},
        "items": [
            {"part": item.part, "what": item.what, "monthly": round(float(item.monthly), 2)} for item in estimate.items
        ],
    }
