"""The verbs against real Slurm, from a portal node, as its worker does it: door, signer, sshd and Slurm as they are."""

import json
import subprocess
import textwrap
from typing import Any

import pytest
from tests.region import Region

from tandem.local.enter import portal_command

pytestmark = pytest.mark.region

HEAD = """
import json, sys, time, uuid
from datetime import UTC, datetime, timedelta
from tandem.clusters.door import *
from tandem.clusters.request import BatchJob, Request
from tandem.clusters.scheduler import Phase, get_scheduler

slurm = get_scheduler("cluster1")

def submit(script, *options, user="alice", files=None):
    placement = uuid.uuid4()
    home = f"/efs/spoolers/{user}"
    request = Request("job", 1, f"{home}/{placement}", "output", "error",
                      restartable="--requeue" in options, extra=options)
    outcome = slurm.submit(user, [BatchJob(placement, "#!/bin/sh\\n" + script, request, f"{home}/.tandem/{placement}",
                                           files or {})])[0]
    if isinstance(outcome, DoorError):
        raise outcome
    return placement

def wait(what):
    end = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found

def phase(placement, user="alice"):
    return {(job.task, job.phase.value) for job in slurm.look_up(user, placement)}

def failure(work):
    try:
        return ["worked", str(work())]
    except DoorError as problem:
        return [type(problem).__name__, str(problem)]
"""


def on_portal(region: Region, program: str, account: str = "worker") -> Any:
    """Run a program as one of the portal's services, on the second zone's portal node, and return what it prints."""
    code = HEAD + textwrap.dedent(program)
    zone = region.environment.zones[1].name
    python = ["/opt/tandem/venv/bin/python", "-c", code]
    done = subprocess.run(
        portal_command(region.layout, zone, account, python, "current"), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_submission_runs_as_its_owner_in_a_clean_environment_and_its_end_is_seen(region: Region) -> None:
    found = on_portal(
        region,
        """
        placement = submit("cat in.txt; id -un; env | cut -d= -f1 | grep -v SLURM | sort | tr '\\\\n' ' '; exit 3",
                           "--job-name=evil\\n9|9|N/A|bob|FAILED", files={"in.txt": b"given\\n"})
        ended = wait(lambda: [job for job in slurm.picture().ended if job.placement == str(placement)])[0]
        output = get_door().run("alice", "cluster1", 'cat "$1"', [f"/efs/spoolers/alice/{placement}/output"]).text
        hidden = get_door().run("bob", "cluster1", 'ls "$1"', [f"/efs/spoolers/alice/{placement}"]).status
        print(json.dumps([ended.user, ended.ending, ended.exit_code, ended.name, output.split("\\n"), hidden]))
        """,
    )
    assert found[:4] == ["alice", "failed", 3, "evil\n9|9|N/A|bob|FAILED"]
    assert found[4][:2] == ["given", "alice"]
    assert not [name for name in found[4][2].split() if name.startswith(("SSH", "SBATCH"))]
    assert found[5] != 0


def test_hold_release_requeue_and_cancel_reach_the_placements_jobs(region: Region) -> None:
    found = on_portal(
        region,
        """
        placement = submit("sleep 300", "--array=0-3%1", "--requeue", "--partition=always-on")
        wait(lambda: (0, "running") in phase(placement))
        slurm.hold("alice", placement)
        held = [job.reason for job in slurm.look_up("alice", placement) if job.task is None]
        slurm.release("alice", placement)
        slurm.requeue("alice", placement)
        wait(lambda: all(kind == "waiting" for _, kind in phase(placement)))
        others = [failure(lambda: slurm.cancel("bob", placement, owner="alice")), sorted(map(str, phase(placement)))]
        slurm.cancel("alice", placement)
        wait(lambda: all(kind == "ended" for _, kind in phase(placement)))
        print(json.dumps([held, others, failure(lambda: slurm.cancel("alice", placement))]))
        """,
    )
    held, others, again = found
    assert held == ["JobHeldUser"]
    assert others[0][0] == "ClusterRefused"
    assert "ermission denied" in others[0][1]
    assert "ended" not in " ".join(others[1])
    assert again[0] == "worked"


def test_the_administrator_may_cancel_for_others_because_slurm_says_so(region: Region) -> None:
    administrator = region.administrator
    assert on_portal(
        region,
        f"""
        placement = submit("sleep 300", "--hold")
        # A new cluster hears of its operators a moment after it is up.
        wait(lambda: failure(lambda: slurm.cancel("{administrator}", placement, owner="alice"))[0] == "worked")
        print(json.dumps(wait(lambda: [job.ending for job in slurm.look_up("alice", placement) if job.ending])))
        """,
    ) == ["cancelled"]


def test_slurms_refusals_come_in_its_own_words(region: Region) -> None:
    found = on_portal(
        region,
        """
        print(json.dumps([failure(lambda: submit("true", option)) for option in
              ("--partition=nosuch", "--bogus", "--mem=9999G", "--array=1-99999999")]))
        """,
    )
    assert [kind for kind, _ in found] == ["SubmissionRefused"] * 4
    assert "nosuch" in found[0][1]
    assert "--bogus" in found[1][1]


def test_one_pass_shows_everybody_everything(region: Region) -> None:
    found = on_portal(
        region,
        """
        placements = {user: submit("sleep 60", "--hold", user=user) for user in ("alice", "bob")}
        picture = slurm.picture(datetime.now(UTC) - timedelta(hours=1))
        seen = {(job.user, job.placement) for job in picture.jobs}
        for user, placement in placements.items():
            slurm.cancel(user, placement)
        print(json.dumps([all((user, str(placement)) in seen for user, placement in placements.items()),
                          [queue.name for queue in picture.queues], [queue.is_default for queue in picture.queues],
                          sorted(node.name for node in picture.nodes)[:2], picture.ended_since is not None,
                          "root" in picture.accounts]))
        """,
    )
    assert found == [True, ["compute", "always-on"], [True, False], ["always-on-st-1", "always-on-st-2"], True, True]


def test_the_portals_services_can_enter_as_people_and_nobody_else(region: Region) -> None:
    found = on_portal(
        region,
        """
        names = ("alice", "root", "slurm", "tandem-worker", "nobody", "tandem-watch")
        print(json.dumps({name: failure(lambda: get_door().run(name, "cluster1", "id").status)[0] for name in names}))
        """,
        account="web",
    )
    assert found.pop("alice") == "worked"
    assert found.pop("tandem-watch") in {"ClusterRefused", "ClusterUnreachable", "AnswerLost"}
    assert set(found.values()) == {"ClusterRefused"}
