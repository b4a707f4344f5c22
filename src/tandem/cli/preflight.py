"""`tandem preflight`: whether an AWS account is ready for the environment."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tandem.accounts.passwords import PasswordValidator
from tandem.aws.account import Account
from tandem.aws.preflight import Finding, Outcome, Preflight
from tandem.aws.versions import versions
from tandem.cli.console import ENVIRONMENT_FILE, AsJson, EnvironmentFile, Exit, environment_of, err, out, print_json
from tandem.environment import Environment

MARKS = {Outcome.GOOD: ("✓", "green"), Outcome.FAILED: ("✗", "red"), Outcome.UNKNOWN: ("?", "yellow")}

Profile = Annotated[
    str | None, typer.Option("--profile", envvar="AWS_PROFILE", help="The profile of AWS's own configuration.")
]


def preflight(file: EnvironmentFile = ENVIRONMENT_FILE, profile: Profile = None, as_json: AsJson = False) -> None:
    """Look whether an AWS account is ready for the environment. Changes nothing.

    Each thing that is not as it should be comes with what to do. Exit status 1 when there is one.
    """
    environment = environment_of(file)
    found: list[Finding] = []
    for finding in all_findings(environment, profile):
        found.append(finding)
        if not as_json:
            show(finding)
    bad = [finding for finding in found if finding.outcome is Outcome.FAILED]
    if as_json:
        print_json(
            {
                "ok": not bad,
                "findings": [
                    {"check": one.check, "outcome": one.outcome, "found": one.found, "todo": one.todo or None}
                    for one in found
                ],
            }
        )
    elif not bad:
        err.print(f"{environment.name} can be deployed to {environment.region}.", style="green", markup=False)
    if bad:
        raise typer.Exit(Exit.FAILED)


def all_findings(environment: Environment, profile: str | None) -> Iterator[Finding]:
    """What is found on this machine, and in the account."""
    yield from versions()
    yield from Preflight(environment, Account(environment.region, profile), password_problem).findings()


def password_problem(password: str) -> str | None:
    """What the portal would say to `password`."""
    from django.core.exceptions import ValidationError

    try:
        PasswordValidator().validate(password)
    except ValidationError as error:
        return str(error.message)
    return None


def show(finding: Finding) -> None:
    """One line, and below it what to do."""
    mark, colour = MARKS[finding.outcome]
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(min_width=15, no_wrap=True)
    table.add_column()
    table.add_row(Text(mark, style=colour), finding.check, Text(finding.found))
    if finding.outcome is not Outcome.GOOD:
        table.add_row("", "", Text(f"→ {finding.todo}", style=colour))
    out.print(table)
