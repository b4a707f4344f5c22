"""Jobs that people submit on a cluster itself, with the scheduler's own commands; and scripts for them."""

import shlex
import uuid
from typing import Any

import httpx
import pytest
from tests.accounts.test_region import choose_password
from tests.region import Region, wait_for

from tandem.jobs.resubmit import as_batch_script
from tandem.jobs.submission import Submission

pytestmark = pytest.mark.region


def sbatch(region: Region, who: str, *options: str) -> str:
    """The id of a job that somebody submits in a terminal of cluster1."""
    command = ["sbatch", "--parsable", "--partition=always-on", "--output=/dev/null", *options]
    return region.shell("head-cluster1", who, command, check=True).stdout.strip().split(";")[0]


def listed(portal: httpx.Client, scheduler_id: str) -> dict[str, Any] | None:
    """What the portal shows of it."""
    answer = portal.get("/api/v1/outside-jobs", params={"cluster": "cluster1", "search": scheduler_id})
    rows = [row for row in answer.raise_for_status().json()["results"] if row["scheduler_id"] == scheduler_id]
    return rows[0] if rows else None


def until_state(portal: httpx.Client, scheduler_id: str, state: str) -> dict[str, Any]:
    """The job once it is shown in this state."""
    wait_for(lambda: (listed(portal, scheduler_id) or {}).get("state") == state, f"{scheduler_id} is {state}")
    found = listed(portal, scheduler_id)
    assert found is not None
    return found


def test_a_job_from_a_terminal_is_listed_while_it_runs_and_when_it_ended(region: Region) -> None:
    gate = f"/efs/home/alice/gate-{uuid.uuid4().hex}"
    waiting = f"until [ -e {gate} ]; do sleep 0.2; done; exit 3"
    job = sbatch(region, "alice", "--job-name=from a terminal", f"--wrap={waiting}")
    with region.client(region.token()) as administrator:
        running = until_state(administrator, job, "RUNNING")
        assert (running["name"], running["owner"], running["queue"]) == ("from a terminal", "alice", "always-on")
        assert running["nodes"]
        assert running["started_at"]
        region.shell("head-cluster1", "alice", ["touch", gate], check=True)
        ended = until_state(administrator, job, "FAILED")
        assert ended["exit_code"] == 3
        assert ended["ended_at"]
        # What the portal itself handed over is no job from outside.
        own = administrator.post("/api/v1/jobs", json={"executable": "/bin/true", "cluster": "cluster1"}).json()["id"]
        wait_for(
            lambda: administrator.get(f"/api/v1/jobs/{own}").json()["state"] == "COMPLETED", "the portal's own job ran"
        )
        placed = administrator.get(f"/api/v1/jobs/{own}").json()["placements"][0]["scheduler_id"]
        assert listed(administrator, placed) is None


def test_its_owner_and_an_administrator_may_cancel_it_and_nobody_else_sees_it(region: Region) -> None:
    mine, others = sbatch(region, "alice", "--wrap=sleep 600"), sbatch(region, "bob", "--wrap=sleep 600")
    array = sbatch(region, "alice", "--array=0-3", "--begin=now+1hour", "--wrap=sleep 600")
    with region.client(region.token()) as administrator:
        until_state(administrator, mine, "RUNNING")
        until_state(administrator, others, "RUNNING")
        until_state(administrator, array, "PENDING")
        password = choose_password(region, administrator, "alice")
        with region.client(region.token("alice", password)) as alice:
            hers, his = listed(alice, mine), listed(administrator, others)
            assert hers is not None
            assert his is not None
            assert listed(alice, others) is None
            assert alice.post(f"/api/v1/outside-jobs/{his['id']}/cancel").status_code == 404
            alice.post(f"/api/v1/outside-jobs/{hers['id']}/cancel").raise_for_status()
            until_state(alice, mine, "CANCELLED")
            waiting = listed(alice, array)
            assert waiting is not None
            alice.post(f"/api/v1/outside-jobs/{waiting['id']}/cancel").raise_for_status()
            until_state(alice, array, "CANCELLED")
            again = alice.post(f"/api/v1/outside-jobs/{hers['id']}/cancel")
            assert again.status_code == 409
        administrator.post(f"/api/v1/outside-jobs/{his['id']}/cancel").raise_for_status()
        until_state(administrator, others, "CANCELLED")


def test_a_copied_script_says_to_sbatch_what_the_job_said(region: Region) -> None:
    name = 'it\'s "a" \\ job #1'
    place = f"/efs/home/alice/copied {uuid.uuid4().hex[:6]}"
    submission = Submission(
        name=name,
        project="p 1",
        executable="/bin/sh",
        options='-c \'pwd; echo "$0" "$TANDEM_PROJECT"\' {input}',
        input_file="/efs/it's an input",
        execution_directory=place,
        queue="always-on",
        time_limit="0-00:05:00",
    )
    region.shell("head-cluster1", "alice", ["mkdir", place], check=True)
    script = as_batch_script(submission)
    command = f"sbatch --parsable --wait --output={shlex.quote(place + '/out')}"
    done = region.shell("head-cluster1", "alice", ["sh", "-c", command], data=script)
    assert done.returncode == 0, done.stderr
    job = done.stdout.strip().split(";")[0]
    shown = region.shell("head-cluster1", "alice", ["scontrol", "-o", "show", "job", job], check=True).stdout
    assert f" JobName={name} " in shown
    assert "TimeLimit=00:05:00" in shown
    output = region.shell("head-cluster1", "alice", ["cat", f"{place}/out"], check=True).stdout
    assert output == f"{place}\n/efs/it's an input p 1\n"
