"""The few mount calls that Python's standard library lacks, straight from the C library."""

import ctypes
import os
from enum import IntFlag
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
_DETACH = 2


class Flag(IntFlag):
    """Flags of mount(2)."""

    NONE = 0
    READ_ONLY = 1
    NO_SUID = 2
    NO_DEVICES = 4
    NO_PROGRAMS = 8
    REMOUNT = 32
    BIND = 4096
    RECURSIVE = 16384
    PRIVATE = 1 << 18
    SHARED = 1 << 20


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: Path, kind: str = "", flags: Flag = Flag.NONE, data: str = "") -> None:
    """mount(2). Raises OSError."""
    arguments = (source.encode(), str(target).encode(), kind.encode() or None, int(flags), data.encode() or None)
    _check(_libc.mount(*arguments), f"mount {kind or source} on {target}")


def bind(source: Path, target: Path, *, read_only: bool, devices: bool = False) -> None:
    """Show `source` at `target`, without set-user-id programs. The kernel wants a second call for the flags."""
    mount(str(source), target, flags=Flag.BIND)
    flags = Flag.REMOUNT | Flag.BIND | Flag.NO_SUID
    flags |= Flag.NONE if devices else Flag.NO_DEVICES
    mount("", target, flags=flags | (Flag.READ_ONLY if read_only else Flag.NONE))


def pivot_root(root: Path) -> None:
    """Make `root` (a mount point) the root directory and let go of the old one."""
    os.chdir(root)
    _check(_libc.syscall(_PIVOT_ROOT, b".", b"."), f"pivot_root {root}")
    _check(_libc.umount2(b".", _DETACH), "umount of the old root")
    os.chdir("/")
