"""The process in a zone that follows the people file: accounts, homes, spoolers, who may sign in, Slurm's operators.

    python -m tandem.local.follower

It is the only one that changes accounts, and it believes the file only as far as `tandem.local.accounts` allows.
"""

import json
import logging
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from tandem.local.accounts import Account, account_files, read_people
from tandem.local.names import ACCOUNTS, ADMINISTRATORS, PEOPLE_FILE, SERVICE_IDS, ZONE_FACTS
from tandem.local.state import write_file

PRINCIPALS = ACCOUNTS / "principals"
log = logging.getLogger("follower")


def write_accounts(people: list[Account], directory: Path = ACCOUNTS) -> None:
    """The account files."""
    files = account_files(people)
    write_file(directory / "group", files.group)
    write_file(directory / "passwd", files.passwd)
    write_file(directory / "shadow", files.shadow, 0o640)
    write_file(directory / "gshadow", files.gshadow, 0o640)


def write_principals(people: list[Account], environment: str, directory: Path = PRINCIPALS) -> None:
    """Who may sign in: one file each, and none for who may not."""
    wanted = {person.name: f"{person.name}@{environment}\n" for person in people if person.enabled}
    wanted["tandem-watch"] = f"tandem-watch@{environment}\n"
    directory.mkdir(exist_ok=True)
    for file in directory.iterdir():
        if file.name not in wanted:
            file.unlink()
    for name, line in wanted.items():
        write_file(directory / name, line)


def make_directories(people: list[Account], shared: Path, scratch: list[Path]) -> None:
    """The places that belong to people; what exists is left alone."""
    parents = [shared / "home", shared / "spoolers", *scratch]
    for parent in parents:
        parent.mkdir(exist_ok=True)
    apps = shared / "apps"
    if not apps.exists():
        apps.mkdir(exist_ok=True)
        os.chown(apps, 0, SERVICE_IDS[ADMINISTRATORS])
        apps.chmod(0o2775)
    for person in people:
        for parent in parents:
            _personal(parent / person.name, person)


def _personal(directory: Path, person: Account) -> None:
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        # Another zone, or this one before its loss, may have got no further than this.
        if directory.stat(follow_symlinks=False).st_uid != 0:
            return
    os.chown(directory, person.uid, person.uid, follow_symlinks=False)


def make_operators(people: list[Account], done: set[str]) -> set[str]:
    """Administrators may cancel others' jobs because Slurm says so. Returns who is an operator now."""
    wanted = {person.name for person in people if person.administrator and person.enabled}
    clusters = list(json.loads(ZONE_FACTS.read_bytes())["clusters"])
    for name in sorted(wanted - done):
        # Both, for it may be there already. The first fails until slurmdbd knows a cluster.
        _sacctmgr(clusters[0], "add", "user", name, "account=root", "adminlevel=operator")
        _set_level(clusters[0], name, "operator")
        heard = {_is_operator(cluster, name) for cluster in clusters}
        if heard == {True}:
            done = done | {name}
        elif False in heard:
            # slurmdbd tells a slurmctld of changes only, and only one that is connected: so let there be another.
            _set_level(clusters[0], name, "none")
    for name in sorted(done - wanted):
        if _set_level(clusters[0], name, "none"):
            done = done - {name}
    return done


def remove_former_operators(people: list[Account]) -> bool:
    """Take the level from operators who are administrators no more, since before this process was there. Says whether
    Slurm could be asked.
    """
    cluster = next(iter(json.loads(ZONE_FACTS.read_bytes())["clusters"]))
    said = _slurm(cluster, "sacctmgr", "-n", "-P", "show", "user", "where", "adminlevel=operator", "format=user")
    if said is None or said.returncode:
        return False
    wanted = {person.name for person in people if person.administrator and person.enabled}
    failed = [name for name in set(said.stdout.split()) - wanted if not _set_level(cluster, name, "none")]
    return not failed


def _set_level(cluster: str, name: str, level: str) -> bool:
    return _sacctmgr(cluster, "modify", "user", "where", f"name={name}", "set", f"adminlevel={level}")


def _is_operator(cluster: str, name: str) -> bool | None:
    """Whether the cluster's slurmctld takes somebody for an operator, as the database does; None: it does not say."""
    said = _slurm(cluster, "scontrol", "-o", "show", "assoc_mgr", f"users={name}", "flags=users")
    if said is None or said.returncode:
        return None
    return re.search(rf"UserName={name}\(.*AdminLevel=Operator", said.stdout) is not None


def _slurm(cluster: str, *command: str) -> subprocess.CompletedProcess[str] | None:
    environment = {"PATH": "/usr/bin:/bin", "SLURM_CONF": f"/etc/tandem/slurm/{cluster}/slurm.conf"}
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None


def _sacctmgr(cluster: str, *arguments: str) -> bool:
    command = ["sacctmgr", "--immediate", "--quiet", *arguments]
    finished = _slurm(cluster, *command)
    if finished is None:
        return False
    nothing_new = "Nothing" in finished.stdout + finished.stderr
    if finished.returncode and not nothing_new:
        log.info("%s: %s", " ".join(command), (finished.stderr or finished.stdout).strip())
    return finished.returncode == 0 or nothing_new


def main() -> None:
    """Follow the file until the zone ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    seen: tuple[int, int] | None = None
    operators: set[str] = set()
    people: list[Account] = []
    former_are_out = False
    next_try = 0.0
    while True:
        facts: dict[str, Any] = json.loads(ZONE_FACTS.read_bytes())
        shared = Path(facts["shared"])
        try:
            status = PEOPLE_FILE.stat()
            stamp = (status.st_ino, status.st_mtime_ns)
            if stamp != seen:
                people = read_people(PEOPLE_FILE)
                write_accounts(people)
                if not shared.is_mount():
                    time.sleep(0.1)
                    continue
                make_directories(people, shared, [Path(one["scratch"]) for one in facts["clusters"].values()])
                # Last: whoever may sign in finds a home.
                write_principals(people, facts["environment"])
                seen = stamp
                log.info("%d people", len(people))
        except (OSError, ValueError) as error:
            log.error("people file: %s", error)
        if time.monotonic() >= next_try:
            before = operators
            operators = make_operators(people, operators)
            former_are_out = former_are_out or (bool(people) and remove_former_operators(people))
            next_try = time.monotonic() + (2 if operators == before else 0)
        time.sleep(0.3)


if __name__ == "__main__":
    main()
