"""The first process of a zone or of the core: builds its root, waits for its network, becomes supervisord.

It talks with the command that starts it over its standard input and output: reads one line of JSON, says `ready`, reads
`go`. When that command dies in between, it ends, and its namespaces with it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tandem.local.accounts import read_people
from tandem.local.follower import write_accounts
from tandem.local.names import ACCOUNTS, PEOPLE_FILE, PYTHON
from tandem.local.root import Bind, RootSpec, enter_root

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/"}


def main() -> None:
    """Run as PID 1 of new namespaces."""
    order = json.loads(sys.stdin.readline())
    root = order["root"]
    root["binds"] = [Bind(Path(one["source"]), one["target"], one["writable"]) for one in root["binds"]]
    os.umask(0o022)
    enter_root(RootSpec(**root))
    Path("/run/lock").mkdir()
    for name, owner in order["run_directories"].items():
        Path("/run", name).mkdir()
        os.chown(Path("/run", name), owner, owner)
    if ACCOUNTS.is_dir():
        write_accounts(read_people(PEOPLE_FILE))
    for namespace in order["new_namespaces"]:
        subprocess.run(["ip", "netns", "add", namespace], check=True, env=ENVIRONMENT)
        subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True, env=ENVIRONMENT)
    print("ready", flush=True)
    if sys.stdin.readline().strip() != "go":
        sys.exit("the command that started this is gone")
    # Logs are for root only; services are started with the usual mask (`tandem.local.services`).
    os.umask(0o077)
    log = os.open("/var/log/init.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    null = os.open("/dev/null", os.O_RDONLY)
    for old, new in ((null, 0), (log, 1), (log, 2)):
        os.dup2(old, new)
    os.closerange(3, 64)
    # The identifier makes this process findable by the environment's and the zone's name: there are no PID files.
    arguments = ["-m", "supervisor.supervisord", "-n", "-c", "/etc/tandem/supervisord.conf", "-i", order["identifier"]]
    os.execve(PYTHON, [PYTHON, *arguments], {**ENVIRONMENT, "PYTHONPATH": "/opt/tandem/app"})  # noqa: S606


if __name__ == "__main__":
    main()
