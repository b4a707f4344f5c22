"""The environment that tests run against is a real one."""

import pytest
from tests.region import Region

pytestmark = pytest.mark.region


def test_each_cluster_runs_a_job_on_a_fixed_and_on_an_elastic_node(region: Region) -> None:
    for cluster in ("cluster1", "cluster2"):
        for queue, node in (("always-on", "always-on-st-1"), ("compute", "compute-dy-")):
            done = region.shell(f"head-{cluster}", "alice", ["srun", "--partition", queue, "hostname"])
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith(node)
