"""`tandem login` and `tandem logout`."""

import getpass
import ssl
import sys
from dataclasses import replace
from pathlib import Path
from socket import gethostname
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tandem.cli.client import PortalError, PortalUnreachableError
from tandem.cli.connection import connected
from tandem.cli.console import ENVIRONMENT_FILE, AsJson, EnvironmentFile, Exit, environment_of, err, fail, print_json
from tandem.cli.credentials import (
    Credentials,
    NotSignedInError,
    forget_credentials,
    keep_credentials,
    kept_credentials,
)


def login(
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL]", help="The portal's address; left out: the environment of FILE, on this machine."
        ),
    ] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Your name on the clusters.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="The authority (PEM) that the portal's certificate is from."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long the sign-in lasts.")] = 30,
    file: EnvironmentFile = ENVIRONMENT_FILE,
    as_json: AsJson = False,
) -> None:
    """Sign in to a portal. The password buys a token, which is kept in a file that only you can read."""
    if url is None:
        url, ca = local_portal(file, ca)
    url = checked_url(url)
    authority = read_authority(ca) if ca else ""
    user = user or ask("User", getpass.getuser())
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass("Password: ")
    else:
        raise fail("There is no terminal to ask for the password on: use --password-stdin.", Exit.USAGE)
    with connected(Credentials(url=url, token="", authority=authority), patience=5) as portal:
        answer = portal.post(
            "/tokens",
            {"username": user, "password": password, "name": f"tandem login on {gethostname()}"[:80], "days": days},
            repeatable=False,
        )
    token = answer["token"]
    earlier = _kept()
    path = keep_credentials(
        Credentials(
            url=url,
            token=answer["secret"],
            user=user,
            token_id=token["id"],
            expires_at=token["expires_at"],
            authority=authority,
        )
    )
    if earlier and earlier.url == url:
        # Nothing knows it any more. The authority may be a new one since then.
        _revoke(replace(earlier, authority=authority))
    if as_json:
        print_json({"url": url, "user": user, "expires_at": token["expires_at"], "credentials": str(path)})
    else:
        err.print(f"Signed in to {url} as {user} until {token['expires_at'][:10]}.", markup=False)


def logout(as_json: AsJson = False) -> None:
    """Sign out. The token is revoked and forgotten."""
    revoked = _revoke(_kept())
    forgotten = forget_credentials()
    if as_json:
        print_json({"revoked": revoked, "forgotten": forgotten})
    else:
        err.print("Signed out." if forgotten else "You were not signed in.")


def _kept() -> Credentials | None:
    """What `tandem login` kept. Not what the process environment says: that is not ours to end."""
    try:
        return kept_credentials()
    except NotSignedInError:
        return None


def _revoke(credentials: Credentials | None) -> bool:
    """Make a token good for nothing; whether it is that now."""
    if credentials is None or credentials.token_id is None:
        return False
    with connected(credentials, patience=5) as portal:
        try:
            portal.delete(f"/tokens/{credentials.token_id}")
        except PortalError as error:
            # Not good any more: what was wanted.
            return error.status in (401, 404)
        except PortalUnreachableError as error:
            err.print(f"{error}. The token stays good until it expires.", style="yellow", markup=False)
            return False
    return True


def local_portal(file: Path, ca: Path | None) -> tuple[str, Path]:
    """Address and authority of the environment that `tandem up` started from `file`."""
    # Here, and not above: it is not needed where only a portal is talked to.
    from tandem.local.state import State

    if not file.is_file():
        raise fail(f"There is no {file} here: give the portal's address.", Exit.USAGE)
    environment = environment_of(file)
    authority = ca or State(environment.name).authority
    if not authority.is_file():
        raise fail(f"The environment {environment.name} is not up here; give the portal's address.", Exit.USAGE)
    return f"https://127.0.0.1:{environment.portal.port}", authority


def checked_url(url: str) -> str:
    """The address without what follows the port. A password travels only through TLS, or within this machine."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise fail(f"{url} is not an address such as https://portal.example.org.", Exit.USAGE)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise fail("The password would travel unencrypted: use https://.", Exit.USAGE)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def read_authority(path: Path) -> str:
    """The PEM text of an authority's certificate."""
    try:
        text = path.read_text()
        ssl.create_default_context(cadata=text)
    except (OSError, UnicodeDecodeError, ssl.SSLError, ValueError) as error:
        raise fail(f"{path} is no certificate: {error}", Exit.USAGE) from None
    return text


def ask(what: str, default: str) -> str:
    """Ask on the terminal; without one, the default."""
    if not sys.stdin.isatty():
        return default
    return str(typer.prompt(what, default=default, err=True))
