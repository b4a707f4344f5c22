"""Templates that are broken on purpose: what catches which. The table in docs/explanation tells the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from tests.aws.conftest import REGION
from tests.aws.emulator.parallelcluster.own_python import answer
from tests.aws.emulator.running import Emulator
from tests.aws.emulator.test_emulator import deploy, reasons

RULES = Path(__file__).parent / "emulator" / "parallelcluster" / "own_rules.py"

VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
}


def group(other: str) -> dict[str, Any]:
    """A security group that lets another one in, and says so itself."""
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "SourceSecurityGroupId": {"Ref": other}}
    properties = {"GroupDescription": "x", "VpcId": {"Ref": "Vpc"}, "SecurityGroupIngress": [rule]}
    return {"Type": "AWS::EC2::SecurityGroup", "Properties": properties}


def policy(action: str) -> dict[str, Any]:
    """A role that may do something."""
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    policies = [{"PolicyName": "p", "PolicyDocument": document}]
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": TRUST, "Policies": policies},
    }


MISSING = {"Vpc": VPC, "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Nobody"}}}}
CIRCLE = {"Vpc": VPC, "One": group("Two"), "Two": group("One")}
WRONG = {"Role": policy("nothing")}


def found_by_lint(resources: dict[str, Any]) -> set[str]:
    """The errors' numbers."""
    template = json.dumps({"Resources": resources})
    return {match.rule.id for match in lint(template, config=ManualArgs(regions=[REGION])) if match.rule.id[0] == "E"}


@pytest.mark.parametrize(("resources", "error"), [(MISSING, "E1020"), (CIRCLE, "E3004")], ids=["missing", "circle"])
def test_cfn_lint_catches(resources: dict[str, Any], error: str) -> None:
    assert error in found_by_lint(resources)


@pytest.mark.parametrize(
    ("resources", "said"),
    [(MISSING, "Unresolved resource dependencies"), (CIRCLE, "Circular dependency")],
    ids=["missing", "circle"],
)
def test_the_emulator_refuses_before_anything_is_made(aws: Emulator, resources: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match=said):
        deploy(aws, "broken", resources)


def test_the_emulator_fails_where_iam_would(aws: Emulator) -> None:
    assert deploy(aws, "wrong-policy", WRONG) == "ROLLBACK_COMPLETE"
    assert "MalformedPolicyDocument" in reasons(aws, "wrong-policy")["Role"]
    aws.client("cloudformation", REGION).delete_stack(StackName="wrong-policy")


def configuration(name: str = "c5-xlarge", kind: str = "c5.xlarge", **more: Any) -> dict[str, Any]:
    """A small cluster."""
    compute = {"Name": name, "InstanceType": kind, "MinCount": 0, "MaxCount": 4}
    queue = {
        "Name": "compute",
        "Networking": {"SubnetIds": ["subnet-0123456789abcdef0"]},
        "ComputeResources": [compute],
    }
    return {
        "Image": {"Os": "alinux2023"},
        "HeadNode": {"InstanceType": "c5.large", "Networking": {"SubnetId": "subnet-0123456789abcdef0"}},
        "Scheduling": {
            "Scheduler": "slurm",
            "SlurmSettings": {"QueueUpdateStrategy": "TERMINATE"},
            "SlurmQueues": [queue],
        },
        **more,
    }


def judged(new: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
    """By ParallelCluster's own code, in its own environment."""
    found: dict[str, Any] = json.loads(answer(RULES, json.dumps({"name": "c", "old": old, "new": new})))
    return found


def test_parallelcluster_refuses_fields_that_it_does_not_have() -> None:
    assert judged(configuration())["allowed"]
    assert "Colour" in judged(configuration(Colour="red"))["why"][0]


def test_parallelcluster_changes_no_type_under_its_name_but_adds_and_removes() -> None:
    old = configuration()
    in_place = judged(configuration(kind="c6i.xlarge"), old)
    assert not in_place["allowed"]
    (why,) = in_place["why"]
    assert "InstanceType" in why
    assert "All compute nodes must be stopped" in why
    assert judged(configuration(name="c6i-xlarge", kind="c6i.xlarge"), old)["allowed"]


def test_parallelcluster_changes_no_head_node() -> None:
    new = configuration()
    new["HeadNode"] = new["HeadNode"] | {"InstanceType": "c5.xlarge"}
    refused = judged(new, configuration())
    assert not refused["allowed"]
    assert "HeadNode.InstanceType" in refused["why"][0]
