"""An environment file is understood, or everything wrong with it is told at once."""

from pathlib import Path

import pytest

from tandem.environment import load_environment

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "file", ["tandem.yaml", *(f"examples/{name}.yaml" for name in ("one-zone", "three-zones", "lean"))]
)
def test_the_files_that_come_with_tandem_are_sound(file: str) -> None:
    load_environment(ROOT / file)


def test_the_default_file_is_the_reference_environment() -> None:
    environment = load_environment(ROOT / "tandem.yaml")
    assert [(cluster.name, cluster.zone) for cluster in environment.clusters] == [
        ("cluster1", "eu-central-1a"),
        ("cluster2", "eu-central-1b"),
    ]
    for cluster in environment.clusters:
        compute, always_on = cluster.queues
        assert (compute.name, compute.instance_type, compute.fixed_nodes) == ("compute", "c5.xlarge", 0)
        assert compute.elastic_nodes > 0
        assert compute.cpus >= 4
        assert cluster.default_queue is compute
        assert (always_on.name, always_on.fixed_nodes, always_on.elastic_nodes) == ("always-on", 1, 0)
    assert environment.administrator.name == "ec2-user"
    assert environment.storage.shared.path == "/efs"
    assert environment.storage.scratch["cluster2"].path == "/fsx_cluster2"
