"""The account files of a zone: system accounts, and the people that the portal publishes."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from tandem.local.names import ADMINISTRATORS, SERVICE_IDS
from tandem.rules import UIDS_OF_OTHERS

_NO_SHELL = "/usr/sbin/nologin"
FIRST_UID = 1000
_SHELLS = {"/bin/bash", "/bin/sh", "/bin/dash", "/bin/tcsh", "/bin/csh", "/bin/zsh", "/usr/bin/fish"}
_LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Account:
    """Somebody who may enter the clusters of a zone."""

    name: str
    uid: int
    full_name: str
    groups: tuple[str, ...]
    enabled: bool
    administrator: bool
    shell: str = "/bin/bash"


@dataclass(frozen=True)
class AccountFiles:
    """Contents of the four files."""

    passwd: str
    group: str
    shadow: str
    gshadow: str


def read_people(path: Path) -> list[Account]:
    """The people in the file that the portal publishes, without those that would touch a system account.

    Raises OSError and ValueError when the file cannot be read at all.
    """
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict) or document.get("version") != 1:
        raise ValueError(f"{path}: not a people file of version 1")
    accounts: dict[str, Account] = {}
    for entry in document["people"]:
        account = _account(entry)
        taken = account and (account.name in accounts or account.uid in {one.uid for one in accounts.values()})
        if account and not taken:
            accounts[account.name] = account
    return list(accounts.values())


def _account(entry: dict[str, Any]) -> Account | None:
    """One person, or None for one that must not be let in. The file is written by a service, hence the distrust."""
    name, uid, administrator = entry.get("name"), entry.get("uid"), entry.get("administrator") is True
    reserved = _system_names()
    if not is_login(name) or name in reserved:
        return None
    # Only the administrator's own account may be below 2000, as `ec2-user` is.
    if type(uid) is not int or uid < FIRST_UID or (uid < 2000 and not administrator) or uid in UIDS_OF_OTHERS:
        return None
    groups = tuple(group for group in entry.get("groups", []) if is_login(group) and group not in reserved)
    shell = entry.get("shell", "/bin/bash")
    return Account(
        name=name,
        uid=uid,
        full_name="".join(
            letter for letter in str(entry.get("full_name", "")) if letter.isprintable() and letter not in ":,"
        ),
        groups=groups,
        enabled=entry.get("enabled") is True,
        administrator=administrator,
        shell=shell if shell in _SHELLS else "/bin/bash",
    )


def is_login(name: object) -> TypeGuard[str]:
    """Whether `name` can be an account's or a group's name."""
    return isinstance(name, str) and _LOGIN.fullmatch(name) is not None


def _system_names() -> set[str]:
    lines = (_SYSTEM_ACCOUNTS + _SYSTEM_GROUPS).splitlines()
    return {line.split(":")[0] for line in lines} | set(SERVICE_IDS)


_SYSTEM_ACCOUNTS = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/:/usr/sbin/nologin
bin:x:2:2:bin:/:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_SYSTEM_GROUPS = """\
root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
nogroup:x:65534:
"""


def group_id(name: str) -> int:
    """The number of a group of people: the same in every zone, without anybody keeping a list."""
    return 1_000_000 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % 1_000_000_000


def account_files(people: list[Account]) -> AccountFiles:
    """The files' contents for these people. Disabled ones stay listed, so that their files show their owner."""
    passwd = _SYSTEM_ACCOUNTS + "".join(
        f"{name}:x:{number}:{number}::/:{'/bin/sh' if name == 'tandem-watch' else _NO_SHELL}\n"
        for name, number in SERVICE_IDS.items()
    )
    passwd += "".join(
        f"{person.name}:x:{person.uid}:{person.uid}:{person.full_name}:/efs/home/{person.name}:"
        f"{person.shell if person.enabled else _NO_SHELL}\n"
        for person in people
    )
    members = {
        "tandem": ["tandem-web", "tandem-worker", "tandem-signer"],
        ADMINISTRATORS: [person.name for person in people if person.administrator],
    }
    for person in people:
        for group in person.groups:
            members.setdefault(group, []).append(person.name)
    own = SERVICE_IDS | {person.name: person.uid for person in people}
    numbers = own | {group: group_id(group) for group in members if group not in own}
    group = _SYSTEM_GROUPS + "".join(
        f"{name}:x:{number}:{','.join(members.get(name, []))}\n" for name, number in numbers.items()
    )
    # `*` and not `!`: sshd takes the latter for a locked account.
    shadow = "".join(f"{line.split(':')[0]}:*:::::::\n" for line in passwd.splitlines())
    gshadow = "".join(f"{line.split(':')[0]}:*::\n" for line in group.splitlines())
    return AccountFiles(passwd, group, shadow, gshadow)
