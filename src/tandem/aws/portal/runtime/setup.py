"""Sets a portal node up, after its packages are there. May be run again.

python -m tandem.aws.portal.runtime.setup PARAMETER REGION
"""

import grp
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import urllib.request
from importlib.resources import files

from tandem.aws.portal.runtime import places
from tandem.aws.portal.runtime.cli import AwsError, parameter
from tandem.aws.portal.runtime.configure import configure
from tandem.aws.portal.runtime.files import directory, write

METADATA = "http://169.254.169.254"
ANSWER_TIME = 10
STARTED = ("firewall.service", "signer.service", "web.service", "streams.service", "worker.service")
FOLLOWING = ("configure.timer", "publish.path", "publish.timer")
IMAGES_USER = "ec2-user"
LOG_AGENT = "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"


def make_accounts() -> None:
    """The services' users, and the group of those who may ask the signer."""
    if not _has(grp.getgrnam, places.GROUP):
        _run("groupadd", "--system", places.GROUP)
    for name in map(places.account, places.ACCOUNTS):
        if not _has(pwd.getpwnam, name):
            words = ["--system", "--user-group", "--groups", places.GROUP, "--no-create-home", "--home-dir", "/"]
            _run("useradd", *words, "--shell", "/sbin/nologin", name)


def _has(find: object, name: str) -> bool:
    try:
        find(name)  # type: ignore[operator]
    except KeyError:
        return False
    return True


def close_other_ways() -> None:
    """The image lets its own user become root, and has an sshd. For operators, Session Manager is the only way in."""
    for file in places.SUDOERS.iterdir():
        lines = file.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not re.match(rf"\s*{IMAGES_USER}\s", line)]
        if kept != lines:
            write(file, "".join(kept), mode=0o440)
    _run("systemctl", "mask", "--now", "sshd.service", "sshd.socket")


def instance() -> dict[str, str]:
    """Who this instance is, by its metadata service (version 2 only)."""
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = _ask(urllib.request.Request(f"{METADATA}/latest/api/token", headers=headers, method="PUT"))  # noqa: S310

    def about(what: str) -> str:
        url = f"{METADATA}/latest/meta-data/{what}"
        return _ask(urllib.request.Request(url, headers={"X-aws-ec2-metadata-token": token}))  # noqa: S310

    return {
        "id": about("instance-id"),
        "zone": about("placement/availability-zone"),
        "address": about("local-ipv4"),
    }


def _ask(request: urllib.request.Request) -> str:
    with urllib.request.urlopen(request, timeout=ANSWER_TIME) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text


def log_agent(group: str) -> str:
    """Configuration of the agent that ships logs: the services' own, and that of the node's beginning."""
    logs = {name: str(places.LOGS / f"{name}.log") for name in ("web", "streams", "worker", "signer", "node")}
    logs["boot"] = "/var/log/cloud-init-output.log"
    collected = [
        {"file_path": path, "log_group_name": group, "log_stream_name": f"{{instance_id}}/{name}"}
        for name, path in logs.items()
    ]
    document = {"agent": {"run_as_user": "root"}, "logs": {"logs_collected": {"files": {"collect_list": collected}}}}
    return json.dumps(document, indent=1) + "\n"


def install(path: str, region: str) -> None:
    """Everything that is the same for the life of the instance."""
    here = files("tandem.aws.portal.runtime")
    directory(places.ETC)
    directory(places.LOGS)
    worker = places.account("worker")
    directory(places.PEOPLE, worker, 0o775, grp.getgrnam(places.GROUP).gr_gid)
    write(places.INSTANCE_FILE, json.dumps(instance()) + "\n")
    write(places.AWS_VARIABLES, f"AWS_DEFAULT_REGION={region}\nTANDEM_PARAMETER={path}\n")
    authorities = files("tandem.aws.aurora.runtime").joinpath("rds-authorities.pem")
    write(places.DATABASE_AUTHORITIES, authorities.read_text())
    write(places.FIREWALL, here.joinpath("metadata.nft").read_text())
    write(places.UNITS.parents[1] / "logrotate.d/tandem", here.joinpath("logrotate").read_text())
    for unit in here.joinpath("units").iterdir():
        write(places.UNITS / unit.name, unit.read_text())
    write(places.LOG_AGENT, log_agent(json.loads(parameter(path))["log_group"]))


def main() -> int:
    """The command."""
    path, region = sys.argv[1:]
    os.environ["AWS_DEFAULT_REGION"] = region
    try:
        make_accounts()
        close_other_ways()
        install(path, region)
        if shutil.which(LOG_AGENT):
            # First of all: what goes wrong after this can be read from afar.
            _run(LOG_AGENT, "-a", "fetch-config", "-m", "ec2", "-s", "-c", f"file:{places.LOG_AGENT}")
        done = configure(path)
    except (AwsError, OSError, subprocess.CalledProcessError) as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return 1
    if done.problems:
        print("\n".join(done.problems), file=sys.stderr)
        return 1
    _run("systemctl", "daemon-reload")
    _run("systemctl", "enable", "--now", *(f"tandem-{unit}" for unit in (*STARTED, *FOLLOWING)))
    return 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=300)


if __name__ == "__main__":
    sys.exit(main())
