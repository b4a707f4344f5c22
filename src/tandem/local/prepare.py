"""Writing an environment's state directory: secrets, files of the zones, the database's first files."""

import subprocess
from pathlib import Path

from tandem.environment import Environment
from tandem.local.layout import Layout
from tandem.local.names import PEOPLE_FILE, SERVICE_IDS
from tandem.local.progress import StepError
from tandem.local.render import first_people, write_core, write_zone
from tandem.local.secrets import Secrets, ensure_certificates
from tandem.local.state import State, ensure_directory, write_file


def prepare_state(environment: Environment, file: Path, state: State) -> dict[str, set[str]]:
    """Write everything that the zones and the core read. Returns, per place, the files that changed."""
    layout = Layout(environment)
    ensure_directory(state.root.parent, 0o711)
    ensure_directory(state.root, 0o711)
    secrets = Secrets(state.secrets)
    secrets.prepare([zone.accounting_database for zone in layout.zones], [head.cluster.name for head in layout.heads])
    certificate = ensure_certificates(state.secrets, state.authority, ["localhost", environment.name])
    worker = SERVICE_IDS["tandem-worker"]
    ensure_directory(state.people, 0o755, worker)
    if not (state.people / PEOPLE_FILE.name).exists():
        write_file(state.people / PEOPLE_FILE.name, first_people(environment), 0o644, worker)
    ensure_directory(state.core)
    changed = {"core": write_core(layout, state, secrets, certificate)}
    content = file.read_bytes()
    for zone in layout.zones:
        ensure_directory(state.zone(zone.name))
        changed[zone.name] = write_zone(layout, zone, state, secrets, content)
    return changed


def install_database(state: State) -> None:
    """Make the database server's first files, unless they are there. Raises StepError."""
    if (state.database / "mysql").exists():
        return
    owner = SERVICE_IDS["mysql"]
    ensure_directory(state.database, 0o700, owner)
    log = state.root / "install-database.log"
    command = [
        "setpriv",
        f"--reuid={owner}",
        f"--regid={owner}",
        "--clear-groups",
        "mariadb-install-db",
        "--no-defaults",
    ]
    command += [f"--datadir={state.database}", "--skip-test-db", "--skip-name-resolve"]
    # root of the database is whoever is root in the core, and nobody else.
    command += ["--auth-root-authentication-method=socket", "--auth-root-socket-user=root"]
    with log.open("w") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, cwd="/", check=False)
    if done.returncode:
        raise StepError("the database could not be installed", log)
