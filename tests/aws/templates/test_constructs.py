"""What neither of the two environments asks for, a construct at a time."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Template

from tandem.aws.alb.infrastructure import Certificate
from tandem.aws.fsx.infrastructure import Scratch
from tandem.aws.names import Names


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(App(outdir=str(tmp_path)), "Alone")


def resources(stack: Stack, kind: str) -> list[dict[str, Any]]:
    return [found["Properties"] for found in Template.from_stack(stack).find_resources(kind).values()]


def test_a_certificate_that_the_operator_has_is_used_as_it_is(stack: Stack, tmp_path: Path) -> None:
    arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0b8b2b3c-2f5e-4f7a-9a53-7d1f0e8c1a11"
    certificate = Certificate(
        stack,
        "Certificate",
        balancer_name="balancer.example.org",
        host_name="hpc.example.org",
        certificate_arn=arn,
        hosted_zone=None,
        package=tmp_path,
        log_group="/tandem/lab/certificate",
        renewal="2026-2",
    )
    assert certificate.arn == arn
    assert Template.from_stack(stack).to_json().get("Resources", {}) == {}


def test_persistent_scratch_replaces_its_disks_and_leaves_no_backups(stack: Stack) -> None:
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1, nat_gateways=0)
    Scratch(
        stack,
        "Scratch",
        vpc=vpc,
        subnet=vpc.public_subnets[0],
        security_group=ec2.SecurityGroup(stack, "Group", vpc=vpc),
        file_system="lustre",
        persistent=True,
        size_gib=2400,
    )
    (system,) = resources(stack, "AWS::FSx::FileSystem")
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
