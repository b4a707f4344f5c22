"""`tandem up`, `status`, `logs`, `down`, `zone`, `shell`: the environment on this machine."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
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
    print_problem,
)
from tandem.local.down import Down
from tandem.local.drill import Drill
from tandem.local.enter import NoSuchHostError, command_on, find_host
from tandem.local.layout import Layout, ZoneLayout
from tandem.local.logs import matching_logs
from tandem.local.network import NetworkError
from tandem.local.preflight import problems
from tandem.local.processes import NotRunningError, inits
from tandem.local.progress import Progress, StepError
from tandem.local.state import BusyError, State
from tandem.local.status import Status, environment_status
from tandem.local.supervise import UnreachableError
from tandem.local.up import Undo, Up
from tandem.local.zone import StartError

zone = typer.Typer(help="Kill, cut off, freeze, heal or start a zone.", no_args_is_help=True)
ZoneName = Annotated[str, typer.Argument(metavar="ZONE", help="The zone's name.")]


@contextmanager
def told() -> Iterator[None]:
    """What can go wrong on this machine, said in one line."""
    try:
        yield
    except StepError as error:
        Progress(err).explain(error)
        print_problem(str(error), Exit.FAILED)
        raise typer.Exit(Exit.FAILED) from None
    except (BusyError, NoSuchHostError, NotRunningError, NetworkError, StartError, UnreachableError) as error:
        raise fail(str(error)) from None
    except PermissionError as error:
        raise fail(f"this needs root: {error}") from None


@contextmanager
def interruptible() -> Iterator[None]:
    """The first Ctrl-C (or end of the terminal or session) interrupts; further ones do nothing."""

    def do_nothing(_number: int, _frame: FrameType | None) -> None:
        """Unlike SIG_IGN, takes one that has come already, too: Python would print a traceback for that."""

    def interrupt(number: int, _: FrameType | None) -> None:
        for other in before:
            signal.signal(other, do_nothing)
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def up(
    file: EnvironmentFile = ENVIRONMENT_FILE,
    plan_only: Annotated[bool, typer.Option("--plan", help="Only say what would restart.")] = False,
    first_job: Annotated[
        bool | None, typer.Option("--first-job/--no-first-job", help="Run an MPI job on each cluster at the end.")
    ] = None,
) -> None:
    """Start the environment that the file describes, or apply what changed in it."""
    environment = environment_of(file)
    run = Up(environment, Progress(err))
    if found := problems(environment, run.state):
        for line in found:
            err.print(line, style="red", markup=False)
        raise typer.Exit(Exit.FAILED)
    if plan_only and not any(inits(environment.name)):
        err.print(f"Nothing of {environment.name} runs: nothing restarts, all of it would be started.", markup=False)
        return
    with told(), interruptible(), run.state.locked():
        undo = Undo(run.state)
        try:
            plan = run.plan()
            for notice in plan.notices():
                err.print(f"• {notice}", markup=False)
            if plan_only:
                return
            run.carry_out(plan, first_job=first_job)
        except KeyboardInterrupt:
            err.print("Interrupted: taking back what was begun.", style="yellow")
            undo.run()
            raise typer.Exit(Exit.INTERRUPTED) from None
    _say_where(environment_status(environment))


def _say_where(found: Status) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("Portal", found.portal)
    table.add_row("Sign in as", found.administrator)
    table.add_row("Password in", str(found.password_file))
    table.add_row("Its authority", str(found.authority))
    out.print(table)


def down(
    file: EnvironmentFile = ENVIRONMENT_FILE,
    purge: Annotated[bool, typer.Option("--purge", help="Remove its state too: jobs, files, secrets.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop the environment. Its jobs, files and secrets are kept unless it is purged."""
    environment = environment_of(file)
    state = State(environment.name)
    if purge and state.root.exists() and not yes:
        typer.confirm(f"Remove {state.root} with all jobs and files in it?", abort=True)
    with told(), state.locked():
        if not Down(state, Progress(err)).run(purge=purge):
            err.print(f"{environment.name} was not running.")


def status(file: EnvironmentFile = ENVIRONMENT_FILE, as_json: AsJson = False) -> None:
    """Show what runs: zones, clusters, services, portal. Exit status 1 when something is not as it should be."""
    with told():
        found = environment_status(environment_of(file))
    if as_json:
        print_json(found.document())
    else:
        _show(found)
    healthy = found.portal_answers and all(one.answers for one in found.clusters)
    if not healthy or any(place.failing for place in found.zones):
        raise typer.Exit(Exit.FAILED)


def _show(found: Status) -> None:
    table = Table("", "", "", box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for place in found.zones:
        running = sum(one.state == "RUNNING" for one in place.services)
        detail = f"{running} services" + (f", failing: {', '.join(place.failing)}" if place.failing else "")
        colour = "green" if place.condition == "up" else "red"
        table.add_row(place.name, f"[{colour}]{place.condition}[/]", detail)
    for one in found.clusters:
        where = f"{one.head} in {one.zone}, {one.address}"
        table.add_row(one.name, "[green]up[/]" if one.answers else "[red]down[/]", where)
    for name, word in found.portal_nodes.items():
        table.add_row(name, f"[{'green' if word == 'UP' else 'red'}]{word.lower()}[/]", "portal node")
    table.add_row("portal", "[green]up[/]" if found.portal_answers else "[red]down[/]", found.portal)
    out.print(table)
    for notice in found.notices:
        err.print(notice, style="yellow", markup=False)


def logs(
    service: Annotated[str | None, typer.Argument(help="A service, a zone, or zone/service.")] = None,
    file: EnvironmentFile = ENVIRONMENT_FILE,
    follow: Annotated[bool, typer.Option("--follow", "-F", help="Go on as it grows.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 40,
) -> None:
    """Show the end of logs; without a service, list what there is."""
    found = matching_logs(State(environment_of(file).name), service)
    if service is None:
        for name in found:
            out.print(name, markup=False)
        return
    if not found:
        raise fail(f"no log of {service!r}; `tandem logs` lists what there is", Exit.NOTHING_THERE)
    follows = ["-F"] if follow else []
    try:
        subprocess.run(["tail", "-n", str(lines), *follows, "--", *map(str, found.values())], check=False)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def shell(
    host: Annotated[str, typer.Argument(help="core, a head node, a portal node or a compute node.")],
    command: Annotated[list[str] | None, typer.Argument(help="A command instead of a shell.")] = None,
    user: Annotated[str, typer.Option("--user", "-u", help="Somebody on the clusters; root unless given.")] = "root",
    file: EnvironmentFile = ENVIRONMENT_FILE,
) -> None:
    """Open a shell on a host, as Session Manager does on AWS."""
    layout = Layout(environment_of(file))
    with told():
        argv = command_on(layout, find_host(layout, host), command or ["/bin/bash", "-l"], user)
    os.execv(argv[0], argv)  # noqa: S606


@contextmanager
def _drill(file: EnvironmentFile, name: str) -> Iterator[tuple[Drill, ZoneLayout]]:
    environment = environment_of(file)
    drill = Drill(environment)
    zones = {one.name: one for one in drill.layout.zones}
    if name not in zones:
        raise fail(f"no zone {name!r}; there are: {', '.join(zones)}", Exit.NOTHING_THERE)
    with told(), drill.state.locked():
        yield drill, zones[name]


@zone.command()
def kill(name: ZoneName, file: EnvironmentFile = ENVIRONMENT_FILE) -> None:
    """Power failure: everything in the zone is gone at once, running jobs included."""
    with _drill(file, name) as (drill, place):
        drill.kill(place)


@zone.command()
def start(name: ZoneName, file: EnvironmentFile = ENVIRONMENT_FILE) -> None:
    """Start a zone that was killed."""
    with _drill(file, name) as (drill, place):
        drill.start(place)


@zone.command()
def cut(
    name: ZoneName,
    keep_storage: Annotated[bool, typer.Option("--keep-storage", help="Leave it the shared storage.")] = False,
    file: EnvironmentFile = ENVIRONMENT_FILE,
) -> None:
    """Cut the zone off from the network: its jobs run on, unseen."""
    with _drill(file, name) as (drill, place):
        drill.cut(place, keep_storage=keep_storage)


@zone.command()
def freeze(name: ZoneName, file: EnvironmentFile = ENVIRONMENT_FILE) -> None:
    """Stop everything in the zone without ending it."""
    with _drill(file, name) as (drill, place):
        drill.freeze(place)


@zone.command()
def heal(name: ZoneName, file: EnvironmentFile = ENVIRONMENT_FILE) -> None:
    """Undo a cut or a freeze."""
    with _drill(file, name) as (drill, place):
        drill.heal(place)
