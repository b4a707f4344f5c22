"""`tandem job …`: submit, show, wait, cancel, hold, release, requeue. Others are in `job_list.py`, `outputs.py`."""

import shlex
import stat
import sys
import time
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.client import Portal
from tandem.cli.connection import connected, full_id
from tandem.cli.console import AsJson, Exit, err, fail, out, print_json
from tandem.cli.job_list import STYLES, cancel_outside, list_jobs, word_of
from tandem.cli.outputs import output
from tandem.cli.times import ago, took
from tandem.clusters.request import fields_of_directives

app = typer.Typer(name="job", help="Submit jobs and look after them.", no_args_is_help=True)
app.command("list")(list_jobs)
app.command()(output)

FIRST_ANSWER_WAIT = 2
ENDINGS = {"COMPLETED": Exit.DONE, "FAILED": Exit.FAILED, "CANCELLED": Exit.CANCELLED, "TIMEOUT": Exit.TIMEOUT}

JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or enough of its beginning.")]
JobToCancel = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="A job's id, or enough of its beginning; CLUSTER/ID for one that was submitted outside the portal.",
    ),
]


class Launcher(StrEnum):
    """What starts the processes of a parallel job."""

    NONE = "none"
    SRUN = "srun"
    MPIRUN = "mpirun"


@app.command(
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False},
    epilog="All that follows TARGET is handed to it. Options of `tandem job submit` stand before it.",
)
def submit(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A script on this machine (a file that begins with #!, or - for standard input): its text travels "
            "with the job and its #SBATCH lines count. Anything else is an executable on the clusters.",
        ),
    ],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGUMENTS")] = None,
    executable: Annotated[
        bool, typer.Option("--executable", help="TARGET is on the clusters, even if a script here has its name.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Job name.")] = None,
    project: Annotated[str | None, typer.Option(help="Project name.")] = None,
    input_file: Annotated[str | None, typer.Option(help="Input file, as the clusters see it.")] = None,
    directory: Annotated[str | None, typer.Option(help="Execution directory; left out: the job's spooler.")] = None,
    processors: Annotated[int | None, typer.Option("--processors", "-p", min=1, help="Number of processors.")] = None,
    cluster: Annotated[str | None, typer.Option(help="A cluster's name, or any.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Computing queue.")] = None,
    hosts: Annotated[str | None, typer.Option(help="Hosts of that queue, with commas.")] = None,
    additional_options: Annotated[
        str | None, typer.Option("--options", "-o", help="Additional job options, as for sbatch, in one word.")
    ] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Number of nodes.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory per node, such as 4G.")] = None,
    time_limit: Annotated[str | None, typer.Option("--time", "-t", help="Time limit, such as 1:30:00.")] = None,
    array: Annotated[str | None, typer.Option("--array", "-a", help="Array indices, such as 0-15.")] = None,
    launcher: Annotated[Launcher | None, typer.Option(help="What starts the processes.")] = None,
    restartable: Annotated[
        bool, typer.Option("--restartable", help="The job may start again after its node or zone was lost.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", help="Submitting again with the same key makes no second job."),
    ] = None,
    wait_for_end: Annotated[bool, typer.Option("--wait", "-W", help="Wait for the end, as `tandem job wait`.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a job: an executable on the clusters with its arguments, or a script from this machine."""
    wishes: dict[str, Any] = {
        "name": name,
        "project": project,
        "input_file": input_file,
        "execution_directory": directory,
        "processors": processors,
        "cluster": cluster,
        "queue": queue,
        "hosts": hosts,
        "additional_options": additional_options,
        "nodes": nodes,
        "memory": memory,
        "time_limit": time_limit,
        "array": array,
        "launcher": launcher.value if launcher else None,
        "restartable": restartable or None,
        "options": shlex.join(arguments) if arguments else None,
    }
    script = None if executable else read_script(target)
    if script is None:
        wishes["executable"] = target
    else:
        wishes["script"] = script
        if target != "-" and "name" not in fields_of_directives(script)[0]:
            wishes["name"] = name or Path(target).name
    with connected() as portal:
        job = portal.post(
            "/jobs",
            {field: value for field, value in wishes.items() if value is not None},
            params={"wait": FIRST_ANSWER_WAIT},
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )
        if wait_for_end:
            if not as_json:
                err.print(f"{job['id']} submitted", markup=False)
            job = follow_to_end(portal, job["id"])
    if as_json:
        print_json(job)
    elif wait_for_end:
        say_state(job)
    else:
        # The id alone on standard output, for scripts; what there is to say to people beside it.
        print(job["id"])
        say_state(job)
    if wait_for_end or job["state"] == "FAILED":
        raise typer.Exit(ENDINGS[job["state"]])


@app.command()
def show(job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job: its state and why, where it was placed, and how it ended."""
    with connected() as portal:
        job = portal.get(f"/jobs/{full_id(portal, job_id)}")
    if as_json:
        print_json(job)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    rows = {
        "Job": job["id"],
        "Name": job["name"],
        "Project": job["project"],
        "State": word_of(job),
        "Last seen": ago(job["last_seen_at"]),
        "Wished": "; ".join(job["wishes"]),
        "Reason": job["reason"],
        "Scheduler": " ".join(filter(None, [job["scheduler_state"], job["scheduler_reason"]])),
        "Cluster": job["cluster"] or job["wanted_cluster"],
        "Queue": job["queue"],
        "Exit code": "" if job["exit_code"] is None else str(job["exit_code"]),
        "Submitted": ago(job["created_at"]),
        "Started": ago(job["started_at"]),
        "Ended": ago(job["ended_at"]),
        "Ran for": took(job["started_at"], job["ended_at"]),
        "Tasks": ", ".join(f"{number} {name.lower()}" for name, number in job["tasks"].items()),
        "Spooler": job["spooler"],
    }
    for label, value in rows.items():
        if value:
            table.add_row(label, Text(value))
    for placement in job["placements"]:
        where = f"{placement['cluster']} {placement['scheduler_id']}".strip()
        said = " ".join(filter(None, [placement["scheduler_state"], placement["scheduler_reason"]]))
        attempt = f"attempt {placement['attempt']}" if placement["attempt"] else ""
        words = " · ".join(filter(None, [where, placement["state"].lower(), attempt, said, placement["message"]]))
        table.add_row("Placement", Text(f"{words} · {ago(placement['created_at'])}"))
    out.print(table)


@app.command()
def tasks(
    job_id: JobId,
    state: Annotated[str | None, typer.Option(help="Only tasks in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="At most so many, in the order of indices.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the tasks of an array, wherever each of them runs or ran."""
    with connected() as portal:
        path = f"/jobs/{full_id(portal, job_id)}/tasks"
        rows = list(portal.pages(path, limit, cursor_name="after", state=state.upper() if state else None))
    if as_json:
        print_json(rows)
        return
    if not rows:
        err.print("No task is in this state.")
        return
    table = Table("Task", "State", "Cluster", "Attempt", "Exit code", "Ran for", "Reason", box=None)
    for row in rows:
        table.add_row(
            str(row["index"]),
            Text(row["state"].lower(), style=STYLES.get(row["state"], "")),
            Text(row["cluster"]),
            str(row["attempt"]),
            "" if row["exit_code"] is None else str(row["exit_code"]),
            took(row["started_at"], row["ended_at"]),
            Text(row["reason"]),
        )
    out.print(table)


@app.command()
def wait(
    job_id: JobId,
    timeout: Annotated[float | None, typer.Option(help="Give up after so many seconds (exit status 124).")] = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a job has ended. Exit status: 0 completed, 1 failed, 3 cancelled, 4 time limit, 124 gave up."""
    with connected() as portal:
        job = follow_to_end(portal, full_id(portal, job_id), timeout)
    if as_json:
        print_json(job)
    else:
        say_state(job)
    raise typer.Exit(ENDINGS[job["state"]])


@app.command()
def cancel(job_id: JobToCancel, as_json: AsJson = False) -> None:
    """Cancel a job."""
    if "/" in job_id:
        cancel_outside(job_id, as_json)
    else:
        act(job_id, "cancel", as_json)


@app.command()
def hold(job_id: JobId, as_json: AsJson = False) -> None:
    """Keep a waiting job from starting."""
    act(job_id, "hold", as_json)


@app.command()
def release(job_id: JobId, as_json: AsJson = False) -> None:
    """Let a held job start."""
    act(job_id, "release", as_json)


@app.command()
def requeue(job_id: JobId, as_json: AsJson = False) -> None:
    """Run a restartable job again from the queue."""
    act(job_id, "requeue", as_json)


def act(job_id: str, verb: str, as_json: bool) -> None:
    """Wish for something to happen to a job, and say where it stands."""
    with connected() as portal:
        job = portal.post(f"/jobs/{full_id(portal, job_id)}/{verb}")
    if as_json:
        print_json(job)
    else:
        say_state(job)


def read_script(target: str) -> str | None:
    """The text of `target` if it is a script on this machine, None if it must be an executable on the clusters."""
    if target == "-":
        text = sys.stdin.buffer.read()
    else:
        try:
            if not stat.S_ISREG(Path(target).stat().st_mode):
                return None
            with Path(target).open("rb") as file:
                if file.read(2) != b"#!":
                    return None
                text = b"#!" + file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise fail(f"{target} cannot be read: {error.strerror}", Exit.USAGE) from None
    if not text.startswith(b"#!"):
        raise fail("A script begins with #! and the program that runs it, such as #!/bin/sh.", Exit.USAGE)
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise fail(f"{target} is not UTF-8 text.", Exit.USAGE) from None


def follow_to_end(portal: Portal, job_id: str, timeout: float | None = None) -> dict[str, Any]:
    """The job once it has ended; asks often at first, then every few seconds."""
    started = time.monotonic()
    pause = 0.25
    while True:
        job: dict[str, Any] = portal.get(f"/jobs/{job_id}")
        if job["state"] in ENDINGS:
            return job
        left = None if timeout is None else timeout - (time.monotonic() - started)
        if left is not None and left <= 0:
            raise fail(f"{job_id} is still {word_of(job)}; gave up waiting.", Exit.GAVE_UP)
        time.sleep(pause if left is None else min(pause, left))
        pause = min(pause * 1.3, 5.0)


def say_state(job: dict[str, Any]) -> None:
    """One line for people, on stderr."""
    where = f" on {job['cluster']}" if job["cluster"] else ""
    code = f", exit code {job['exit_code']}" if job["exit_code"] else ""
    reason = f": {job['reason']}" if job["reason"] else ""
    err.print(f"{job['id'][:8]} {word_of(job)}{where}{code}{reason}", markup=False)
    for wish in job.get("wishes", []):
        err.print(f"  {wish}", markup=False)
