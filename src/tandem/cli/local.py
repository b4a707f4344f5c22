"""`tandem up`, `status`, `logs`, `down`, `zone`, `shell`: the environment on this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.console import ENVIRONMENT_FILE, EnvironmentFile, Exit, environment_of, err, fail
from tandem.local.enter import NoSuchHostError, command_on, find_host
from tandem.local.layout import Layout
from tandem.local.processes import NotRunningError, inits
from tandem.local.progress import Progress, StepError
from tandem.local.state import BusyError
from tandem.local.up import Up
from tandem.local.zone import stop_place


def up(file: EnvironmentFile = ENVIRONMENT_FILE) -> None:
    """Start the environment that the file describes, or apply what changed in it."""
    progress = Progress(err)
    try:
        Up(environment_of(file), Path(file), progress).run()
    except StepError as error:
        progress.explain(error)
        raise typer.Exit(Exit.FAILED) from None
    except BusyError as error:
        raise fail(str(error)) from None


def down(file: EnvironmentFile = ENVIRONMENT_FILE) -> None:
    """Stop the environment."""
    environment = environment_of(file)
    for init in list(inits(environment.name)):
        stop_place(environment.name, init.place)


def shell(
    host: Annotated[str, typer.Argument(help="core, a head node, a portal node or a compute node.")],
    command: Annotated[list[str] | None, typer.Argument(help="A command instead of a shell.")] = None,
    user: Annotated[str, typer.Option("--user", "-u", help="Somebody on the clusters; root unless given.")] = "root",
    file: EnvironmentFile = ENVIRONMENT_FILE,
) -> None:
    """Open a shell on a host, as Session Manager does on AWS."""
    layout = Layout(environment_of(file))
    try:
        argv = command_on(layout, find_host(layout, host), command or ["/bin/bash", "-l"], user)
    except (NoSuchHostError, NotRunningError) as error:
        raise fail(str(error)) from None
    os.execv(argv[0], argv)  # noqa: S606
