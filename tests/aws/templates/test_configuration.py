"""A cluster's configuration: what the environment file says, in words that ParallelCluster accepts."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.aws.emulator.parallelcluster.own_python import answer
from tests.aws.templates.synthesis import Templates, flat

from tandem.aws.clusters.configuration import (
    Accounting,
    Configuration,
    Mount,
    SetUp,
    cluster_configuration,
    compute_resource_name,
    merged,
)
from tandem.environment import Environment, Queue

CHECK = Path(__file__).with_name("check_configuration.py")
# What CloudFormation fills in, in a form that the schema takes.
FILLED_IN = {
    "SubnetId": "subnet-0123456789abcdef0",
    "SubnetIds": ["subnet-0123456789abcdef0"],
    "AdditionalSecurityGroups": ["sg-0123456789abcdef0"],
    "FileSystemId": "fs-0123456789abcdef0",
    "VolumeId": "vol-0123456789abcdef0",
    "Policy": "arn:aws:iam::123456789012:policy/own",
    "PasswordSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database-AbCdEf",
    "MungeKeySecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:munge-AbCdEf",
}


def accepted(*configurations: Configuration) -> list[Any]:
    """What ParallelCluster's schema has to say against each; None is nothing."""
    given = "\n".join(json.dumps(configuration) for configuration in configurations)
    return [json.loads(line) for line in answer(CHECK, given).splitlines()]


def filled_in(value: Any, key: str = "") -> Any:
    """A template's configuration as ParallelCluster gets it."""
    if key in FILLED_IN:
        return FILLED_IN[key]
    if isinstance(value, dict) and not any(name == "Ref" or name.startswith("Fn::") for name in value):
        return {name: filled_in(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    return flat(value) if isinstance(value, dict) else value


def as_texts(value: Any) -> Any:
    """As CloudFormation hands it over: numbers and truth values are text."""
    match value:
        case dict():
            return {key: as_texts(item) for key, item in value.items()}
        case list():
            return [as_texts(item) for item in value]
        case bool():
            return str(value).lower()
    return str(value)


def configurations(templates: Templates) -> list[Configuration]:
    found = templates.of("Clusters", "Custom::PclusterCluster")
    return [filled_in(properties["ClusterConfiguration"]) for properties in found]


def test_parallelcluster_accepts_every_configuration(templates: Templates, otherwise: Templates) -> None:
    found = [*configurations(templates), *configurations(otherwise)]
    assert len(found) == 4
    assert accepted(*found, *map(as_texts, found)) == [None] * 8


def test_parallelcluster_would_say_what_is_wrong(templates: Templates) -> None:
    (right, _) = configurations(templates)
    assert accepted({**right, "HeadNodes": {}}, merged(right, {"Image": {"Os": "alinux2"}}))[0] is not None


def test_queues_are_those_of_the_environment_file(templates: Templates) -> None:
    for configuration in configurations(templates):
        compute, always_on = configuration["Scheduling"]["SlurmQueues"]
        assert compute["Name"] == "compute"
        assert compute["ComputeResources"] == [
            {"Name": "c5-xlarge", "InstanceType": "c5.xlarge", "MinCount": 0, "MaxCount": 4}
        ]
        assert compute["CustomSlurmSettings"] == {"MaxTime": 24 * 60, "DefMemPerCPU": 1945}
        assert always_on["Name"] == "always-on"
        (resource,) = always_on["ComputeResources"]
        assert (resource["MinCount"], resource["MaxCount"]) == (1, 1)
        assert always_on["CustomSlurmSettings"]["MaxTime"] == 60


def test_disks_are_encrypted_and_logs_go_with_the_cluster(templates: Templates) -> None:
    for configuration in configurations(templates):
        assert configuration["HeadNode"]["LocalStorage"]["RootVolume"]["Encrypted"] is True
        for queue in configuration["Scheduling"]["SlurmQueues"]:
            assert queue["ComputeSettings"]["LocalStorage"]["RootVolume"]["Encrypted"] is True
        assert configuration["Monitoring"]["Logs"]["CloudWatch"]["DeletionPolicy"] == "Delete"


def made(queues: list[dict[str, Any]], overrides: dict[str, Any] | None = None, default: str = "") -> Configuration:
    found = [Queue.model_validate(queue) for queue in queues]
    return cluster_configuration(
        region="eu-central-1",
        instance_type="c5.large",
        queues=found,
        default_queue=default or found[0].name,
        subnet="subnet-0123456789abcdef0",
        head_group="sg-0123456789abcdef0",
        nodes_group="sg-0123456789abcdef1",
        mounts=[Mount("shared", "/efs", "Efs", "fs-0123456789abcdef0")],
        accounting=Accounting("database.example.org", 3306, "slurm_one", FILLED_IN["PasswordSecretArn"]),
        munge_secret=str(FILLED_IN["MungeKeySecretArn"]),
        set_up=SetUp("s3://bucket/loader.sh", ("lab", "one"), "content"),
        head_policies=["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
        node_policies=["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
        key_pair=None,
        overrides=overrides or {},
    )


def compute(**changes: Any) -> dict[str, Any]:
    return {"name": "compute", "instance_type": "c5.xlarge", "elastic_nodes": 4, **changes}


def test_a_changed_instance_type_is_another_compute_resource() -> None:
    """ParallelCluster changes no type in place; adding one and taking one out it does while the cluster runs."""
    before, after = made([compute()]), made([compute(instance_type="c6i.2xlarge")])
    names = [
        [one["Name"] for one in configuration["Scheduling"]["SlurmQueues"][0]["ComputeResources"]]
        for configuration in (before, after)
    ]
    assert names == [["c5-xlarge"], ["c6i-2xlarge"]]
    assert after["Scheduling"]["SlurmSettings"]["QueueUpdateStrategy"] == "TERMINATE"


@pytest.mark.parametrize("kind", ["c5.xlarge", "u7in-24tb.224xlarge", "something-rather-long.metal-48xl"])
def test_compute_resources_have_names_that_parallelcluster_takes(kind: str) -> None:
    name = compute_resource_name(kind)
    assert len(name) <= 25
    assert name.replace("-", "").isalnum()
    assert name[0].isalpha()
    assert name != compute_resource_name(kind.replace("xl", "xm"))


def test_jobs_that_name_no_queue_go_to_the_default_one() -> None:
    """ParallelCluster's default is the first."""
    queues = [compute(), compute(name="large")]
    found = made(queues, default="large")["Scheduling"]["SlurmQueues"]
    assert [queue["Name"] for queue in found] == ["large", "compute"]


def test_a_queue_without_an_instance_type_is_refused() -> None:
    with pytest.raises(ValueError, match="compute names no instance_type"):
        made([{"name": "compute", "cpus": 4, "memory_gib": 8.0, "elastic_nodes": 1}])


def test_the_files_own_words_are_laid_over_it() -> None:
    overrides = {
        "Imds": {"ImdsSupport": "v1.0"},
        "Scheduling": {
            "SlurmSettings": {"ScaledownIdletime": 3},
            "SlurmQueues": [
                {"Name": "large", "CapacityType": "SPOT"},
                {"Name": "gpu", "ComputeResources": []},
            ],
        },
        "Tags": [{"Key": "team", "Value": "lab"}],
    }
    found = made([compute(), compute(name="large")], overrides)
    assert found["Imds"] == {"ImdsSupport": "v1.0"}
    assert found["Scheduling"]["SlurmSettings"]["ScaledownIdletime"] == 3
    assert found["Scheduling"]["SlurmSettings"]["QueueUpdateStrategy"] == "TERMINATE"
    first, large, gpu = found["Scheduling"]["SlurmQueues"]
    assert (first["Name"], "CapacityType" in first) == ("compute", False)
    assert (large["CapacityType"], large["ComputeResources"][0]["Name"]) == ("SPOT", "c5-xlarge")
    assert gpu == {"Name": "gpu", "ComputeResources": []}
    assert found["Tags"] == [{"Key": "team", "Value": "lab"}]


def test_what_is_laid_over_changes_nothing_that_is_made_later() -> None:
    made([compute()], {"Scheduling": {"SlurmSettings": {"CustomSlurmSettings": [{"KillWait": 99}]}}})
    settings = made([compute()])["Scheduling"]["SlurmSettings"]["CustomSlurmSettings"]
    assert {"KillWait": 5} in settings


def test_the_file_can_lay_words_over_it(otherwise: Templates) -> None:
    environment: Environment = otherwise.environment
    assert environment.parallelcluster
    for configuration in configurations(otherwise):
        capacities = {queue["Name"]: queue.get("CapacityType") for queue in configuration["Scheduling"]["SlurmQueues"]}
        assert capacities == {"compute": "SPOT", "always-on": None}
