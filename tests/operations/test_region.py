"""Parts of a portal node and the database fail under a portal that is in use: clear words, and nobody has to help."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from tests.region import Region

from tandem.local.drill_database import DatabaseDrill
from tandem.local.enter import command_on, find_host, portal_command
from tandem.local.layout import CORE_ADDRESS, DATABASE_HOST, DATABASE_PORT
from tandem.local.names import PYTHON
from tandem.local.processes import require_init
from tandem.local.release import current_release
from tandem.local.render import PORTAL_DATABASE
from tandem.local.supervise import Supervisor

pytestmark = pytest.mark.region

ELSEWHERE = "10.77.0.9"
RELAY = f"""
import asyncio
async def pipe(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def serve(reader, writer):
    other = await asyncio.open_connection("{CORE_ADDRESS}", {DATABASE_PORT})
    await asyncio.gather(pipe(reader, other[1]), pipe(other[0], writer), return_exceptions=True)
async def main():
    server = await asyncio.start_server(serve, "{ELSEWHERE}", {DATABASE_PORT})
    await server.serve_forever()
asyncio.run(main())
"""

LOCKING = """
import sys
import django
django.setup()
from django.db import transaction
from tandem.jobs.models import Job
with transaction.atomic():
    Job.objects.select_for_update().get(pk=sys.argv[1])
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def portal(region: Region) -> Iterator[httpx.Client]:
    """The portal's API, for the administrator."""
    with region.client(region.token()) as client:
        yield client


@pytest.fixture
def browser(region: Region) -> Iterator[httpx.Client]:
    """A browser in which the administrator is signed in."""
    with region.client() as client:
        client.get("/sign-in")
        form = {"username": region.administrator, "password": region.password}
        form["csrfmiddlewaretoken"] = client.cookies["__Host-csrf"]
        answer = client.post("/sign-in", data=form, headers={"Referer": f"{region.url}/sign-in"})
        assert answer.status_code == 302, answer.text
        yield client


@pytest.fixture(autouse=True)
def well(region: Region, portal: httpx.Client) -> Iterator[None]:
    """Whatever a test does, the next one finds all well."""
    yield
    region.wait(lambda: set(nodes(region).values()) == {"UP"}, "all portal nodes are back", 120)
    region.wait(lambda: not status(portal)["attention"], "all is well", 120)


def status(portal: httpx.Client) -> dict[str, Any]:
    answer = portal.get("/api/v1/status")
    found: dict[str, Any] = answer.json()
    return found if answer.status_code == 200 else {"attention": [found]}


def nodes(region: Region) -> dict[str, str]:
    found: dict[str, str] = region.status()["portal_nodes"]
    return found


def submit(portal: httpx.Client, **fields: Any) -> httpx.Response:
    body = {"executable": "/bin/true", "cluster": "cluster1", "queue": "always-on", **fields}
    return portal.post("/api/v1/jobs", json=body)


def completes(region: Region, portal: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = {}

    def is_over() -> bool:
        seen = portal.get(f"/api/v1/jobs/{answer.json()['id']}")
        job.update(seen.json() if seen.status_code == 200 else {})
        return job.get("state") in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")

    region.wait(is_over, f"the job is over: {job}", 90)
    assert job["state"] == "COMPLETED", job["reason"]
    return job


@contextmanager
def stopped(region: Region, place: str, *services: str) -> Iterator[None]:
    supervisor = Supervisor.of(require_init(region.environment.name, place))
    for service in services:
        supervisor.stop(service)
    try:
        yield
    finally:
        for service in services:
            supervisor.start(service)


def say(region: Region, host: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    return region.shell(host, "root", command, check=True)


def told_in_words(region: Region, portal: httpx.Client, browser: httpx.Client, words: str) -> None:
    """A page says what is wrong, the API too; both when to come again."""
    page = browser.get("/jobs/", headers={"Accept": "text/html"})
    api = submit(portal)
    for answer in (page, api):
        assert answer.status_code == 503, (answer.status_code, answer.text)
        assert int(answer.headers["Retry-After"]) > 0
        assert words in answer.text
        assert "Traceback" not in answer.text
    assert "What was kept" in page.text
    assert api.headers["Content-Type"] == "application/problem+json"


def test_while_the_database_is_restarted_it_is_said_and_then_all_goes_on(
    region: Region, portal: httpx.Client, browser: httpx.Client
) -> None:
    before = submit(portal)
    with stopped(region, "core", "database"):
        told_in_words(region, portal, browser, "The database does not answer")
        region.wait(lambda: "UP" not in nodes(region).values(), "the load balancer notices")
        told_in_words(region, portal, browser, "The database does not answer")
    region.wait(lambda: submit(portal).status_code == 201, "jobs are taken again")
    assert browser.get("/jobs/").status_code == 200, "the sign-in is still good"
    completes(region, portal, before)
    completes(region, portal, submit(portal))


def test_who_vanished_in_the_middle_of_a_transaction_is_not_waited_for(region: Region, portal: httpx.Client) -> None:
    job = submit(portal, additional_options="--begin=now+1hour").json()["id"]
    release = current_release(region.state)
    assert release
    argv = [PYTHON, "-c", LOCKING, job]
    command = portal_command(region.layout, region.layout.zones[0].name, "worker", argv, release)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as vanished:
        assert vanished.stdout
        assert vanished.stdout.readline() == "locked\n"
        # As after the loss of its zone, its connection stands, and nothing comes of it any more.
        answer = portal.post(f"/api/v1/jobs/{job}/cancel")
        assert answer.is_success, answer.text
        vanished.communicate()


def test_a_database_that_cannot_be_written_is_said_and_its_connections_are_dropped(
    region: Region, portal: httpx.Client, browser: httpx.Client
) -> None:
    database = DatabaseDrill(region.layout)
    job = submit(portal)
    database.lose_writer()
    try:
        answers = [submit(portal) for _ in range(8)]
        for answer in answers:
            assert answer.status_code == 503, answer.text
            assert "takes no changes" in answer.text
            assert int(answer.headers["Retry-After"]) > 0
        assert browser.get("/jobs/").status_code == 200, "it can still be read"
        status_page = browser.get("/status/").text
        assert "nothing can be submitted or changed" in status_page
        old = connections(database)
        database.move_writer()
        # Only connections made since then may write: who kept an old one could never submit again.
        region.wait(lambda: all(submit(portal).status_code == 201 for _ in range(8)), "jobs are taken again")
        completes(region, portal, job)
        region.wait(lambda: not old & connections(database), "no old connection is left", 120)
    finally:
        database.heal()


def test_a_database_that_moved_to_another_address_is_found_by_its_name(
    region: Region, portal: httpx.Client, browser: httpx.Client
) -> None:
    core = find_host(region.layout, "core")
    device = say(region, "core", ["sh", "-c", f"ip -o -4 addr show to {CORE_ADDRESS} | cut -d' ' -f2"]).stdout.strip()
    say(region, "core", ["ip", "addr", "add", f"{ELSEWHERE}/32", "dev", device])
    relay_rule = ["ip", "daddr", CORE_ADDRESS, "tcp", "dport", str(DATABASE_PORT), "accept"]
    say(region, "core", ["nft", "insert", "rule", "inet", "tandem", "output", *relay_rule])
    say(region, "core", ["nft", "insert", "rule", "inet", "tandem", "input", "tcp", "dport", "3306", "accept"])
    relay = subprocess.Popen(command_on(region.layout, core, ["python3", "-c", RELAY]))
    hosts = [region.state.zone(zone.name) / "etc/hosts" for zone in region.layout.zones]
    before = [path.read_text() for path in hosts]
    portals = [zone.portal for zone in region.layout.zones]
    jobs = [submit(portal)]
    try:
        for path, text in zip(hosts, before, strict=True):
            own = f"{CORE_ADDRESS} core {DATABASE_HOST}"
            moved = text.replace(own, f"{CORE_ADDRESS} core\n{ELSEWHERE} {DATABASE_HOST}")
            assert moved != text
            path.write_text(moved)
        for host in portals:
            # The old address is silent from now on, as a server that vanished: no reset, no word.
            gone = ["ip", "daddr", CORE_ADDRESS, "tcp", "dport", str(DATABASE_PORT), "drop"]
            here = ["ip", "daddr", ELSEWHERE, "accept"]
            say(region, host, ["nft", "insert", "rule", "inet", "tandem", "output", *here])
            say(region, host, ["nft", "insert", "rule", "inet", "tandem", "output", *gone])
        began = time.monotonic()
        region.wait(lambda: _taken(portal, jobs), "jobs are taken again", 120)
        print(f"taken again after {time.monotonic() - began:.1f} s")
        for answer in jobs:
            completes(region, portal, answer)
        assert browser.get("/jobs/").status_code == 200
    finally:
        for path, text in zip(hosts, before, strict=True):
            path.write_text(text)
        for host in portals:
            say(region, host, ["nft", "-f", "/etc/tandem/firewall-portal.nft"])
        relay.kill()
        relay.wait()
        region.shell("core", "root", ["pkill", "-f", "asyncio.start_server"])
        say(region, "core", ["ip", "addr", "del", f"{ELSEWHERE}/32", "dev", device])
        say(region, "core", ["nft", "-f", "/etc/tandem/firewall.nft"])


def connections(database: DatabaseDrill) -> set[int]:
    """The numbers of the portal's connections."""
    text = database.ask(f"SELECT id FROM information_schema.processlist WHERE user = '{PORTAL_DATABASE}'")  # noqa: S608
    return {int(line) for line in text.split()}


def _taken(portal: httpx.Client, jobs: list[httpx.Response]) -> bool:
    answer = submit(portal)
    if answer.status_code == 201:
        jobs.append(answer)
    return answer.status_code == 201


def holders(portal: httpx.Client) -> set[str]:
    return {lease["node"] if lease["held"] else "" for lease in status(portal).get("leases", [])}


@pytest.mark.parametrize("again", [False, True])
def test_a_node_without_its_signer_leaves_its_work_to_the_other(
    again: bool, region: Region, portal: httpx.Client
) -> None:
    busy = holders(portal)
    here, there = sorted(region.layout.zones, key=lambda zone: zone.portal not in busy)
    with stopped(region, here.name, "signer"):
        began = time.monotonic()
        region.wait(lambda: holders(portal) == {there.portal}, "the other node's worker has all leases", 30)
        print(f"all leases are at {there.portal} after {time.monotonic() - began:.1f} s")
        region.wait(lambda: nodes(region)[here.portal] != "UP", "the load balancer notices", 30)
        for cluster in ("cluster1", "cluster2"):
            job = completes(region, portal, submit(portal, cluster=cluster, executable="echo", options="hello"))
            output = portal.get(f"/api/v1/jobs/{job['id']}/outputs/output.txt")
            assert (output.status_code, output.text) == (200, "hello\n")


def test_without_the_accounting_database_jobs_run_and_complete(region: Region, portal: httpx.Client) -> None:
    zone = region.layout.heads[0].zone
    with stopped(region, zone, "slurmdbd"):
        _runs_and_completes(region, portal)


def test_with_an_accounting_database_that_hangs_jobs_run_and_complete(region: Region, portal: httpx.Client) -> None:
    say(region, "head-cluster1", ["pkill", "-STOP", "-x", "slurmdbd"])
    try:
        _runs_and_completes(region, portal)
    finally:
        say(region, "head-cluster1", ["pkill", "-CONT", "-x", "slurmdbd"])


def _runs_and_completes(region: Region, portal: httpx.Client) -> None:
    states: set[str] = set()
    script = '#!/bin/sh\necho "$TANDEM_TASK" >> "$HOME/starts-$TANDEM_JOB_ID"\n'
    for fields in ({}, {"array": "0-3"}, {}):
        answer = submit(portal, executable="", script=script, **fields)
        states.add(_cluster(portal)["state"])
        job = completes(region, portal, answer)
        states.add(_cluster(portal)["state"])
        assert len(job["placements"]) == 1, "its absence from the accounting database was taken for evidence"
        path = f"/efs/home/{region.administrator}/starts-{job['id']}"
        starts = region.shell("head-cluster1", region.administrator, ["cat", path]).stdout.split()
        assert len(starts) == max(len(job["tasks"]) and sum(job["tasks"].values()), 1)
    assert states == {"UP"}


def _cluster(portal: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = portal.get("/api/v1/clusters/cluster1").json()
    return found
