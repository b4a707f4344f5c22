"""The environment that tests run against is a real one."""

import subprocess
import sys

import pytest
from tests.region import Region, tandem

pytestmark = pytest.mark.region


def test_what_is_too_large_is_refused_in_words_for_who_sent_it(region: Region) -> None:
    with region.client() as client:
        for address, kind in (("/api/v1/jobs", "application/problem+json"), ("/sign-in", "text/html; charset=utf-8")):
            answer = client.post(address, content=b"x" * 13 * 1024 * 1024)
            assert (answer.status_code, answer.headers["Content-Type"]) == (413, kind)


def test_a_shell_is_on_the_host_as_the_person_and_ends_as_the_command_does(region: Region) -> None:
    words = [
        "--user",
        "alice",
        "head-cluster1",
        "sh",
        "-c",
        'hostname; id -un; echo "$1"; cat; exit 3',
        "sh",
        "two  words",
    ]
    command = [sys.executable, "-m", "tandem", "shell", "--file", str(region.file), *words]
    done = subprocess.run(command, input="typed\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (3, ["head-cluster1", "alice", "two  words", "typed"])
    inside = tandem("shell", "--file", str(region.file), "cluster2/always-on-st-1", "--", "id", "-u")
    assert inside.stdout == "0\n"
    nowhere = tandem("shell", "--file", str(region.file), "nowhere", "true", check=False)
    assert nowhere.returncode == 1
    assert "nowhere" in nowhere.stderr
    assert len(nowhere.stderr.strip().splitlines()) == 1


def test_each_cluster_runs_a_job_on_a_fixed_and_on_an_elastic_node(region: Region) -> None:
    for cluster in ("cluster1", "cluster2"):
        for queue, node in (("always-on", "always-on-st-1"), ("compute", "compute-dy-")):
            done = region.shell(f"head-{cluster}", "alice", ["srun", "--partition", queue, "hostname"])
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith(node)
