"""Something of everything that pages show, for tests that look at every page. It needs no cluster and no loop."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from tandem.accounts.actions import add_person, create_token, invite
from tandem.accounts.models import Person, SignIn
from tandem.clusters.models import Cluster
from tandem.clusters.scheduler import NodeCondition
from tandem.jobs.models import Event, Job, JobState, OutsideJob, Placement, Spooler, Task, new_placement_id
from tandem.operations.models import Lease

PASSWORD = "a-Good-Passw0rd!"
LONG = "wing-body-tail_at-0.82-mach-with-a-name-that-nobody-would-ever-shorten-and-no-space-to-break-it-at"
# Their names say what a list of them is to cope with.
NAMES = {JobState.RUNNING: LONG, JobState.FAILED: "<b>Δp</b> & 'quotes' عنوان"}
ENDED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT)


@dataclass(frozen=True, slots=True)
class World:
    """Who may look, and what stands for the parts of addresses: each address is looked at with each of them."""

    administrator: Person
    newcomer: Person
    jobs: Mapping[str, Job]
    samples: Mapping[str, Sequence[object]]


def fill(efs: Path) -> World:
    """People, clusters (one of them silent), jobs in every state, spoolers, files, tokens, sign-ins."""
    chief = add_person("chief", full_name="Grace Hopper", email="grace@example.org", administrator=True)
    mia = add_person("mia", full_name="Mia Curie", groups=["physics", "cfd"])
    for person in (chief, mia):
        person.set_password(PASSWORD)
        person.password_chosen_at = timezone.now()
        person.save()
    for name in ("noah", "olga", "pete"):
        invite(add_person(name, groups=["physics"]))
    Person.objects.filter(username="pete").update(is_active=False)
    now = timezone.now()
    token, _ = create_token(chief, "laptop")
    SignIn.objects.create(
        session_key="another",
        session_data="",
        expire_date=now + timedelta(hours=5),
        person=chief,
        since=now - timedelta(hours=3),
        last_seen_at=now - timedelta(minutes=7),
        address="192.0.2.7",
        browser="Mozilla/5.0 (Macintosh; Intel Mac OS X) Safari/605.1",
    )
    _clusters(now)
    jobs = {str(state): _job(chief, state, number, now) for number, state in enumerate(JobState)}
    _files(efs, jobs.values())
    outside = OutsideJob.objects.create(
        owner=chief,
        cluster="cluster1",
        scheduler_id="17",
        name="by sbatch",
        queue="compute",
        state="RUNNING",
        scheduler_state="RUNNING",
        state_since=now,
        created_at=now,
        seen_at=now,
    )
    return World(
        administrator=chief,
        newcomer=mia,
        jobs=jobs,
        samples={
            # An array that runs, one with words about what went wrong, one of a cluster that is silent.
            "job_id": [jobs[state].pk for state in ("RUNNING", "FAILED", "UNKNOWN")],
            "/applications/again/<uuid:job_id>/:job_id": [jobs["FAILED"].pk],
            "/jobs/outside/<uuid:job_id>/:job_id": [outside.pk],
            # Soon to expire, removed.
            "spooler_id": [jobs[state].spooler_id for state in ("COMPLETED", "CANCELLED")],
            "handle": ["0123456789abcdef"],
            "pk": [token.pk],
            "username": [mia.username],
            "slug": ["job-submission"],
            "/clusters/<slug:name>/:name": ["cluster1", "cluster2"],
        },
    )


def _clusters(now: datetime) -> None:
    """One that answers, with nodes in every condition, and one that does not."""
    nodes = [
        {
            "name": f"compute-dy-{number}",
            "state": "IDLE+CLOUD",
            "reason": "gone" if condition is NodeCondition.DOWN else "",
            "queues": ["compute"],
            "cpus": 4,
            "cpus_used": 3 if condition is NodeCondition.BUSY else 0,
            "memory": 7782,
            "memory_used": 512,
            "load": 2.5,
            "shortage": "",
            "condition": condition,
            "elastic": True,
            "since": (now - timedelta(minutes=number)).isoformat(),
        }
        for number, condition in enumerate(NodeCondition, 1)
    ]
    queue = {"available": True, "time_limit": 86400, "cpus_per_node": 4, "memory_per_node": 7782}
    queues = [
        {**queue, "name": "compute", "is_default": True, "nodes": len(nodes), "jobs_running": 3, "jobs_waiting": 12},
        {**queue, "name": "always-on", "is_default": False, "nodes": 0, "available": False},
    ]
    short = {"reason": "InsufficientInstanceCapacity", "node": "compute-dy-1", "since": now.isoformat()}
    both: dict[str, Any] = {"queues": queues, "nodes": nodes, "state_since": now}
    Cluster.objects.create(
        name="cluster1", zone="zone-a", state="UP", last_answer_at=now, shortages={"compute": short}, **both
    )
    Cluster.objects.create(
        name="cluster2",
        zone="zone-b",
        state="DOWN",
        last_answer_at=now - timedelta(minutes=9),
        error="cluster2: connection refused",
        **both,
    )
    Lease.objects.create(name="watch cluster1", holder="portal1:4711", expires_at=now + timedelta(seconds=20))
    Lease.objects.create(name="watch cluster2", holder="portal2:4712", expires_at=now - timedelta(minutes=1))


def _job(owner: Person, state: JobState, number: int, now: datetime) -> Job:
    """One in this state, placed; every third is an array of a few tasks. Spoolers meet every fate."""
    array = "0-3" if number % 3 == 2 else ""
    name = NAMES.get(state, f"wing at {number} degrees")
    is_over = state in ENDED
    made = Job.objects.create(
        owner=owner,
        spooler=Spooler.objects.create(
            owner=owner,
            name=name,
            kept=state is JobState.FAILED,
            expires_at=now + timedelta(hours=5) if state is JobState.COMPLETED else None,
            removed_at=now if state is JobState.CANCELLED else None,
        ),
        name=name,
        project="wings",
        application="job-submission",
        state=state,
        state_since=now,
        next_try_at=now,
        cluster="" if state is JobState.ACCEPTED else "cluster2" if state is JobState.UNKNOWN else "cluster1",
        queue="compute",
        array=array,
        task_count=4 if array else 1,
        restartable=state is JobState.RUNNING,
        hold_wanted=state is JobState.ACCEPTED,
        submission={"executable": "/efs/apps/wing", "options": "-a 4", "cluster": "any", "processors": 4},
        payload="#!/bin/bash\n/efs/apps/wing -a 4\n",
        started_at=None if state in (JobState.ACCEPTED, JobState.PENDING) else now - timedelta(minutes=4),
        ended_at=now if is_over else None,
        sealed_at=now if is_over else None,
        exit_code=1 if state is JobState.FAILED else None,
        reason="The program ended with exit code 1." if state is JobState.FAILED else "",
    )
    placement = Placement.objects.create(
        id=new_placement_id(made.pk),
        job=made,
        cluster=made.cluster or "cluster1",
        state="REFUSED" if state is JobState.ACCEPTED else "SUBMITTED",
        state_since=now,
        scheduler_id="" if state is JobState.ACCEPTED else str(100 + number),
        message="sbatch: error: Batch job submission failed: Invalid qos" if state is JobState.ACCEPTED else "",
    )
    for index in range(4 if array else 0):
        Task.objects.create(job=made, index=index, state=state, owner=placement)
    Event.objects.create(owner=owner, job=made, kind="job.state", data={"state": str(state)})
    return made


def _files(efs: Path, jobs: Iterable[Job]) -> None:
    """A home with something of each kind in it, and what jobs left."""
    home = efs / "home/chief"
    (home / "campaign").mkdir(parents=True)
    (home / f"{LONG}.dat").write_bytes(b"\0" * 70_000)
    (home / "read me.txt").write_text("hello\n")
    (home / "latest").symlink_to("campaign")
    for job in jobs:
        spooler = efs / job.spooler.path.removeprefix("/efs/")
        spooler.mkdir(parents=True)
        (spooler / "output.txt").write_text("The wing flies.\n")
        (spooler / f"{LONG}.vtu").write_bytes(b"\0" * 4096)
