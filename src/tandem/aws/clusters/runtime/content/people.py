"""Brings a node's accounts to what the portal has published: the same names and numbers on every node.

    python3 people.py

Run by a timer. The list is in Parameter Store, compressed and cut into parts, of which each names the whole that it
belongs to: a list that is just being written is not taken. It is written by a service, hence the distrust: nobody in it
becomes, or joins, anything that the system had before.

Needs nothing but the system's Python (3.9) and AWS's command line. On a head node it also says who may sign in, makes
people's directories, and makes administrators Slurm's operators. Exit code 1 when there was nothing that could be done;
what could not be done for one person is tried again at the next run.
"""

from __future__ import annotations

import base64
import grp
import gzip
import hashlib
import json
import os
import pwd
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/tandem/cluster.json")
APPLIED = Path("/run/tandem-people-applied")
AUTHORITY = Path("/etc/ssh/tandem_authority.pub")
PRINCIPALS = Path("/etc/ssh/tandem_principals")
NOT_YET = "-"
WATCHER, WATCHER_ID = "tandem-watch", 713
EVERYBODY, ADMINISTRATORS, ADMINISTRATORS_ID = "tandem-people", "administrators", 720
LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
AWS_TIME = 60
AT_ONCE = 10  # parameters that one call may ask for


class Trouble(Exception):
    """Something that the next run may find better."""


def say(text: object) -> None:
    print(f"tandem-people: {text}", file=sys.stderr)


def run(*command: str) -> str:
    """Run a program of the system's. Raises Trouble with what it said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=AWS_TIME)
    if done.returncode:
        raise Trouble(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def parameters(names: list[str]) -> dict[str, str]:
    """Parameters' values, empty while they have none. Each call costs a second of a processor. Raises Trouble."""
    found: dict[str, str] = {}
    for start in range(0, len(names), AT_ONCE):
        words = ["--names", *names[start : start + AT_ONCE], "--output", "json"]
        said = json.loads(run("aws", "ssm", "get-parameters", *words))
        if said["InvalidParameters"]:
            raise Trouble(f"there is no parameter {', '.join(said['InvalidParameters'])}")
        found.update((one["Name"], one["Value"].strip()) for one in said["Parameters"])
    return {name: "" if value == NOT_YET else value for name, value in found.items()}


def published(path: str, first: str) -> tuple[str, list[dict[str, Any]]] | None:
    """The list's digest and the people in it, or None before there is one. Raises Trouble for half of a list.

    `first` is the first of its parts.
    """
    if not first:
        return None
    digest, count, _, piece = first.split(" ", 3)
    pieces = [piece]
    names = [f"{path}/{number}" for number in range(1, int(count))]
    others = parameters(names)
    for name in names:
        other, _, _, piece = (others[name] or "- 0 0 -").split(" ", 3)
        if other != digest:
            raise Trouble("the list is just being written")
        pieces.append(piece)
    packed = base64.b64decode("".join(pieces))
    if hashlib.sha256(packed).hexdigest()[: len(digest)] != digest:
        raise Trouble("the list is just being written")
    document = json.loads(gzip.decompress(packed))
    if document.get("version") != 1:
        raise Trouble("the list is not of version 1")
    return digest, document["people"]


def checked(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The people of a list, without those that must not be let in."""
    people: list[dict[str, Any]] = []
    # Session Manager makes its own account, which may become root, when it is first used.
    names, numbers = {"root", "ssm-user", WATCHER, EVERYBODY, ADMINISTRATORS}, set()
    for entry in entries:
        name, uid, administrator = entry.get("name"), entry.get("uid"), entry.get("administrator") is True
        if not isinstance(name, str) or not LOGIN.fullmatch(name) or type(uid) is not int:
            continue
        # Only the administrator's own account may be below 2000, as `ec2-user` is.
        if uid < 1000 or (uid < 2000 and not administrator) or 60000 <= uid <= 65535 or uid > 2**31 - 2:
            continue
        if name in names or uid in numbers:
            continue
        names.add(name)
        numbers.add(uid)
        groups = [group for group in entry.get("groups", []) if isinstance(group, str) and LOGIN.fullmatch(group)]
        full_name = "".join(letter for letter in str(entry.get("full_name", "")) if letter.isprintable())
        people.append(
            {
                "name": name,
                "uid": uid,
                "full_name": re.sub("[:,=]", "", full_name),
                "groups": groups,
                "enabled": entry.get("enabled") is True,
                "administrator": administrator,
            }
        )
    return people


def group_number(name: str) -> int:
    """The number of a group of people: the same on every node of every cluster, without anybody keeping a list."""
    return 1_000_000 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 1_000_000_000


def ensure_group(name: str, number: int) -> None:
    """A group with this number. Raises Trouble for a name that the system has for something else."""
    try:
        if grp.getgrnam(name).gr_gid != number:
            raise Trouble(f"the group {name} is the system's")
    except KeyError:
        run("groupadd", "--gid", str(number), name)


def ensure_watcher() -> None:
    """The portal's own account here: an ordinary one that reads lists."""
    with suppress(KeyError):
        pwd.getpwnam(WATCHER)
        return
    run("groupadd", "--force", "--gid", str(WATCHER_ID), WATCHER)
    words = ["--uid", str(WATCHER_ID), "--gid", WATCHER, "--groups", EVERYBODY, "--no-create-home", "--home-dir", "/"]
    run("useradd", "--no-log-init", "--shell", "/bin/sh", "--password", "*", *words, WATCHER)


def ensure_person(person: dict[str, Any], shared: str) -> None:
    """One account, with exactly the groups that the list says. Raises Trouble."""
    name, uid = person["name"], person["uid"]
    home = f"{shared}/home/{name}"
    shell = "/bin/bash" if person["enabled"] else "/sbin/nologin"
    groups = [EVERYBODY]
    if person["administrator"]:
        groups.append(ADMINISTRATORS)
    for group in person["groups"]:
        try:
            ensure_group(group, group_number(group))
            groups.append(group)
        except Trouble as trouble:
            say(f"{name} is not in {group}: {trouble}")
    try:
        known = pwd.getpwnam(name)
    except KeyError:
        other = next((one.pw_name for one in pwd.getpwall() if one.pw_uid == uid), None)
        if other:
            raise Trouble(f"{name} cannot have the number {uid}: it is {other}'s") from None
        ensure_group(name, uid)
        words = ["--uid", str(uid), "--gid", name, "--groups", ",".join(groups), "--home-dir", home, "--shell", shell]
        words += ["--comment", person["full_name"], "--password", "*", "--no-create-home", "--no-log-init"]
        run("useradd", *words, name)
        return
    if known.pw_uid != uid:
        raise Trouble(f"{name} has the number {known.pw_uid} here and {uid} in the list")
    words = ["--groups", ",".join(groups), "--shell", shell, "--comment", person["full_name"]]
    if known.pw_dir != home:
        words += ["--home", home]
    # `*` and not `!`, which some take for an account that is locked against all ways in.
    run("usermod", "--password", "*", *words, name)


def make_directories(people: list[dict[str, Any]], shared: str, scratch: str) -> None:
    """The places that belong to people; what exists is left alone, but for one that nobody finished making."""
    parents = [Path(shared, "home"), Path(shared, "spoolers"), Path(scratch)]
    for parent in parents:
        parent.mkdir(exist_ok=True)
    apps = Path(shared, "apps")
    if not apps.exists():
        apps.mkdir(exist_ok=True)
        os.chown(apps, 0, ADMINISTRATORS_ID)
        apps.chmod(0o2775)
    for person in people:
        for parent in parents:
            directory = parent / person["name"]
            try:
                directory.mkdir(mode=0o700)
            except FileExistsError:
                # The other cluster's head node may have got no further than this.
                if os.lstat(directory).st_uid != 0:
                    continue
            os.chown(directory, person["uid"], person["uid"], follow_symlinks=False)


def write(path: Path, text: str) -> None:
    """Write in one step."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text)
    aside.chmod(0o644)
    aside.replace(path)


def write_principals(names: set[str], environment: str) -> None:
    """Who may sign in: one file each, and none for who may not."""
    PRINCIPALS.mkdir(mode=0o755, exist_ok=True)
    for file in PRINCIPALS.iterdir():
        if file.name not in names:
            file.unlink()
    for name in names:
        write(PRINCIPALS / name, f"{name}@{environment}\n")


def make_operators(people: list[dict[str, Any]]) -> None:
    """Administrators may cancel others' jobs because Slurm says so; nobody else may any more. Raises Trouble."""
    manage = ["/opt/slurm/bin/sacctmgr", "--immediate", "--quiet"]
    said = run(manage[0], "-n", "-P", "show", "user", "where", "adminlevel=operator", "format=user")
    have, wanted = set(said.split()), {one["name"] for one in people if one["administrator"] and one["enabled"]}
    for name in sorted(wanted - have):
        # The first fails when Slurm knows them already, the second when it does not.
        with suppress(Trouble):
            run(*manage, "add", "user", name, "account=root", "adminlevel=operator")
        with suppress(Trouble):
            run(*manage, "modify", "user", "where", f"name={name}", "set", "adminlevel=operator")
    for name in sorted(have - wanted):
        run(*manage, "modify", "user", "where", f"name={name}", "set", "adminlevel=none")


def follow() -> bool:
    """One look. Returns whether all is as it should be."""
    settings = json.loads(SETTINGS.read_text())
    begin = f"/tandem/{settings['environment']}"
    wanted = [f"{begin}/people/0", *([f"{begin}/authority"] if settings["head"] else [])]
    said = parameters(wanted)
    ensure_group(ADMINISTRATORS, ADMINISTRATORS_ID)
    ensure_watcher()
    if settings["head"]:
        authority = said[f"{begin}/authority"]
        if authority and (not AUTHORITY.exists() or AUTHORITY.read_text() != authority + "\n"):
            write(AUTHORITY, authority + "\n")
    found = published(f"{begin}/people", said[f"{begin}/people/0"])
    if found is None and APPLIED.exists():
        # There was a list, or there never was one: nobody is put out for want of a parameter.
        return True
    digest, entries = found or ("", [])
    mark = f"{digest} {settings['scratch']}\n"
    if APPLIED.exists() and APPLIED.read_text() == mark:
        return True
    people, known, complete = checked(entries), [], True
    for person in people:
        try:
            ensure_person(person, settings["shared"])
            known.append(person)
        except Trouble as trouble:
            say(trouble)
            complete = False
    if settings["head"]:
        make_directories(known, settings["shared"], settings["scratch"])
        # After that, so that whoever may sign in finds a home.
        write_principals({one["name"] for one in known if one["enabled"]} | {WATCHER}, settings["environment"])
        if found:
            try:
                make_operators(known)
            except Trouble as trouble:
                say(trouble)
                complete = False
    write(APPLIED, mark if complete else f"not whole: {mark}")
    say(f"{len(known)} people")
    return complete


if __name__ == "__main__":
    try:
        # A person who cannot be made is looked at again by the timer, and keeps nobody else out.
        follow()
    except (Trouble, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as problem:
        say(f"{type(problem).__name__}: {problem}")
        sys.exit(1)
