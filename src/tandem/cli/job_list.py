"""`tandem job list`, and jobs that were submitted outside the portal."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.connection import connected
from tandem.cli.console import AsJson, Exit, err, fail, out, print_json
from tandem.cli.times import ago

STYLES = {
    "ACCEPTED": "dim",
    "PENDING": "yellow",
    "RUNNING": "blue",
    "COMPLETED": "green",
    "FAILED": "red",
    "TIMEOUT": "red",
    "UNKNOWN": "magenta",
}


def list_jobs(
    search: Annotated[
        str | None, typer.Argument(help="What their name or project has in it, or their id, or the scheduler's.")
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs in this state; `active` or `ended` for several. May be repeated."),
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Only jobs on this cluster.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Only jobs of this queue.")] = None,
    project: Annotated[str | None, typer.Option(help="Only jobs of this project.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only jobs of this person: for administrators.")] = None,
    since: Annotated[str | None, typer.Option(help="Submitted on this day (2026-11-01) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Submitted on this day or earlier.")] = None,
    outside: Annotated[
        bool, typer.Option("--outside", help="Those that were submitted outside the portal, instead.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="At most so many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first: your own; everybody's for an administrator."""
    filters: dict[str, Any] = {
        "search": search,
        "state": [word.upper() for word in state or []] or None,
        "cluster": cluster,
        "queue": queue,
        "project": project,
        "owner": owner,
        "since": since,
        "until": until,
    }
    with connected() as portal:
        jobs = list(portal.pages("/outside-jobs" if outside else "/jobs", limit, **filters))
    if as_json:
        print_json(jobs)
        return
    if not jobs:
        narrowed = any(filters.values()) or outside
        err.print("No such jobs." if narrowed else "No jobs. Submit one: tandem job submit EXECUTABLE")
        return
    several = len({job["owner"] for job in jobs}) > 1
    table = Table("Job", *(["Owner"] if several else []), "Name", "State", "Cluster", "Queue", "Submitted", box=None)
    for job in jobs:
        table.add_row(
            Text(f"{job['cluster']}/{job['scheduler_id']}") if outside else job["id"][:8],
            *([Text(job["owner"])] if several else []),
            Text(job["name"]),
            Text(word_of(job), style=STYLES.get(job["state"], "")),
            Text(job["cluster"] or job["wanted_cluster"]),
            Text(job["queue"]),
            ago(job["created_at"]),
        )
    out.print(table)


def cancel_outside(name: str, as_json: bool) -> None:
    """Cancel the job that is called CLUSTER/ID, the scheduler's own id: of those that ever had it, the newest."""
    cluster, _, scheduler_id = name.partition("/")
    with connected() as portal:
        rows = portal.pages("/outside-jobs", 50, cluster=cluster, search=scheduler_id)
        found = [job for job in rows if job["scheduler_id"] == scheduler_id]
        if not found:
            raise fail(f"No job {name} is known that was submitted outside the portal.", Exit.NOTHING_THERE)
        job: dict[str, Any] = portal.post(f"/outside-jobs/{found[0]['id']}/cancel")
    if as_json:
        print_json(job)
    else:
        err.print(f"{name} {word_of(job)}", markup=False)


def word_of(job: dict[str, Any]) -> str:
    """A job's state in a word."""
    if job["cancelling"]:
        return "cancelling"
    return "held" if job.get("held") and job["state"] in ("ACCEPTED", "PENDING") else str(job["state"]).lower()
