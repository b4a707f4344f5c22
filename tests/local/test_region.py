"""The environment that tests run against is a real one."""

import pytest
from tests.region import Region

pytestmark = pytest.mark.region


def test_what_is_too_large_is_refused_in_words_for_who_sent_it(region: Region) -> None:
    with region.client() as client:
        for address, kind in (("/api/v1/jobs", "application/problem+json"), ("/sign-in", "text/html; charset=utf-8")):
            answer = client.post(address, content=b"x" * 13 * 1024 * 1024)
            assert (answer.status_code, answer.headers["Content-Type"]) == (413, kind)


def test_each_cluster_runs_a_job_on_a_fixed_and_on_an_elastic_node(region: Region) -> None:
    for cluster in ("cluster1", "cluster2"):
        for queue, node in (("always-on", "always-on-st-1"), ("compute", "compute-dy-")):
            done = region.shell(f"head-{cluster}", "alice", ["srun", "--partition", queue, "hostname"])
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith(node)
