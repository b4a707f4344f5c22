"""`tandem user …`: who may come in. For administrators."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.connection import connected
from tandem.cli.console import AsJson, err, out, print_json

app = typer.Typer(name="user", help="Add, invite, disable people (administrators).", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name on the clusters.")]


@app.command("list")
def list_users(
    search: Annotated[str | None, typer.Option(help="Part of a name, full name or address.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """List everybody."""
    with connected() as portal:
        people = list(portal.pages("/people", limit, search=search))
    if as_json:
        print_json(people)
        return
    table = Table("Name", "Uid", "Full name", "Groups", "", box=None)
    for person in people:
        marks = [*(["administrator"] if person["administrator"] else []), *([] if person["enabled"] else ["disabled"])]
        table.add_row(
            *(Text(text) for text in (person["username"], str(person["uid"]), person["full_name"])),
            Text(", ".join(person["groups"])),
            ", ".join(marks),
        )
    out.print(table)


@app.command()
def add(
    name: Name,
    uid: Annotated[
        int | None, typer.Option(min=2000, help="User id on the clusters; left out: the next free one.")
    ] = None,
    full_name: Annotated[str, typer.Option(help="Full name.")] = "",
    email: Annotated[str, typer.Option(help="Address for notifications.")] = "",
    group: Annotated[list[str] | None, typer.Option(help="A group on the clusters; may be repeated.")] = None,
    administrator: Annotated[bool, typer.Option("--administrator", help="May look after everybody's work.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add somebody. To let them choose a password: tandem user invite."""
    body = {
        "username": name,
        "uid": uid,
        "full_name": full_name,
        "email": email,
        "groups": group or [],
        "administrator": administrator,
    }
    with connected() as portal:
        person = portal.post("/people", body, repeatable=False)
    if as_json:
        print_json(person)
    else:
        err.print(f"{person['username']} has been added with uid {person['uid']}.", markup=False)


@app.command()
def invite(name: Name, as_json: AsJson = False) -> None:
    """Print a link, good once and for 24 hours, with which somebody chooses a first password."""
    print_link(name, "invite", as_json)


@app.command()
def reset(name: Name, as_json: AsJson = False) -> None:
    """Print a link, good once and for 24 hours, with which somebody chooses a new password.

    Once it is used, their sign-ins end and their API tokens are revoked; until then the old password is good.
    """
    print_link(name, "reset", as_json)


@app.command()
def disable(name: Name, as_json: AsJson = False) -> None:
    """End somebody's sign-ins, tokens and connections, and let them in no more. Their jobs go on."""
    change(name, "disable", as_json)


@app.command()
def enable(name: Name, as_json: AsJson = False) -> None:
    """Let somebody in again."""
    change(name, "enable", as_json)


@app.command()
def group(
    name: Name,
    add: Annotated[list[str] | None, typer.Option("--add", help="A group to put somebody into; repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="One to take them out of; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put somebody into groups on the clusters, and take them out of others; without options, list theirs."""
    with connected() as portal:
        if add or remove:
            person = portal.post(address_of(name, "groups"), {"add": add or [], "remove": remove or []})
        else:
            person = portal.get(f"/people/{quote(name, safe='')}")
    if as_json:
        print_json(person)
    else:
        print("\n".join(person["groups"]))


@app.command()
def promote(name: Name, as_json: AsJson = False) -> None:
    """Make somebody an administrator."""
    change(name, "promote", as_json)


@app.command()
def demote(name: Name, as_json: AsJson = False) -> None:
    """Take an administrator's rights away: never your own, nor the last one's."""
    change(name, "demote", as_json)


def print_link(name: str, verb: str, as_json: bool) -> None:
    """Fetch and print a one-time link: alone on stdout, so that it can be handed on."""
    with connected() as portal:
        link: dict[str, Any] = portal.post(address_of(name, verb), repeatable=False)
    if as_json:
        print_json(link)
        return
    print(link["link"])
    err.print(f"Good once, until {link['expires_at']}.", markup=False)


def change(name: str, verb: str, as_json: bool) -> None:
    """Ask for a change of somebody's account and say how it stands."""
    with connected() as portal:
        person: dict[str, Any] = portal.post(address_of(name, verb))
    if as_json:
        print_json(person)
    else:
        standing = "enabled" if person["enabled"] else "disabled"
        rights = ", and an administrator" if person["administrator"] else ""
        err.print(f"{name} is {standing}{rights}.", markup=False)


def address_of(name: str, verb: str) -> str:
    """Where the API does this to somebody: what was typed as a name is nothing else."""
    return f"/people/{quote(name, safe='')}/{verb}"
