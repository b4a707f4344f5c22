"""The SSH authority is replaced on real clusters while people use them."""

import json
import subprocess
from typing import Any

import pytest
from tests.region import Region

from tandem.local.enter import portal_command

pytestmark = pytest.mark.region

# A process of its own, and so connections of its own.
ENTER = """
from tandem.clusters.door import get_door
for cluster in ("cluster1", "cluster2"):
    print(get_door().run("alice", cluster, "id -un").text.strip(), cluster)
"""


def keys(region: Region, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(region.tandem("keys", *words, "--json").stdout)
    return found


def people_enter_from_every_node(region: Region) -> None:
    for zone in region.environment.zones:
        python = ["/opt/tandem/venv/bin/python", "-c", ENTER]
        command = portal_command(region.layout, zone.name, "worker", python, "current")
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout.splitlines() == ["alice cluster1", "alice cluster2"], done.stderr


def services(region: Region) -> dict[str, int]:
    """What runs in the zones and the core, but the nodes that come and go, by their process numbers."""
    return {
        f"{zone['name']}/{service['name']}": service["pid"]
        for zone in region.status()["zones"]
        for service in zone["services"]
        if "-dy-" not in service["name"]
    }


def test_both_authorities_are_good_then_the_new_one_alone_and_nothing_restarts(region: Region) -> None:
    token = region.token()
    before, running = keys(region, "show"), services(region)
    old = before["authorities"]["signing"]
    assert before["stage"] == "settled"
    assert list(before["clusters"].values()) == [[old], [old]]
    with region.client(token) as client:
        body = {"executable": "sleep", "options": "300", "cluster": "cluster1", "queue": "always-on"}
        job = client.post("/api/v1/jobs", json=body).raise_for_status().json()["id"]

        def state(one: str) -> str:
            return str(client.get(f"/api/v1/jobs/{one}").raise_for_status().json()["state"])

        region.wait(lambda: state(job) == "RUNNING", "the job runs")
        during = keys(region, "rotate")
        new = during["authorities"]["signing"]
        assert during["authorities"] == {"signing": new, "coming": None, "leaving": old}
        assert list(during["clusters"].values()) == [sorted([old, new])] * 2
        assert set(during["portal_nodes"].values()) == {new}
        people_enter_from_every_node(region)
        early = region.tandem("keys", "rotate", "--finish", check=False)
        assert early.returncode == 1
        assert "may be good until" in early.stderr
        assert "keys rotate --finish" in region.tandem("status", check=False).stderr
        after = keys(region, "rotate", "--finish", "--now")
        assert (after["stage"], list(after["clusters"].values())) == ("settled", [[new], [new]])
        people_enter_from_every_node(region)
        another = client.post("/api/v1/jobs", json=body | {"executable": "true", "options": ""}).json()["id"]
        region.wait(lambda: state(another) == "COMPLETED", "a job that was submitted afterwards has run")
        assert state(job) == "RUNNING"
        client.post(f"/api/v1/jobs/{job}/cancel").raise_for_status()
    assert services(region) == running
