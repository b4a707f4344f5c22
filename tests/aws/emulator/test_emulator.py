"""The emulator is strict: what AWS would refuse fails, and what it cannot make is never skipped."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.aws.conftest import REGION
from tests.aws.emulator.running import Emulator
from tests.aws.emulator.templates import TemplateError, in_order

VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}


def group(**more: Any) -> dict[str, Any]:
    return {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "x", "VpcId": {"Ref": "Vpc"}, **more}}


def deploy(aws: Emulator, name: str, resources: dict[str, Any], verb: str = "create_stack", **more: Any) -> str:
    """The stack's state afterwards."""
    cloudformation = aws.client("cloudformation", REGION)
    template = json.dumps({"Resources": resources, **more})
    getattr(cloudformation, verb)(StackName=name, TemplateBody=template)
    return state(aws, name)


def state(aws: Emulator, name: str) -> str:
    stacks = aws.client("cloudformation", REGION).describe_stacks(StackName=name)["Stacks"]
    return str(stacks[0]["StackStatus"])


def reasons(aws: Emulator, name: str) -> dict[str, str]:
    """Why resources failed."""
    events = aws.client("cloudformation", REGION).describe_stack_events(StackName=name)["StackEvents"]
    return {
        event["LogicalResourceId"]: event.get("ResourceStatusReason", "")
        for event in events
        if event["ResourceStatus"].endswith("_FAILED")
    }


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"A": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Nobody"}}}}, "Nobody"),
        ({"A": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::Sub": "${Nobody.Arn}"}}}}, "Nobody"),
        ({"A": {"Type": "AWS::SNS::Topic", "DependsOn": "Nobody"}}, "Nobody"),
        (
            {
                "Vpc": VPC,
                "A": group(SecurityGroupIngress=[{"SourceSecurityGroupId": {"Ref": "B"}}]),
                "B": group(SecurityGroupIngress=[{"SourceSecurityGroupId": {"Ref": "A"}}]),
            },
            "Circular",
        ),
    ],
    ids=["missing reference", "in a text", "missing dependency", "groups in a circle"],
)
def test_a_template_that_can_never_be_deployed_is_refused(resources: dict[str, Any], said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        in_order({"Resources": resources})


def test_it_is_refused_before_anything_is_made(aws: Emulator) -> None:
    with pytest.raises(ClientError, match="Unresolved resource dependencies"):
        deploy(aws, "refused", {"Vpc": VPC, "A": {"Type": "AWS::SNS::Topic", "DependsOn": "Nobody"}})
    with pytest.raises(ClientError, match="refused"):
        state(aws, "refused")


def test_an_unknown_type_fails_the_stack_and_takes_back_what_was_made(aws: Emulator) -> None:
    before = aws.client("ec2", REGION).describe_vpcs()["Vpcs"]
    resources = {"Vpc": VPC, "Odd": {"Type": "AWS::Odd::Thing", "DependsOn": "Vpc"}}
    assert deploy(aws, "odd", resources) == "ROLLBACK_COMPLETE"
    assert "would be skipped" in reasons(aws, "odd")["Odd"]
    assert aws.client("ec2", REGION).describe_vpcs()["Vpcs"] == before


def test_a_policy_that_iam_would_refuse_fails_the_stack(aws: Emulator) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
    }
    wrong = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "nothing", "Resource": "*"}]}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyName": "p", "Roles": [{"Ref": "Role"}], "PolicyDocument": wrong},
        },
    }
    assert deploy(aws, "policy", resources) == "ROLLBACK_COMPLETE"
    assert "MalformedPolicyDocument" in reasons(aws, "policy")["Policy"]


def test_an_attribute_that_there_is_not_fails_the_stack(aws: Emulator) -> None:
    output = {"A": {"Value": {"Fn::GetAtt": ["Vpc", "Colour"]}}}
    assert deploy(aws, "attribute", {"Vpc": VPC}, Outputs=output) == "ROLLBACK_COMPLETE"


def test_a_change_that_would_replace_something_is_no_quiet_success(aws: Emulator) -> None:
    assert deploy(aws, "replaced", {"Vpc": VPC}) == "CREATE_COMPLETE"
    other = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.1.0.0/16"}}
    assert deploy(aws, "replaced", {"Vpc": other}, "update_stack") == "UPDATE_ROLLBACK_COMPLETE"
    assert "replace" in reasons(aws, "replaced")["Vpc"]
    aws.client("cloudformation", REGION).delete_stack(StackName="replaced")


def test_a_stack_has_only_change_sets_of_its_own(aws: Emulator) -> None:
    # The CDK gives those of all stacks one name, deletes the last one, and waits until it is not found any more.
    cloudformation = aws.client("cloudformation", REGION)
    template = json.dumps({"Resources": {"Vpc": VPC}})
    named = {"ChangeSetName": "cdk-deploy-change-set"}
    for stack in ("one", "other"):
        cloudformation.create_change_set(StackName=stack, TemplateBody=template, ChangeSetType="CREATE", **named)
        cloudformation.execute_change_set(StackName=stack, **named)
    for _ in range(2):
        cloudformation.delete_change_set(StackName="one", **named)
        with pytest.raises(cloudformation.exceptions.ChangeSetNotFoundException):
            cloudformation.describe_change_set(StackName="one", **named)
    cloudformation.create_change_set(StackName="one", TemplateBody=template, ChangeSetType="UPDATE", **named)
    found = cloudformation.describe_change_set(StackName="one", **named)
    assert found["Status"] == "FAILED"
    assert "didn't contain changes" in found["StatusReason"]
    assert cloudformation.describe_change_set(StackName="other", **named)["StackName"] == "other"
    for stack in ("one", "other"):
        cloudformation.delete_stack(StackName=stack)


def test_what_others_import_cannot_be_deleted(aws: Emulator) -> None:
    output = {"A": {"Value": {"Ref": "Vpc"}, "Export": {"Name": "exported"}}}
    assert deploy(aws, "exporter", {"Vpc": VPC}, Outputs=output) == "CREATE_COMPLETE"
    user = {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": "x", "VpcId": {"Fn::ImportValue": "exported"}},
    }
    assert deploy(aws, "importer", {"Group": user}) == "CREATE_COMPLETE"
    cloudformation = aws.client("cloudformation", REGION)
    cloudformation.delete_stack(StackName="exporter")
    assert state(aws, "exporter") == "DELETE_FAILED"
    cloudformation.delete_stack(StackName="importer")
    cloudformation.delete_stack(StackName="exporter")
    assert {stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]}.isdisjoint(
        {"exporter", "importer"}
    )


def test_a_custom_resource_that_fails_or_does_not_answer_fails_the_stack(aws: Emulator) -> None:
    silent = "def handler(event, context):\n    return {}\n"
    role = "arn:aws:iam::123456789012:role/any"
    aws.client("iam", REGION).create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    resources = {
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Handler": "index.handler",
                "Runtime": "python3.12",
                "Role": role,
                "Code": {"ZipFile": silent},
            },
        },
        "Thing": {"Type": "Custom::Thing", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}}},
    }
    assert deploy(aws, "silent", resources) == "ROLLBACK_COMPLETE"
    assert "did not answer Create" in reasons(aws, "silent")["Thing"]
    aws.client("iam", REGION).delete_role(RoleName="any")
