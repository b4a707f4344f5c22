"""Files with an owner, written in one step."""

import os
import pwd
from pathlib import Path


def write(path: Path, text: str, owner: str = "root", mode: int = 0o644) -> bool:
    """Write `text` unless it is there. Returns whether it was not. Nobody sees half of it, or before it is theirs."""
    if path.is_file() and path.read_text() == text:
        return False
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as stream:
        stream.write(text)
        account = pwd.getpwnam(owner)
        os.fchown(descriptor, account.pw_uid, account.pw_gid)
        os.fchmod(descriptor, mode)
    aside.replace(path)
    return True


def directory(path: Path, owner: str = "root", mode: int = 0o755, group: int | None = None) -> Path:
    """Make a directory with this owner and mode."""
    path.mkdir(parents=True, exist_ok=True)
    account = pwd.getpwnam(owner)
    os.chown(path, account.pw_uid, account.pw_gid if group is None else group)
    path.chmod(mode)
    return path
