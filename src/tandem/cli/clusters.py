"""`tandem cluster …`: zones, queues and nodes, as the portal last saw them."""

from collections import Counter
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.connection import connected
from tandem.cli.console import AsJson, err, out, print_json
from tandem.cli.times import ago, duration

app = typer.Typer(name="cluster", help="See clusters, their queues and their nodes.", no_args_is_help=True)

STYLES = {"UP": "green", "SUSPECT": "yellow", "DOWN": "red", "RECOVERING": "yellow"}
NODE_STYLES = {"busy": "blue", "idle": "green", "off": "dim", "down": "red", "no answer": "red"}


@app.command("list")
def list_clusters(as_json: AsJson = False) -> None:
    """List clusters with their queues."""
    with connected() as portal:
        clusters = portal.get("/clusters")
    if as_json:
        print_json(clusters)
        return
    table = Table("Cluster", "Zone", "State", "Seen", "Queue", "Nodes", "CPUs", "Running", "Waiting", box=None)
    for cluster in clusters:
        say_if_stale(cluster)
        head: list[Text | str] = [*named(cluster), ago(cluster["last_answer_at"])]
        for queue in cluster["queues"] or [None]:
            table.add_row(*head, *(of_queue(queue, cluster["nodes"]) if queue else ["–"]))
            head = [""] * len(head)
    out.print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster's name.")],
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Only the nodes of this queue.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a cluster with its nodes."""
    with connected() as portal:
        cluster: dict[str, Any] = portal.get(f"/clusters/{quote(name, safe='')}")
    if as_json:
        print_json(cluster)
        return
    say_if_stale(cluster)
    name_of, zone, state = named(cluster)
    out.print(name_of, "in", zone, state, f"seen {ago(cluster['last_answer_at'])}" if cluster["last_answer_at"] else "")
    table = Table("Node", "Is", "Since", "CPUs", "Load", "Memory", "Queues", "", box=None)
    for node in cluster["nodes"]:
        if queue is None or queue in node["queues"]:
            table.add_row(
                Text(node["name"]),
                Text(node["condition"], style=NODE_STYLES.get(node["condition"], "yellow")),
                ago(node["since"]),
                f"{node['cpus_used']} of {node['cpus']}",
                "–" if node["load"] is None else f"{node['load']:.2f}",
                f"{node['memory_used']} of {node['memory']} MiB",
                Text(", ".join(node["queues"])),
                Text(node["shortage"] or node["reason"]),
            )
    out.print(table)


def named(cluster: dict[str, Any]) -> list[Text]:
    """Name, zone and state."""
    state = str(cluster["state"])
    return [Text(cluster["name"]), Text(cluster["zone"]), Text(state.lower(), style=STYLES.get(state, ""))]


def of_queue(queue: dict[str, Any], nodes: list[dict[str, Any]]) -> list[Text | str]:
    """A queue's columns."""
    own = [node for node in nodes if queue["name"] in node["queues"]]
    conditions = Counter(node["condition"] for node in own)
    return [
        Text(queue["name"] + (" *" if queue["is_default"] else "")),
        ", ".join(f"{number} {condition}" for condition, number in sorted(conditions.items())) or "none",
        f"{sum(node['cpus_used'] for node in own)} of {sum(node['cpus'] for node in own)}",
        str(queue["jobs_running"]),
        str(queue["jobs_waiting"]),
    ]


def say_if_stale(cluster: dict[str, Any]) -> None:
    """That a cluster is silent, and how old what is shown of it is."""
    if cluster["stale"]:
        seen = (
            "it has never answered" if cluster["age"] is None else f"this is how it was {duration(cluster['age'])} ago"
        )
        err.print(f"{cluster['name']} does not answer: {seen}.", style="yellow", markup=False)
