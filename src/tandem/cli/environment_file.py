"""`tandem check` and `tandem schema`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.console import ENVIRONMENT_FILE, AsJson, EnvironmentFile, Exit, err, fail, out, print_json
from tandem.environment import Environment, EnvironmentFileError, Queue, load_environment
from tandem.environment.durations import duration_text
from tandem.environment.reference import environment_schema, reference_page


def check(file: EnvironmentFile = ENVIRONMENT_FILE, as_json: AsJson = False) -> None:
    """Check the environment file and summarise it. Exit status 1 when something is wrong with it."""
    try:
        environment = load_environment(file)
    except EnvironmentFileError as error:
        if as_json:
            print_json({"file": str(file), "ok": False, "problems": [asdict(problem) for problem in error.problems]})
            raise typer.Exit(Exit.FAILED) from None
        raise fail(str(error)) from None
    if as_json:
        print_json({"file": str(file), "ok": True, "problems": [], "environment": environment.model_dump()})
        return
    summarise(environment)
    err.print(f"{file} is in order.", style="green", markup=False)


def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the reference page made from it.")] = False,
) -> None:
    """Print the environment file's JSON Schema."""
    if markdown:
        print(reference_page(), end="")
    else:
        print_json(environment_schema())


def summarise(environment: Environment) -> None:
    """What the environment is, at a glance."""
    people = [environment.administrator.name, *(user.name for user in environment.users)]
    more = f" and {len(people) - 8} more" if len(people) > 8 else ""
    head = Table.grid(padding=(0, 2))
    head.add_row("Environment", f"{environment.name} in {environment.region}")
    for zone in environment.zones:
        head.add_row(
            "Zone", f"{zone.name} with {', '.join(part.name for part in environment.zone_clusters(zone.name))}"
        )
    head.add_row("Portal", f"https://127.0.0.1:{environment.portal.port} on this machine")
    mounts = [environment.storage.shared.path, *(scratch.path for scratch in environment.storage.scratch.values())]
    head.add_row("Storage", ", ".join(mounts))
    head.add_row("People", f"{', '.join(people[:8])}{more}")
    out.print(head)
    table = Table("Cluster", "Queue", "Nodes", "Each", "Time limit", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for cluster in environment.clusters:
        for queue in cluster.queues:
            table.add_row(
                cluster.name if queue is cluster.queues[0] else "",
                Text(queue.name, style="bold" if queue is cluster.default_queue else ""),
                _nodes(queue),
                f"{queue.instance_type or ''} {queue.cpus} CPUs {queue.memory_gib:g} GiB".strip(),
                duration_text(queue.time_limit),
            )
    out.print()
    out.print(table)


def _nodes(queue: Queue) -> str:
    """`1 fixed + 4 elastic`."""
    counts = [(queue.fixed_nodes, "fixed"), (queue.elastic_nodes, "elastic")]
    return " + ".join(f"{count} {kind}" for count, kind in counts if count)
