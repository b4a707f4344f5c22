"""Brings a portal node to what Parameter Store, Secrets Manager and S3 say: when it starts, and every two minutes.

    python -m tandem.aws.portal.runtime.configure

1. the environment file; the node's own file: where database, clusters and their keys are
2. the secrets, each to the services that need it
3. the database's tables and the file's people, when the environment file or the administrator's secret is another
4. the services hear of what is new: the web server without losing a request

What it has done is remembered in memory only. When one thing cannot be had, all else is done, and the exit code is 1.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from tandem.aws.portal.runtime import places
from tandem.aws.portal.runtime.cli import AwsError, Secret, fetch, parameter, parameters, secret
from tandem.aws.portal.runtime.files import directory, write

MIGRATE_TIME = 600


class NotUsable(Exception):
    """What was found cannot be used; the text says why."""


@dataclass
class Done:
    """What changed, by what has to hear of it."""

    services: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def one_value(text: str) -> str:
    """A password that was stored as plain text, or as JSON with one value. Raises NotUsable."""
    stripped = text.strip()
    try:
        document = json.loads(stripped)
    except ValueError:
        return stripped
    if not isinstance(document, dict):
        return stripped
    values = list(document.values())
    if len(values) != 1 or not isinstance(values[0], str):
        raise NotUsable("the administrator's secret is JSON with more than one value, or with none that is text")
    return values[0]


def node_document(settings: dict[str, Any], instance: dict[str, str], clusters: dict[str, Any]) -> dict[str, Any]:
    """What the node's services are told (`tandem.node`)."""
    return {
        "node": instance["id"],
        "zone": instance["zone"],
        "environment": str(places.ENVIRONMENT_FILE),
        "public_url": settings["public_url"],
        "database": {**settings["database"], "authorities": str(places.DATABASE_AUTHORITIES)},
        "signer_socket": str(places.SIGNER_SOCKET),
        # Its own address for the load balancer's health checks, the networks for whoever comes after this instance.
        "portal_addresses": [instance["address"], *settings["portal_networks"]],
        "balancer_addresses": settings["balancer_networks"],
        "people_file": str(places.PEOPLE_FILE),
        "clusters": clusters,
    }


def cluster_addresses(prefix: str, names: list[str]) -> dict[str, Any]:
    """The clusters that have said where they are and which host key they show. Raises AwsError."""
    places_of = {name: f"{prefix}/clusters/{name}" for name in names}
    said = parameters([f"{place}/{what}" for place in places_of.values() for what in ("address", "host-key")])
    found = {}
    for name, place in places_of.items():
        address, key = said[f"{place}/address"], said[f"{place}/host-key"]
        if address and key:
            found[name] = {"host": address, "port": 22, "host_keys": [key]}
    return found


def _fetch_environment(settings: dict[str, Any], state: dict[str, str]) -> bool:
    """The environment file; its name in S3 changes with its content. Returns whether it is another."""
    key = settings["environment"]["key"]
    file = places.ENVIRONMENT_FILE
    if state.get("environment") == key and file.exists():
        return False
    aside = file.with_name(".environment.new")
    fetch(settings["environment"]["bucket"], key, aside)
    # As long as the database cannot be prepared for it, it is fetched again and again.
    if file.exists() and file.read_bytes() == aside.read_bytes():
        aside.unlink()
        return False
    aside.chmod(0o644)
    aside.replace(file)
    return True


def _write_secrets(settings: dict[str, Any]) -> set[str]:
    """Each secret to the services that need it. Returns which services have new ones."""
    names = settings["secrets"]
    values = {name: secret(names[name]).text.strip() for name in ("database", "django", "authority")}
    changed = set()
    directory(places.SECRETS)
    for service in places.ACCOUNTS:
        own = directory(places.SECRETS / service, places.account(service), 0o700)
        for name, value in values.items():
            # The authority's key is the signer's alone.
            if name == "authority" and service != "signer":
                continue
            if write(own / name, value + "\n", places.account(service), 0o600):
                changed.add(service)
    return changed


def prepare_database(password: Secret) -> None:
    """The tables as this release needs them, the file's people, the administrator's password. Raises NotUsable."""
    owner = places.account("web")
    file = places.SECRETS / "web" / "administrator"
    write(file, one_value(password.text) + "\n", owner, 0o600)
    words = ["prepare_database", f"--administrator-password-file={file}"]
    words += [f"--administrator-password-since={password.created.isoformat()}"]
    variables = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "tandem.site.settings",
        "TANDEM_NODE": str(places.NODE_FILE),
        "TANDEM_SECRETS": str(file.parent),
    }
    as_web = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--init-groups", "--no-new-privs"]
    try:
        done = subprocess.run(
            [*as_web, str(places.PYTHON), "-m", "django", *words],
            env=variables,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=MIGRATE_TIME,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise NotUsable("preparing the database takes too long") from problem
    finally:
        file.unlink()
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise NotUsable(f"the database could not be prepared: {done.stderr.strip()[-2000:]}")


def configure(path: str) -> Done:
    """One look at everything. Raises AwsError when not even the node's own parameter can be read."""
    done = Done()
    state: dict[str, str] = json.loads(places.STATE.read_text()) if places.STATE.exists() else {}
    settings: dict[str, Any] = json.loads(parameter(path))
    instance: dict[str, str] = json.loads(places.INSTANCE_FILE.read_text())
    administrator: Secret | None = None
    try:
        if _fetch_environment(settings, state):
            done.services |= {"web", "streams", "worker", "signer"}
        clusters = cluster_addresses(path.rpartition("/")[0], settings["clusters"])
        document = json.dumps(node_document(settings, instance, clusters), indent=1) + "\n"
        if write(places.NODE_FILE, document):
            done.services |= {"web", "streams", "worker", "signer"}
        for service in _write_secrets(settings):
            done.services |= {"web", "streams"} if service == "web" else {service}
        administrator = secret(settings["secrets"]["administrator"])
    except AwsError as problem:
        done.problems.append(str(problem))
    if administrator is not None:
        wanted = {"environment": settings["environment"]["key"], "administrator": administrator.version}
        if state != wanted:
            try:
                prepare_database(administrator)
                write(places.STATE, json.dumps(wanted), mode=0o600)
            except NotUsable as problem:
                done.problems.append(str(problem))
    return done


def tell_services(services: set[str]) -> None:
    """Let those that run take up what is new. Without waiting: they may be waiting for us."""
    for service in sorted(services):
        # The web server lets its requests end; the others are taken over by the other node, or asked again.
        verb = "try-reload-or-restart" if service == "web" else "try-restart"
        subprocess.run(["systemctl", "--no-block", verb, f"tandem-{service}.service"], check=False)


def main() -> int:
    """The command."""
    try:
        done = configure(sys.argv[1])
    except (AwsError, OSError, ValueError, KeyError) as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return 1
    tell_services(done.services)
    for trouble in done.problems:
        print(trouble, file=sys.stderr)
    return 1 if done.problems else 0


if __name__ == "__main__":
    sys.exit(main())
