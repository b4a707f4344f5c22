"""Disabled means sessions, tokens and connections end within a minute, on real clusters and without any worker."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from tests.region import PATIENCE, Region

from tandem.local.processes import require_init
from tandem.local.supervise import Supervisor

pytestmark = pytest.mark.region
# The promise itself, and no more of it because machines are slow.
A_MINUTE = 60 / PATIENCE


@contextmanager
def without_workers(region: Region) -> Iterator[None]:
    """Nobody publishes who may enter but the process that disables somebody."""
    supervisors = [Supervisor.of(require_init(region.environment.name, zone.name)) for zone in region.layout.zones]
    for supervisor in supervisors:
        supervisor.stop("worker")
    try:
        yield
    finally:
        for supervisor in supervisors:
            supervisor.start("worker")


def choose_password(region: Region, administrator: httpx.Client, name: str) -> str:
    """A password that somebody chooses with a one-time link."""
    secret = administrator.post(f"/api/v1/people/{name}/reset").raise_for_status().json()["link"].partition("#")[2]
    password = f"{secrets.token_hex(8)}-Aa1!"
    with region.client() as client:
        client.get("/link")
        form = {"secret": secret, "new_password": password, "repeated": password}
        form["csrfmiddlewaretoken"] = client.cookies["__Host-csrf"]
        answer = client.post("/link/use", data=form, headers={"Referer": f"{region.url}/link"})
        assert answer.status_code == 204, answer.text
    return password


def sign_in(region: Region, client: httpx.Client, name: str, password: str) -> None:
    client.get("/sign-in")
    form = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["__Host-csrf"]}
    answer = client.post("/sign-in", data=form, headers={"Referer": f"{region.url}/sign-in"})
    assert answer.status_code == 302, answer.text


def connections(region: Region, name: str) -> int:
    """How many sshd processes serve somebody, on all head nodes."""
    heads = [f"head-{cluster.name}" for cluster in region.environment.clusters]
    return sum(len(region.shell(head, "root", ["pgrep", "-u", name, "sshd"]).stdout.split()) for head in heads)


def test_who_is_disabled_is_out_of_everything_within_a_minute_even_without_a_worker(region: Region) -> None:
    with ExitStack() as stack:
        administrator = stack.enter_context(region.client(region.token()))
        password = choose_password(region, administrator, "carol")
        program = stack.enter_context(region.client(region.token("carol", password)))
        browser = stack.enter_context(region.client())
        sign_in(region, browser, "carol", password)
        body = {"executable": "/bin/sleep", "options": "600", "cluster": "cluster1", "queue": "always-on"}
        job = program.post("/api/v1/jobs", json=body).raise_for_status().json()["id"]
        region.wait(lambda: program.get(f"/api/v1/jobs/{job}").json()["state"] == "RUNNING", "the job runs")

        ended = threading.Event()
        opened = threading.Event()

        def look(address: str) -> None:
            with region.client() as live:
                live.cookies = browser.cookies
                with live.stream("GET", address) as answer:
                    for _ in answer.iter_bytes():
                        opened.set()
            ended.set()

        threading.Thread(target=look, args=[f"/streams/jobs/{job}/output"], daemon=True).start()
        assert opened.wait(60)
        assert program.get(f"/api/v1/jobs/{job}/outputs").status_code == 200
        assert connections(region, "carol") > 0

        with without_workers(region):
            administrator.post("/api/v1/people/carol/disable").raise_for_status()
            try:
                assert program.get("/api/v1/jobs").status_code == 401
                assert browser.get("/jobs/").status_code == 302
                region.wait(lambda: connections(region, "carol") == 0, "her connections end", A_MINUTE)
                region.wait(ended.is_set, "her live page ends", A_MINUTE)
                principals = ["ls", "/run/accounts/principals"]
                for cluster in region.environment.clusters:
                    head = f"head-{cluster.name}"
                    region.wait(
                        lambda head=head: "carol" not in region.shell(head, "root", principals).stdout.split(),
                        "no cluster lets her in",
                        A_MINUTE,
                    )
                # What she started goes on; nobody but she asked for it to end.
                assert administrator.get(f"/api/v1/jobs/{job}").json()["state"] in ("RUNNING", "UNKNOWN")
            finally:
                administrator.post("/api/v1/people/carol/enable").raise_for_status()
        administrator.post(f"/api/v1/jobs/{job}/cancel").raise_for_status()
