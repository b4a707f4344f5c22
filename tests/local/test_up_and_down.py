"""What `up` starts `down` takes away; what is interrupted leaves nothing; what is changed is applied."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.local.test_secrets_stay_secret import holding
from tests.region import Region, bring_up, take_down, tandem, wait_for, write_environment

from tandem.environment import load_environment
from tandem.local.processes import descendants, find_init, inits
from tandem.local.state import State

pytestmark = pytest.mark.region

SMALL = """\
name: {name}
region: eu-central-1
zones:
  - name: eu-central-1a
clusters:
  - name: cluster1
    zone: eu-central-1a
    queues:
      - {{name: compute, cpus: 4, memory_gib: 4, fixed_nodes: 1, elastic_nodes: 2}}
portal:
  port: {port}
users:
  - {{name: alice, uid: 2000}}
{times}
local:
  boot_delay: 1s
"""
SECOND_CLUSTER = """\
  - name: cluster2
    zone: eu-central-1b
    queues:
      - {name: compute, cpus: 4, memory_gib: 4, fixed_nodes: 1}
"""
POLICY = Path("/usr/sbin/policy-rc.d")


def mounts() -> set[str]:
    return {" ".join(line.split()[3:5]) for line in Path("/proc/self/mountinfo").read_text().splitlines()}


def interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def started(pid: int) -> str:
    """When a process was started, which tells it from a later one with its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def everybody() -> set[int]:
    return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}


def stray(name: str) -> list[str]:
    """Processes of an environment, by any trace of its name."""
    found = []
    for pid in everybody() - {os.getpid()}:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if f"{name}/".encode() in words and b"pytest" not in words and b".yaml" not in words:
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.fixture
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The file of a small environment, which is gone after the test whatever happens."""
    file = write_environment(tmp_path, SMALL, name=f"test-{os.getpid()}-{abs(hash(request.node.name)) % 1000}")
    yield file
    if State(load_environment(file).name).root.exists():
        take_down(file)


def test_down_leaves_nothing_and_up_brings_the_jobs_back(file: Path) -> None:
    before, links = mounts(), interfaces()
    with seen_by_everybody() as seen:
        region = bring_up(file)
    assert len(seen) > 100
    assert holding(region, ((f"{words[:80]!r}", words) for words in seen)) == []
    name = region.environment.name
    portal = Portal(region)
    accepted = {"waiting": portal.submit("--begin=now+1hour"), "running": portal.submit()}
    waiting = submit(region, "--begin=now+1hour", "--wrap=true")
    running = submit(region, "--no-requeue", "--wrap=sleep 600")
    region.wait(lambda: state_of(region, running) == "RUNNING", "the job runs")
    region.wait(lambda: portal.states(accepted) == {"waiting": "PENDING", "running": "RUNNING"}, "one waits, one runs")
    own = {(pid, started(pid)) for init in inits(name) for pid in descendants(init.pid)}
    assert len(own) > 20

    tandem("down", "--file", str(file))
    assert list(inits(name)) == []
    assert stray(name) == []
    # A namespace lives for as long as a process is in it, or a mount holds it.
    assert not own & {(pid, started(pid)) for pid in everybody()}
    assert mounts() <= before
    assert interfaces() <= links

    bring_up(file)
    assert state_of(region, waiting) == "PENDING"
    # Its node was switched off under it: whatever Slurm makes of that, it does not run and did not complete.
    region.wait(lambda: state_of(region, running) not in ("RUNNING", "COMPLETING"), "the lost job is noticed", 120)
    assert state_of(region, running) == "NODE_FAIL"
    # Of its own job the portal says the same: not before it is known to be over, and never that it completed.
    region.wait(lambda: portal.states(accepted)["running"] not in ("RUNNING", "UNKNOWN"), "the portal knows", 120)
    assert portal.states(accepted) == {"waiting": "PENDING", "running": "FAILED"}

    tandem("down", "--purge", "--yes", "--file", str(file))
    assert not region.state.root.exists()
    assert mounts() <= before


@contextmanager
def seen_by_everybody() -> Iterator[set[bytes]]:
    """The command lines and environments that anybody on the machine could see meanwhile, in `/proc`."""
    found: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for pid in everybody():
                for file in ("cmdline", "environ"):
                    with suppress(OSError):
                        found.add(Path(f"/proc/{pid}/{file}").read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()


class Portal:
    """The portal's API, for the administrator, whose token outlives the environment's nights."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.token = region.token()

    def submit(self, options: str = "") -> str:
        body = {"executable": "/bin/sleep", "options": "600", "additional_options": options}
        with self.region.client(self.token) as client:
            return str(client.post("/api/v1/jobs", json=body).raise_for_status().json()["id"])

    def states(self, jobs: dict[str, str]) -> dict[str, str]:
        with self.region.client(self.token) as client:
            found = {name: client.get(f"/api/v1/jobs/{job}").raise_for_status().json() for name, job in jobs.items()}
        return {name: job["state"] for name, job in found.items()}


def submit(region: Region, *options: str) -> str:
    done = region.shell("head-cluster1", "alice", ["sbatch", "--parsable", "--output=/dev/null", *options])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def state_of(region: Region, job: str) -> str:
    done = region.shell("head-cluster1", "alice", ["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"])
    if done.stdout.strip():
        return done.stdout.strip()
    return region.shell("head-cluster1", "alice", ["sacct", "-nX", "-j", job, "-o", "state%20"]).stdout.strip()


MOMENTS: dict[str, Callable[[State], bool]] = {
    "while it prepares": lambda state: state.secrets.exists(),
    "when the core runs": lambda state: find_init(state.name, "core") is not None,
    "when the zone runs": lambda state: find_init(state.name, "eu-central-1a") is not None,
}


@pytest.mark.parametrize(
    ("moment", "number"),
    [*((moment, signal.SIGINT) for moment in MOMENTS), ("when the core runs", signal.SIGTERM)],
)
def test_an_interrupted_up_leaves_nothing(file: Path, moment: str, number: signal.Signals) -> None:
    before, links = mounts(), interfaces()
    policy = POLICY.read_bytes() if POLICY.exists() else None
    state = State(load_environment(file).name)
    command = [sys.executable, "-m", "tandem", "up", "--no-first-job", "--file", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as up:
        wait_for(lambda: MOMENTS[moment](state) or up.poll() is not None, moment)
        up.send_signal(number)
        # A second one must not cut the cleaning up short.
        up.send_signal(number)
        assert up.stderr is not None
        said = up.stderr.read()
    assert up.returncode == 130, said
    assert "taking back" in said
    assert list(inits(state.name)) == []
    assert stray(state.name) == []
    assert not state.root.exists()
    assert mounts() <= before
    assert interfaces() <= links
    assert (POLICY.read_bytes() if POLICY.exists() else None) == policy


def test_a_changed_file_is_applied_without_ending_jobs(file: Path) -> None:
    region = bring_up(file)
    job = submit(region, "--wrap=sleep 600")
    region.wait(lambda: state_of(region, job) == "RUNNING", "the job runs")
    pids = {init.place: init.pid for init in inits(region.environment.name)}

    again = tandem("up", "--file", str(file), "--no-first-job")
    assert "restart" not in again.stderr

    file.write_text(file.read_text().replace("elastic_nodes: 2", "elastic_nodes: 3"))
    applied = tandem("up", "--file", str(file), "--no-first-job")
    assert "slurmctld-cluster1 in eu-central-1a restarts: jobs go on" in applied.stderr
    assert {init.place: init.pid for init in inits(region.environment.name)} == pids
    nodes = region.shell("head-cluster1", "alice", ["sinfo", "-hN", "-o", "%N"]).stdout.split()
    assert "compute-dy-3" in nodes
    assert state_of(region, job) == "RUNNING"

    file.write_text(file.read_text().replace("uid: 2000}", "uid: 2000}\n  - {name: dora, uid: 2007}"))
    assert "restart" not in tandem("up", "--file", str(file), "--no-first-job").stderr
    knows = ["id", "-u", "dora"]
    region.wait(lambda: region.shell("head-cluster1", "root", knows).stdout.strip() == "2007", "the new person")

    file.write_text(file.read_text().replace("\n  - {name: dora, uid: 2007}", ""))
    without = tandem("up", "--file", str(file), "--no-first-job")
    assert "dora is no longer in the file: the account is disabled" in without.stderr
    principals = ["ls", "/run/accounts/principals"]
    region.wait(lambda: "dora" not in region.shell("head-cluster1", "root", principals).stdout.split(), "dora is out")

    zone, second = "  - name: eu-central-1a\n", "  - name: eu-central-1b\n"
    text = file.read_text().replace(zone, zone + second)
    file.write_text(text.replace("portal:\n", SECOND_CLUSTER + "portal:\n"))
    planned = tandem("up", "--plan", "--file", str(file))
    assert find_init(region.environment.name, "eu-central-1b") is None
    assert "portal nodes restart one after the other" in planned.stderr
    tandem("up", "--file", str(file), "--no-first-job")
    assert find_init(region.environment.name, "eu-central-1b") is not None
    assert state_of(region, job) == "RUNNING"


def test_a_port_that_is_taken_is_said_before_anything_changes(file: Path) -> None:
    port = load_environment(file).portal.port
    with socket.create_server(("127.0.0.1", port)):
        done = tandem("up", "--file", str(file), check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"Port {port} on 127.0.0.1 is taken; give another one as `portal: {{port: …}}` in the environment file."
    ]
    assert not State(load_environment(file).name).root.exists()


def test_two_commands_do_not_change_an_environment_at_once(file: Path) -> None:
    state = State(load_environment(file).name)
    with state.locked():
        done = tandem("up", "--file", str(file), check=False)
    assert done.returncode == 1
    assert "another command is changing" in done.stderr
    assert not state.root.exists()
