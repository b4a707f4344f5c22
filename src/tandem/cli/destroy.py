"""`tandem destroy`: the environment on AWS, and everything in it, is removed."""

import time
from typing import Any

import typer

from tandem.aws.deploying import Deployment
from tandem.aws.losses import kept, losses, remains
from tandem.cli.console import ENVIRONMENT_FILE, EnvironmentFile, Exit, environment_of, err, fail
from tandem.cli.deploy import Yes, deployment_of, told
from tandem.cli.local import interruptible
from tandem.cli.preflight import Profile
from tandem.cli.stack_progress import shown
from tandem.local.progress import Progress


def destroy(file: EnvironmentFile = ENVIRONMENT_FILE, yes: Yes = False, profile: Profile = None) -> None:
    """Remove the environment from AWS, with everything in it: jobs, files, accounts, secrets.

    Says what is lost and what AWS keeps, and asks for the environment's name. After an interruption, call it again.
    """
    environment = environment_of(file)
    deployment = deployment_of(environment, file, profile)
    with told(deployment, "call `tandem destroy` again to go on."), interruptible():
        stacks = deployment.stacks()
        if any(stack.busy for stack in stacks):
            err.print("CloudFormation is still at work: following it first.")
            with shown(err) as show_progress:
                deployment.follow(show_progress, time.sleep)
            stacks = deployment.stacks()
        if not any(stack.there for stack in stacks):
            err.print(f"{environment.name} is not deployed in {environment.region}.", markup=False)
            return
        err.print("This is lost for ever:", style="red")
        _list(losses(environment, deployment))
        left = list(kept(environment, deployment))
        err.print("AWS keeps this, by design:")
        _list(left)
        _confirm(environment.name, yes)
        if not deployment.is_synthesised():
            with Progress(err).step("Write the templates"):
                deployment.synthesise()
        with shown(err) as show_progress:
            deployment.destroy(show_progress)
        _say_what_remains(deployment)


def _list(lines: Any) -> None:
    for line in lines:
        err.print(f"  • {line}", markup=False)


def _confirm(name: str, yes: bool) -> None:
    if yes:
        return
    try:
        typed = typer.prompt(f"Type {name} to remove it")
    except typer.Abort:
        raise fail("Nothing was changed. Without a terminal, --yes goes on without asking.", Exit.USAGE) from None
    if typed != name:
        raise fail("That is not its name: nothing was changed.")


def _say_what_remains(deployment: Deployment) -> None:
    found = list(remains(deployment))
    if found:
        err.print("These have its name and are still there:", style="yellow")
        _list(found)
        raise typer.Exit(Exit.FAILED)
    err.print(f"{deployment.names.environment} is gone.", style="green", markup=False)
