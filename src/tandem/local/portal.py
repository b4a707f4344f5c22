"""The portal's code and database: which release runs, and the steps that change the database for it."""

import os
import subprocess
from pathlib import Path

from tandem.local.enter import portal_command
from tandem.local.layout import Layout
from tandem.local.names import PYTHON, SERVICE_IDS
from tandem.local.processes import require_init
from tandem.local.progress import StepError
from tandem.local.secrets import Secrets
from tandem.local.state import State

MIGRATED = ".migrated"


def manage(layout: Layout, state: State, release: str, *arguments: str, stdin: bytes = b"") -> None:
    """Run one of Django's management commands on a portal node, as its web service. Raises StepError."""
    zone = layout.zones[0].name
    command = portal_command(layout, zone, "web", [PYTHON, "-m", "django", *arguments], release)
    log = state.zone(zone) / "log" / "manage.log"
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    with log.open("ab") as stream:
        stream.write(done.stdout)
    if done.returncode:
        raise StepError(f"{' '.join(arguments)} failed", log)


def migrate(layout: Layout, state: State, release: str) -> bool:
    """Bring the database to what the release needs. Returns whether there was anything to do."""
    marker = state.releases / release / MIGRATED
    if marker.exists():
        return False
    manage(layout, state, release, "migrate", "--no-input")
    marker.touch()
    return True


def sync_people(layout: Layout, state: State, release: str) -> None:
    """Take the people of the environment file into the portal, with the administrator's first password."""
    init = require_init(state.name, layout.zones[0].name)
    # The command runs without the rights to read the machine's copy; this one lives for as long as it runs.
    file = Path("/run/tandem-password")
    copy = init.root / "run" / file.name
    copy.touch(0o600)
    try:
        copy.write_bytes(Secrets(state.secrets).data("administrator"))
        own = SERVICE_IDS["tandem-web"]
        os.chown(copy, own, own)
        manage(layout, state, release, "sync_people", f"--administrator-password-file={file}")
    finally:
        copy.unlink()
