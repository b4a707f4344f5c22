"""Runs inside a job, as the job's owner: tries what a job must not be able to do, and prints what it managed as JSON.

It is sent to the node as text, and imports nothing but the standard library.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000


def reads(path):
    try:
        if Path(path).is_dir():
            list(Path(path).iterdir())
        else:
            with open(path, "rb") as stream:
                stream.read(1)
    except OSError:
        return False
    return True


def writes(directory):
    try:
        path = Path(directory, f"probe-{os.getpid()}")
        path.touch()
        path.unlink()
    except OSError:
        return False
    return True


def connects(family, address):
    with socket.socket(family) as probe:
        probe.settimeout(2)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def listed_processes():
    """Processes of others that can be seen."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid != os.getuid():
                    found.append(entry.name)
            except OSError:
                continue
    return found


def suid_mounts():
    """Mounted directories where a set-user-id program would work."""
    found = []
    with open("/proc/self/mountinfo") as lines:
        for line in lines:
            fields = line.split()
            if "nosuid" not in fields[5].split(",") and Path(fields[4]).is_dir():
                found.append(fields[4])
    return found


def becomes_root():
    return subprocess.run(["su", "-c", "true"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def reads_below_mounts(paths):
    """In a user namespace of its own, where it may unmount what it has mounted: do covered directories show?"""
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None)
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0:
            for mounted in ("/usr/local", "/tmp", "/var/tmp", "/run", "/proc", "/efs"):
                libc.umount2(mounted.encode(), 2)
        os._exit(1 if any(reads(path) for path in paths) else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def main():
    wanted = json.load(sys.stdin)
    managed = [f"read {path}" for path in wanted["read"] if reads(path)]
    managed += [f"write in {path}" for path in wanted["write"] if writes(path)]
    managed += [f"reach {host}:{port}" for host, port in wanted["tcp"] if connects(socket.AF_INET, (host, port))]
    managed += [f"reach {path}" for path in wanted["unix"] if connects(socket.AF_UNIX, path)]
    managed += [f"see process {number}" for number in listed_processes()]
    managed += [f"use set-user-id programs in {path}" for path in suid_mounts()]
    managed += ["become root"] if becomes_root() else []
    managed += ["read below a mount"] if reads_below_mounts(wanted["read"]) else []
    # What it must be able to do shows that the probe itself works.
    able = [reads("/usr/bin/env"), writes("/tmp"), connects(socket.AF_UNIX, "/run/munge/munge.socket.2")]
    able += [connects(socket.AF_INET, tuple(address)) for address in wanted["allowed"]]
    print(json.dumps({"managed": managed, "able": able}))


main()
