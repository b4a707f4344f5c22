"""What neither of the two environments asks for, a construct at a time; and names."""

from pathlib import Path

import pytest
from tests.aws.templates.synthesis import CERTIFICATE_ARN, read_stack

from tandem.aws.names import Names


def test_a_certificate_that_the_operator_has_is_used_as_it_is(synthesized: Path) -> None:
    template = read_stack(synthesized / "alone", "Certificate")
    assert template.get("Resources", {}) == {}
    assert template["Outputs"]["Arn"]["Value"] == CERTIFICATE_ARN


def test_persistent_scratch_replaces_its_disks_and_leaves_no_backups(synthesized: Path) -> None:
    resources = read_stack(synthesized / "alone", "Scratch")["Resources"].values()
    (system,) = [one["Properties"] for one in resources if one["Type"] == "AWS::FSx::FileSystem"]
    assert system["StorageCapacity"] == 2400
    assert system["LustreConfiguration"] == {
        "DeploymentType": "PERSISTENT_2",
        "DataCompressionType": "LZ4",
        "PerUnitStorageThroughput": 125,
        "AutomaticBackupRetentionDays": 0,
    }


@pytest.mark.parametrize("cluster", ["cluster1", "a-cluster-with-a-long-one", "a-cluster-with-a-long-two"])
def test_clusters_have_names_that_parallelcluster_takes_with_accounting(cluster: str) -> None:
    name = Names("an-environment-of-20").cluster(cluster)
    assert len(name) <= 40
    assert name.startswith("an-environment-of-20")


def test_long_names_of_clusters_stay_apart() -> None:
    names = Names("an-environment-of-20")
    assert names.cluster("a-cluster-with-a-long-one") != names.cluster("a-cluster-with-a-long-two")
