"""The `tandem` command: composes the sub-commands, each of which is imported only when it is called."""

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tandem import __version__
from tandem.cli.console import Exit, json_wanted, print_problem

THIS_MACHINE = "The environment on this machine"
AWS = "The environment on AWS"
FILE = "The environment file"
WORK = "Work"
PEOPLE = "People"


@dataclass(frozen=True)
class SubCommand:
    """Where a command is (`module:name` of a function or a Typer app), and its line in `tandem --help`.

    `takes_command`: options that it does not know belong to the command that it is to run.
    """

    where: str
    help: str
    panel: str
    takes_command: bool = False

    def load(self, name: str) -> Any:
        """The command itself; this imports its module."""
        module, _, attribute = self.where.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            command: Any = typer.main.get_group(found)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(name, context_settings={"ignore_unknown_options": self.takes_command})(found)
            command = typer.main.get_command(alone)
        command.name = name
        return command


SUB_COMMANDS = {
    "check": SubCommand("tandem.cli.environment_file:check", "Check the environment file and summarise it.", FILE),
    "schema": SubCommand("tandem.cli.environment_file:schema", "Print the environment file's JSON Schema.", FILE),
    "up": SubCommand(
        "tandem.cli.local:up",
        "Start the environment that the file describes, or apply what changed in it.",
        THIS_MACHINE,
    ),
    "status": SubCommand("tandem.cli.local:status", "Show what runs: zones, clusters, services, portal.", THIS_MACHINE),
    "logs": SubCommand(
        "tandem.cli.local:logs", "Show the end of logs; without a service, list what there is.", THIS_MACHINE
    ),
    "down": SubCommand("tandem.cli.local:down", "Stop the environment.", THIS_MACHINE),
    "keys": SubCommand("tandem.cli.keys:app", "See and replace the keys by which clusters are entered.", THIS_MACHINE),
    "zone": SubCommand("tandem.cli.local:zone", "Kill, cut off, freeze, heal or start a zone.", THIS_MACHINE),
    "drill": SubCommand(
        "tandem.cli.drills:drill",
        "Let something fail while jobs run, and check that no work was lost.",
        THIS_MACHINE,
    ),
    "shell": SubCommand(
        "tandem.cli.local:shell",
        "Open a shell on a host, as Session Manager does on AWS.",
        THIS_MACHINE,
        takes_command=True,
    ),
    "preflight": SubCommand(
        "tandem.cli.preflight:preflight", "Look whether an AWS account is ready for the environment.", AWS
    ),
    "cost": SubCommand(
        "tandem.cli.cost:cost",
        "Say what the environment costs on AWS: a month with no job running, and an hour of each node.",
        AWS,
    ),
    "deploy": SubCommand(
        "tandem.cli.deploy:deploy", "Create the environment on AWS, or apply what changed in its file.", AWS
    ),
    "outputs": SubCommand(
        "tandem.cli.deploy:outputs",
        "Say where the environment on AWS is: the portal's address, the clusters, where the secrets are.",
        AWS,
    ),
    "destroy": SubCommand(
        "tandem.cli.destroy:destroy",
        "Remove the environment from AWS, with everything in it: jobs, files, accounts, secrets.",
        AWS,
    ),
    "login": SubCommand("tandem.cli.sign_in:login", "Sign in to a portal.", WORK),
    "logout": SubCommand("tandem.cli.sign_in:logout", "Sign out.", WORK),
    "job": SubCommand("tandem.cli.jobs:app", "Submit jobs and look after them.", WORK),
    "files": SubCommand("tandem.cli.files:app", "Look at, fetch and send files on the clusters.", WORK),
    "spooler": SubCommand("tandem.cli.spoolers:app", "Look after what jobs left: their files and expiry.", WORK),
    "cluster": SubCommand("tandem.cli.clusters:app", "See clusters, their queues and their nodes.", WORK),
    "user": SubCommand("tandem.cli.users:app", "Add, invite, disable people (administrators).", PEOPLE),
}


class LazyGroup(TyperGroup):
    """Lists the sub-commands from the table above, and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, sub in SUB_COMMANDS.items():
            self.add_command(TyperCommand(name, help=sub.help, rich_help_panel=sub.panel))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As usual; a command that is not understood has not read its own `--json` yet."""
        json_wanted.set("--json" in args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """As usual; what is wrong with the command itself is said in JSON as well where that is wanted."""
        try:
            return super().invoke(ctx)
        except typer.TyperException as error:
            print_problem(error.format_message(), Exit(error.exit_code))
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The called command, loaded."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and SUB_COMMANDS[name].load(name), rest


app = typer.Typer(
    name="tandem",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    # A traceback's local variables may hold a password.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    """Answer `--version`."""
    if wanted:
        print(f"tandem {__version__}")
        raise typer.Exit


@app.callback()
def tandem(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Two Slurm clusters in two zones behind one portal."""


def main() -> None:
    """Run the command line."""
    app()
