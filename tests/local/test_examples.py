"""The examples come up as they are written: three clusters in three zones, and two clusters in one zone."""

import os
import re
from pathlib import Path

import pytest
from tests.region import PREFIX, Region, bring_up, take_down

from tandem.drills.environment import free_port

pytestmark = pytest.mark.region

EXAMPLES = Path(__file__).parents[2] / "examples"


def under_another_name(example: str, directory: Path) -> Path:
    """The example's file, beside whatever runs already: only its name and its port are changed."""
    # A name has at most 20 characters.
    name = f"{PREFIX}{os.getpid()}-{example[:3]}"
    text = re.sub(r"(?m)^name: .*$", f"name: {name}", (EXAMPLES / f"{example}.yaml").read_text(), count=1)
    file = directory / f"{name}.yaml"
    file.write_text(re.sub(r"(?m)^  port: .*$", f"  port: {free_port()}", text, count=1))
    return file


def run_on(region: Region, cluster: str, token: str) -> str:
    """The id of a job on a cluster, through the portal."""
    with region.client(token) as client:
        answer = client.post("/api/v1/jobs", json={"executable": "/usr/bin/hostname", "cluster": cluster})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def state_of(region: Region, job: str, token: str) -> str:
    with region.client(token) as client:
        return str(client.get(f"/api/v1/jobs/{job}").json()["state"])


@pytest.mark.parametrize(("example", "zones"), [("three-zones", 3), ("one-zone", 1)])
def test_every_cluster_of_an_example_runs_a_job(example: str, zones: int, tmp_path: Path) -> None:
    file = under_another_name(example, tmp_path)
    try:
        region = bring_up(file)
        assert len(region.environment.zones) == zones
        token = region.token()
        jobs = {cluster.name: run_on(region, cluster.name, token) for cluster in region.environment.clusters}
        for cluster, job in jobs.items():
            region.wait(lambda job=job: state_of(region, job, token) == "COMPLETED", f"a job on {cluster}", 120)
    finally:
        take_down(file)
