"""Preparing an environment's state directory: secrets, certificates, the database's first files."""

import shutil

from tandem.local.certificates import ensure_certificates
from tandem.local.commands import run_logged
from tandem.local.layout import Layout
from tandem.local.names import PEOPLE_FILE, SERVICE_IDS
from tandem.local.progress import StepError
from tandem.local.render import Tree, core_tree, first_people, zone_tree
from tandem.local.secrets import Secrets
from tandem.local.state import State, ensure_directory, ensure_people_directory, move_into_storage, write_file


def prepare_state(layout: Layout, state: State) -> dict[str, Tree]:
    """Make what is made once, and lay out the files of all places; those are not written yet."""
    move_into_storage(state)
    secrets = Secrets(state.secrets)
    secrets.prepare([zone.accounting_database for zone in layout.zones], [head.cluster.name for head in layout.heads])
    certificate = ensure_certificates(state.secrets, state.authority, ["localhost", layout.environment.name])
    worker = SERVICE_IDS["tandem-worker"]
    ensure_people_directory(state)
    if not (state.people / PEOPLE_FILE.name).exists():
        write_file(state.people / PEOPLE_FILE.name, first_people(layout.environment), 0o644, worker)
    trees = {"core": core_tree(layout, state, secrets, certificate)}
    return trees | {zone.name: zone_tree(layout, zone, state, secrets) for zone in layout.zones}


def install_database(state: State) -> None:
    """Make the database server's first files, unless they are there; all or nothing. Raises StepError."""
    if state.database.exists():
        return
    owner = SERVICE_IDS["mysql"]
    aside = state.database.with_suffix(".new")
    shutil.rmtree(aside, ignore_errors=True)
    ensure_directory(aside, 0o700, owner)
    log = state.root / "install-database.log"
    command = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups", "mariadb-install-db"]
    # A server that starts removes what temporary tables it finds, and those in /tmp are of others.
    command += ["--no-defaults", f"--datadir={aside}", f"--tmpdir={aside}", "--skip-test-db", "--skip-name-resolve"]
    # root of the database is whoever is root in the core, and nobody else.
    command += ["--auth-root-authentication-method=socket", "--auth-root-socket-user=root"]
    if run_logged(command, log) != 0:
        raise StepError("the database could not be installed", log)
    aside.rename(state.database)
