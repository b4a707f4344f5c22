"""From a command to the portal and back: who is signed in, what went wrong, and the exit status that says so."""

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tandem.cli.client import PATIENCE, Portal, PortalError, PortalUnreachableError
from tandem.cli.console import Exit, err, fail
from tandem.cli.credentials import Credentials, NotSignedInError, load_credentials


@contextmanager
def connected(credentials: Credentials | None = None, *, patience: float = PATIENCE) -> Iterator[Portal]:
    """A connection to the portal as the one signed in; what goes wrong becomes a line on stderr and an exit status."""
    try:
        with Portal(credentials or load_credentials(), patience=patience, notify=_notify) as portal:
            yield portal
    except NotSignedInError as error:
        raise fail(str(error), Exit.NOT_ALLOWED) from None
    except PortalUnreachableError as error:
        raise fail(str(error), Exit.UNAVAILABLE) from None
    except PortalError as error:
        problem = {"title": error.title, "detail": str(error), "status": error.status, "errors": error.errors}
        raise fail("\n".join(error.lines()), _status_of(error), problem) from None
    except KeyboardInterrupt:
        raise fail("interrupted", Exit.INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read our output has gone; say nothing more, not even when the interpreter flushes at its end.
        sys.stdout = None
        raise typer.Exit(Exit.DONE) from None
    except OSError as error:
        # A file of ours: the authority's certificate, the credentials, the file to save to.
        raise fail(str(error), Exit.FAILED) from None


def full_id(portal: Portal, text: str, what: str = "job") -> str:
    """The id of the one job, or whatever `what` names, that begins so."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        found = portal.get(f"/{what}s", id=text, page_size=2)["results"]
    if len(found) == 1:
        return str(found[0]["id"])
    raise fail(f"{f'Several {what}s begin' if found else f'No {what} begins'} with {text}.", Exit.NOTHING_THERE)


def _notify(text: str) -> None:
    err.print(text, style="yellow", markup=False)


def _status_of(error: PortalError) -> Exit:
    if error.status in (401, 403):
        return Exit.NOT_ALLOWED
    if error.status == 404:
        return Exit.NOTHING_THERE
    return Exit.UNAVAILABLE if error.status >= 500 or error.status == 429 else Exit.REFUSED
