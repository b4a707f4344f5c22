"""`tandem deploy` and `tandem outputs`: the environment on AWS."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from tandem.aws.account import AWS_ERRORS, explained
from tandem.aws.deploying import CdkError, Deployment
from tandem.aws.logs import where_it_says_more
from tandem.aws.names import STACKS
from tandem.aws.node_changes import clusters_that_go, impossible_changes, node_changes
from tandem.aws.preflight import Outcome, Preflight
from tandem.aws.stacks import read_template
from tandem.aws.toolchain import ToolError
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
)
from tandem.cli.local import interruptible
from tandem.cli.preflight import Profile, password_problem, show
from tandem.cli.stack_progress import shown
from tandem.environment import Environment
from tandem.local.progress import Progress

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
LOG_LINES = 25


def deployment_of(environment: Environment, file: Path, profile: str | None) -> Deployment:
    """How `environment` is deployed."""
    return Deployment(environment.name, environment.region, file, profile)


@contextmanager
def told(deployment: Deployment, again: str) -> Iterator[None]:
    """What can go wrong on the way, in words; `again` says how to go on after an interruption."""
    try:
        yield
    except ToolError as error:
        raise fail(str(error)) from None
    except CdkError as error:
        explain(deployment, error)
    except AWS_ERRORS as error:
        raise fail(explained(error), Exit.UNAVAILABLE) from None
    except KeyboardInterrupt:
        said = f"Interrupted. What CloudFormation was told, it goes on with by itself; {again}"
        raise fail(said, Exit.INTERRUPTED) from None


def explain(deployment: Deployment, error: CdkError) -> NoReturn:
    """What failed first, and where it says more."""
    failure = error.failure
    if failure is None:
        # Of the last command: the log has earlier ones, too.
        last = error.log.read_text(errors="replace").rpartition("\n== cdk ")[2].splitlines()[1:]
        for line in last[-LOG_LINES:]:
            err.print(f"  {line}", markup=False)
        raise fail(f"{error}; all that it said is in {error.log}")
    place = where_it_says_more(deployment, failure)
    said = f"{failure.stack}: {failure.resource} ({failure.type}) failed first: {failure.reason}"
    err.print(f"More about it: {place}\nAll that the CDK said: {error.log}", markup=False)
    problem = {"resource": failure.resource, "resource_type": failure.type, "reason": failure.reason, "log": place}
    raise fail(said, problem=problem)


def deploy(
    file: EnvironmentFile = ENVIRONMENT_FILE,
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Prepare the account's region for the CDK first.")
    ] = False,
    yes: Yes = False,
    profile: Profile = None,
) -> None:
    """Create the environment on AWS, or apply what changed in its file.

    Shows what would change and asks before it changes anything. After an interruption, call it again: it waits for
    what CloudFormation is still doing, and goes on.
    """
    environment = environment_of(file)
    deployment = deployment_of(environment, file, profile)
    steps = Progress(err)
    with told(deployment, "call `tandem deploy` again to follow it and go on."), interruptible():
        _must_be_possible(environment, deployment, bootstrap)
        if bootstrap:
            with steps.step("Prepare the region for the CDK"):
                deployment.bootstrap()
        _wait_for_earlier(deployment)
        with steps.step("Write the templates"):
            deployment.synthesise()
        changes, text = deployment.differences()
        if not changes:
            err.print("Nothing has changed.", style="green")
            _show_outputs(deployment)
            return
        _show_changes(deployment, text)
        cluster_goes = _say_what_happens_to_jobs(deployment)
        ask(f"Deploy {environment.name} to {environment.region}?", yes)
        with shown(err) as show_progress:
            deployment.deploy(show_progress, clusters_first=cluster_goes)
        err.print(f"{environment.name} is deployed.", style="green", markup=False)
        _show_outputs(deployment)


def _must_be_possible(environment: Environment, deployment: Deployment, bootstrap: bool) -> None:
    """Only what would fail at once; `tandem preflight` looks at everything."""
    looked = Preflight(environment, deployment.account, password_problem)
    bad = [
        finding
        for finding in looked.findings_before_deploying(bootstrap=bootstrap)
        if finding.outcome is Outcome.FAILED
    ]
    for finding in bad:
        show(finding)
    if bad:
        raise fail("Nothing was changed. `tandem preflight` looks at everything that deploying needs.")


def _show_changes(deployment: Deployment, text: str) -> None:
    """What the CDK says; where there is nothing yet, what is made."""
    if any(stack.there for stack in deployment.stacks()):
        out.print(text, markup=False, highlight=False)
        return
    for stack in STACKS:
        out.print(f"{stack}: {len(deployment.template(stack).get('Resources', {}))} new resources", markup=False)


def _wait_for_earlier(deployment: Deployment) -> None:
    busy = [stack.stack for stack in deployment.stacks() if stack.busy]
    if busy:
        err.print(f"CloudFormation is still at work on {', '.join(busy)}: following it first.", markup=False)
        with shown(err) as show_progress:
            deployment.follow(show_progress, time.sleep)


def _say_what_happens_to_jobs(deployment: Deployment) -> bool:
    """What the question is about, when nodes go that may be running jobs. Whether a whole cluster goes."""
    stack = next(stack for stack in deployment.stacks() if stack.stack == "Clusters")
    old, new = read_template(deployment.account, stack), deployment.template("Clusters")
    for one in impossible_changes(old, new):
        said = f"{one.cluster}: ParallelCluster cannot change {one.what} while the cluster lives."
        raise fail(f"{said} Give the cluster a new name in the file: it is then made anew, and the old one deleted.")
    gone = clusters_that_go(old, new)
    for name in gone:
        err.print(f"Cluster {name} is deleted, with every job on it and its scratch file system.", style="yellow")
    changes = node_changes(old, new)
    if not changes:
        return bool(gone)
    err.print("Nodes go, and the jobs that run on them are ended at once:", style="yellow")
    for change in changes:
        err.print(f"  {escape(str(change))}")
    err.print(
        "Restartable jobs start again, here or on another cluster; others are shown as failed (interrupted). Waiting\n"
        "jobs wait on for the new nodes. To let jobs end first: on the head node, `scontrol update partition=QUEUE\n"
        "state=drain`, and deploy when `squeue` shows none running in it."
    )
    return bool(gone)


def ask(question: str, yes: bool) -> None:
    """Go on only when somebody says so. Without a terminal, only --yes does."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise fail("Nobody can be asked here: say --yes to go on without.", Exit.USAGE)
    if not typer.confirm(question):
        raise fail("Nothing was changed.")


def outputs(file: EnvironmentFile = ENVIRONMENT_FILE, profile: Profile = None, as_json: AsJson = False) -> None:
    """Say where the environment on AWS is: the portal's address, the clusters, where the secrets are."""
    environment = environment_of(file)
    deployment = deployment_of(environment, file, profile)
    with told(deployment, ""):
        stacks = deployment.stacks()
    if not any(stack.there for stack in stacks):
        raise fail(f"{environment.name} is not deployed in {environment.region}.", Exit.NOTHING_THERE)
    if as_json:
        print_json(
            {
                "environment": environment.name,
                "region": environment.region,
                "stacks": {stack.stack: stack.status or None for stack in stacks},
                "outputs": {key: value for stack in stacks for key, value, _ in stack.outputs},
            }
        )
        return
    _show_outputs(deployment)
    for stack in stacks:
        if not stack.status.endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")):
            err.print(f"{stack.stack}: {stack.status or 'not there'}", style="yellow", markup=False)


def _show_outputs(deployment: Deployment) -> None:
    table = Table.grid(padding=(0, 2))
    for stack in deployment.stacks():
        for key, value, description in stack.outputs:
            table.add_row(escape(description or key), escape(value))
    if table.row_count:
        out.print(table)
