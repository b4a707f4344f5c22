"""Losing, cutting off and freezing a zone are what they say, and can be undone."""

import os
import signal
from collections.abc import Iterator

import pytest
from tests.region import Region

from tandem.local.processes import descendants, require_init

pytestmark = pytest.mark.region

ZONE, OTHER = "eu-central-1b", "eu-central-1a"
HEAD = "head-cluster2"


@pytest.fixture(autouse=True)
def healed(region: Region) -> Iterator[None]:
    """Whatever a test does to the zone, the next one finds it whole."""
    yield
    condition = {zone["name"]: zone["condition"] for zone in region.status()["zones"]}[ZONE]
    if condition == "down":
        region.zone("start", ZONE)
    elif condition != "up":
        region.zone("heal", ZONE)
    region.wait(lambda: healthy(region), "everything is well again", 120)


def healthy(region: Region) -> bool:
    status = region.status()
    idle = region.shell(HEAD, "alice", ["sinfo", "-h", "-p", "always-on", "-t", "idle,alloc,mix", "-o", "%D"])
    nodes = set(status["portal_nodes"].values())
    return all(one["answers"] for one in status["clusters"]) and nodes == {"UP"} and idle.stdout.strip() == "2"


def portal_answers(region: Region) -> bool:
    with region.client() as client:
        return client.get("/healthz").status_code == 200


def start_counting(region: Region, path: str) -> None:
    """A job that writes a growing number for as long as it runs."""
    script = f"n=0; while sleep 0.1; do n=$((n+1)); echo $n > {path}.new; mv {path}.new {path}; done"
    argv = ["sbatch", "--partition=always-on", "--no-requeue", "--output=/dev/null", f"--wrap={script}"]
    done = region.shell(HEAD, "alice", argv)
    assert done.returncode == 0, done.stderr
    region.wait(lambda: count(region, path) > 0, "the job counts")


def count(region: Region, path: str) -> int:
    """The number, read past every file system of the zone."""
    scratch = region.state.scratch("cluster2") / path.removeprefix("/fsx_cluster2/")
    return int(scratch.read_text().strip() or 0) if scratch.exists() else 0


def cancel_all(region: Region) -> None:
    region.shell(HEAD, "alice", ["scancel", "--user=alice"])
    listed = ["squeue", "-h", "--user=alice"]
    region.wait(lambda: region.shell(HEAD, "alice", listed).stdout == "", "no job is left")


def test_a_killed_zone_is_gone_at_once_and_the_portal_goes_on(region: Region) -> None:
    path = "/fsx_cluster2/alice/killed"
    start_counting(region, path)
    everything = descendants(require_init(region.environment.name, ZONE).pid)
    region.zone("kill", ZONE)
    assert not [pid for pid in everything if alive(pid)]
    last = count(region, path)
    region.wait(lambda: region.status()["portal_nodes"][f"portal-{ZONE}"] == "DOWN", "the load balancer notices")
    assert portal_answers(region)
    assert count(region, path) == last

    region.zone("start", ZONE)
    region.wait(lambda: healthy(region), "the zone is back", 120)
    # Slurm may have forgotten that it had started the job, and start it again: what Tandem's wrapper is for.
    cancel_all(region)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_jobs_of_a_zone_that_is_cut_off_run_on_unseen(region: Region) -> None:
    path = "/fsx_cluster2/alice/cut"
    start_counting(region, path)
    region.zone("cut", ZONE, "--keep-storage")
    assert {zone["name"]: zone["condition"] for zone in region.status()["zones"]}[ZONE] == "cut off"
    region.wait(lambda: region.status()["portal_nodes"][f"portal-{ZONE}"] == "DOWN", "the load balancer notices")
    before = count(region, path)
    region.wait(lambda: count(region, path) > before + 5, "the job runs on")
    assert portal_answers(region)
    region.zone("heal", ZONE)
    region.wait(lambda: healthy(region), "the zone is seen again", 120)
    assert region.shell(HEAD, "alice", ["squeue", "-h", "-t", "running", "-o", "%T"]).stdout.strip() == "RUNNING"
    cancel_all(region)


def test_storage_hangs_in_a_zone_that_is_cut_off_and_nothing_is_lost(region: Region) -> None:
    region.zone("cut", ZONE)
    writing = ["timeout", "3", "sh", "-c", "echo kept > /efs/home/alice/during-the-cut"]
    assert region.shell(HEAD, "root", writing, deadline=120).returncode != 0
    assert region.shell("head-cluster1", "alice", ["sh", "-c", "echo there > ~/elsewhere; cat ~/elsewhere"]).stdout
    region.zone("heal", ZONE)
    region.wait(lambda: region.shell(HEAD, "alice", ["cat", "elsewhere"]).stdout == "there\n", "storage is back")


def test_a_frozen_zone_does_nothing_and_goes_on_where_it_was(region: Region) -> None:
    path = "/fsx_cluster2/alice/frozen"
    start_counting(region, path)
    region.zone("freeze", ZONE)
    assert {zone["name"]: zone["condition"] for zone in region.status()["zones"]}[ZONE] == "frozen"
    stopped = [stat_letter(pid) for pid in descendants(require_init(region.environment.name, ZONE).pid)]
    assert set(stopped) <= {"T", "Z"}
    region.wait(lambda: region.status()["portal_nodes"][f"portal-{ZONE}"] == "DOWN", "the load balancer notices")
    assert portal_answers(region)
    before = count(region, path)
    region.zone("heal", ZONE)
    region.wait(lambda: count(region, path) > before, "the job goes on")
    cancel_all(region)


def stat_letter(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_only_zones_that_are_there_can_be_treated(region: Region) -> None:
    done = region.tandem("zone", "kill", "eu-central-1z", check=False)
    assert done.returncode != 0
    assert "there are: eu-central-1a, eu-central-1b" in done.stderr
    done = region.tandem("zone", "kill", "core", check=False)
    assert done.returncode != 0


def test_a_core_that_is_lost_comes_back_without_ending_jobs(region: Region) -> None:
    path = "/fsx_cluster2/alice/core"
    start_counting(region, path)
    os.kill(require_init(region.environment.name, "core").pid, signal.SIGKILL)
    before = count(region, path)
    region.wait(lambda: count(region, path) > before, "the job runs on")
    region.tandem("up", "--no-first-job")
    region.wait(lambda: healthy(region), "everything is well again", 120)
    assert region.shell(HEAD, "alice", ["squeue", "-h", "-t", "running", "-o", "%T"]).stdout.strip() == "RUNNING"
    cancel_all(region)
