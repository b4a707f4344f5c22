"""The way of a job on real clusters, through the portal's API."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from tests.region import Region, wait_for

from tandem.local.drill_database import DatabaseDrill
from tandem.local.layout import ZoneLayout
from tandem.local.processes import require_init
from tandem.local.supervise import Supervisor

pytestmark = pytest.mark.region
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}


@pytest.fixture(scope="module")
def portal(region: Region) -> Iterator[httpx.Client]:
    """The portal's API, for the administrator."""
    with region.client(region.token()) as client:
        yield client


def submit(portal: httpx.Client, **fields: Any) -> str:
    body = {"cluster": "cluster1", "queue": "always-on", **fields}
    answer = portal.post("/api/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def show(portal: httpx.Client, job: str) -> dict[str, Any]:
    found: dict[str, Any] = portal.get(f"/api/v1/jobs/{job}").raise_for_status().json()
    return found


def until(portal: httpx.Client, job: str, ready: Callable[[dict[str, Any]], object], deadline: float = 90) -> Any:
    seen: dict[str, Any] = {}

    def is_ready() -> object:
        seen.clear()
        seen.update(show(portal, job))
        return ready(seen)

    try:
        wait_for(is_ready, "the job", deadline)
    except AssertionError as problem:
        raise AssertionError(f"{seen.get('state')}: {seen.get('reason')} {seen.get('placements')}") from problem
    return seen


def final(portal: httpx.Client, job: str, deadline: float = 90) -> dict[str, Any]:
    return dict(until(portal, job, lambda seen: seen["state"] in FINAL, deadline))


def starts(region: Region, job: str, host: str = "head-cluster1") -> list[str]:
    """What the payloads of `counting` wrote down: a line for each start."""
    path = f"/efs/home/{region.administrator}/starts-{job}"
    return region.shell(host, region.administrator, ["cat", path]).stdout.split()


COUNTING = '#!/bin/sh\necho "$TANDEM_TASK" >> "$HOME/starts-$TANDEM_JOB_ID"\n'


def test_output_and_errors_lie_in_the_spooler_which_is_its_owners_alone(region: Region, portal: httpx.Client) -> None:
    job = final(portal, submit(portal, script="#!/bin/sh\necho out\necho err >&2\numask > mask\n"))
    assert (job["state"], job["exit_code"]) == ("COMPLETED", 0)
    name = region.administrator
    script = f"cd {job['spooler']} && cat output.txt error.txt mask && stat -c %a:%U . ../.tandem/{job['id']}"
    seen = region.shell("head-cluster2", name, ["sh", "-c", script]).stdout.split()
    assert seen == ["out", "err", "0022", f"700:{name}", f"700:{name}"]
    other = region.shell("head-cluster1", "alice", ["ls", job["spooler"]])
    assert other.returncode != 0


def test_an_mpi_launcher_starts_all_ranks(portal: httpx.Client, region: Region) -> None:
    job = final(
        portal, submit(portal, executable="sh", options="-c 'echo $SLURM_PROCID'", processors=3, launcher="srun")
    )
    assert job["state"] == "COMPLETED", job["reason"]
    output = region.shell("head-cluster1", region.administrator, ["cat", f"{job['spooler']}/output.txt"]).stdout
    assert sorted(output.split()) == ["0", "1", "2"]


def test_a_missing_executable_is_told_in_words(portal: httpx.Client) -> None:
    job = final(portal, submit(portal, executable="/efs/apps/no-such-program"))
    assert (job["state"], job["exit_code"]) == ("FAILED", 127)
    assert "there is no /efs/apps/no-such-program on " in job["reason"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"queue": "nowhere"}, "nowhere"),
        ({"processors": 100_000}, "more processors requested than permitted"),
        ({"additional_options": "--reservation=no-such"}, "reservation"),
    ],
)
def test_what_slurm_refuses_fails_with_slurms_own_words(
    portal: httpx.Client, fields: dict[str, Any], words: str
) -> None:
    job = final(portal, submit(portal, executable="true", **fields))
    assert job["state"] == "FAILED"
    assert words.lower() in job["reason"].lower()


def test_each_array_task_runs_once_and_one_that_fails_is_told(portal: httpx.Client, region: Region) -> None:
    job = final(portal, submit(portal, script=COUNTING + "[ $TANDEM_TASK != 2 ]\n", array="0-4"))
    assert job["state"] == "FAILED"
    assert job["tasks"] == {"COMPLETED": 4, "FAILED": 1}
    assert sorted(starts(region, job["id"])) == ["0", "1", "2", "3", "4"]


def test_a_cancelled_job_is_gone_with_all_its_processes(portal: httpx.Client, region: Region) -> None:
    mark = f"3{uuid.uuid4().int % 10**6:06}"
    job = submit(portal, script=f"#!/bin/sh\nsetsid sleep {mark} &\nsleep {mark}\n")
    until(portal, job, lambda seen: seen["state"] == "RUNNING")
    assert portal.post(f"/api/v1/jobs/{job}/cancel").status_code == 200
    assert final(portal, job)["state"] == "CANCELLED"
    host = "head-cluster1"
    region.wait(lambda: region.shell(host, "root", ["pgrep", "-f", f"sleep {mark}"]).returncode == 1, "all are gone")


def test_a_job_that_its_person_cancels_on_the_cluster_is_cancelled(portal: httpx.Client, region: Region) -> None:
    job = submit(portal, executable="true", additional_options="--begin=now+1hour")
    seen = until(portal, job, lambda seen: seen["scheduler_state"] == "PENDING")
    number = seen["placements"][0]["scheduler_id"]
    region.shell("head-cluster1", region.administrator, ["scancel", number], check=True)
    assert final(portal, job)["state"] == "CANCELLED"


def test_a_later_attempts_output_takes_the_place_of_the_firsts_and_is_told_from_it(portal: httpx.Client) -> None:
    script = '#!/bin/sh\necho "attempt $TANDEM_ATTEMPT"\n[ "$TANDEM_ATTEMPT" != 0 ] || sleep 600\n'
    job = submit(portal, script=script, restartable=True)

    def output() -> tuple[str, str]:
        answer = portal.get(f"/api/v1/jobs/{job}/outputs/output.txt")
        return answer.text, answer.headers.get("Tandem-File", "")

    wait_for(lambda: output()[0] == "attempt 0\n", "the first attempt writes", 90)
    first = output()[1]
    until(portal, job, lambda seen: seen["state"] == "RUNNING")
    assert portal.post(f"/api/v1/jobs/{job}/requeue").status_code == 200
    assert final(portal, job, 240)["state"] == "COMPLETED"
    text, second = output()
    assert text == "attempt 1\n"
    assert second not in ("", first)


def test_what_slurm_forgot_when_it_was_killed_goes_out_again_and_starts_once(
    portal: httpx.Client, region: Region
) -> None:
    jobs = [submit(portal, script=COUNTING, additional_options="--begin=now+20") for _ in range(4)]
    for job in jobs:
        until(portal, job, lambda seen: any(one["state"] == "SUBMITTED" for one in seen["placements"]))
    region.shell("head-cluster1", "root", ["pkill", "-KILL", "-x", "slurmctld"], check=True)
    placed = 0
    for job in jobs:
        seen = final(portal, job, 240)
        assert seen["state"] == "COMPLETED", seen["reason"]
        assert starts(region, job) == ["0"]
        placed += len(seen["placements"])
    assert placed > len(jobs), "Slurm remembered them all: nothing was shown"


def test_a_submission_is_taken_while_slurm_is_dead_and_goes_out_later(portal: httpx.Client, region: Region) -> None:
    region.shell("head-cluster2", "root", ["pkill", "-STOP", "-x", "slurmctld"], check=True)
    try:
        job = submit(portal, script=COUNTING, cluster="cluster2")
        assert show(portal, job)["state"] in ("ACCEPTED", "PENDING", "UNKNOWN")
        until(portal, job, lambda seen: seen["reason"] or seen["placements"])
    finally:
        region.shell("head-cluster2", "root", ["pkill", "-CONT", "-x", "slurmctld"], check=True)
    assert final(portal, job, 180)["state"] == "COMPLETED"
    assert starts(region, job) == ["0"]


def holders(region: Region) -> list[str]:
    """The portal nodes whose workers watch each cluster and dispatch to it; empty for one that no worker holds."""
    leases = [f"{loop}:{cluster.name}" for loop in ("watch", "dispatch") for cluster in region.environment.clusters]
    return [DatabaseDrill(region.layout).lease_holder(lease).partition(":")[0] for lease in leases]


def held_by(region: Region, zone: ZoneLayout) -> bool:
    """Whether one zone's worker does everything."""
    return set(holders(region)) == {zone.portal}


@contextmanager
def dead_worker(region: Region, zone: ZoneLayout) -> Iterator[None]:
    """The zone's worker dies as it stands, without giving anything back, and is not started again meanwhile."""
    supervisor = Supervisor.of(require_init(region.environment.name, zone.name))

    def send(name: str) -> None:
        region.shell(zone.portal, "root", ["pkill", f"-{name}", "-f", "tandem.operations.worker"], check=True)

    # Stopped, it cannot act on the SIGTERM that supervisord sends.
    send("STOP")
    supervisor.stop("worker", wait=False)
    send("KILL")
    assert supervisor.wait_stopped(["worker"], 60)
    try:
        yield
    finally:
        supervisor.start("worker")


def test_the_other_nodes_worker_takes_over_from_one_that_stays_dead(
    portal: httpx.Client, region: Region, capsys: pytest.CaptureFixture[str]
) -> None:
    clusters = [cluster.name for cluster in region.environment.clusters]
    for _ in range(2):
        region.wait(lambda: all(holders(region)), "each lease has a holder")
        one, another = region.layout.zones
        dead, other = (one, another) if holders(region)[-1] == one.portal else (another, one)
        jobs = [submit(portal, script=COUNTING, cluster=cluster) for cluster in clusters]
        with dead_worker(region, dead):
            began = time.monotonic()
            wait_for(partial(held_by, region, other), f"{other.portal} takes over")
            with capsys.disabled():
                print(f" {other.portal} took over {time.monotonic() - began:.1f} s after {dead.portal}'s worker died")
            jobs += [submit(portal, script=COUNTING, cluster=cluster) for cluster in clusters]
            for job in jobs:
                seen = final(portal, job, 180)
                assert seen["state"] == "COMPLETED", seen["reason"]
                assert starts(region, job) == ["0"]
            assert held_by(region, other)
