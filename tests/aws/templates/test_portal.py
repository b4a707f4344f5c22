"""The portal nodes: one in each zone, all replaceable, with the rights that they need and no others."""

import json
import re
from typing import Any

from tests.aws.runtime.told import SETTINGS, VARIABLES
from tests.aws.templates.synthesis import Templates, flat

from tandem.aws.packages import HERE

STACK = "Portal"


def launch(templates: Templates) -> dict[str, Any]:
    data: dict[str, Any] = templates.one(STACK, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    return data


def group(templates: Templates) -> dict[str, Any]:
    (found,) = [
        one for one in templates.resources[STACK].values() if one["Type"] == "AWS::AutoScaling::AutoScalingGroup"
    ]
    return found


def user_data(templates: Templates) -> str:
    return flat(launch(templates)["UserData"]["Fn::Base64"])


def test_every_zone_has_a_small_graviton_node(templates: Templates) -> None:
    properties = group(templates)["Properties"]
    assert properties["MinSize"] == "2"
    assert ["portalSubnet" in flat(subnet) for subnet in properties["VPCZoneIdentifier"]] == [True, True]
    assert launch(templates)["InstanceType"] == "t4g.small"
    assert "arm64" in json.dumps(templates.stacks[STACK]["Parameters"])


def test_a_release_replaces_one_node_after_the_other_and_waits_until_each_serves(templates: Templates) -> None:
    found = group(templates)
    update = found["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert update["WaitOnResourceSignals"] is True
    assert update["MaxBatchSize"] == 1
    # No zone is without its node meanwhile: the new one comes first.
    assert update["MinInstancesInService"] == 2
    assert int(found["Properties"]["MaxSize"]) > 2
    assert update["PauseTime"] == found["CreationPolicy"]["ResourceSignal"]["Timeout"] == "PT15M"
    assert found["CreationPolicy"]["ResourceSignal"]["Count"] == 2
    assert {"HealthCheck", "ReplaceUnhealthy", "AZRebalance"} <= set(update["SuspendProcesses"])


def test_the_load_balancers_health_check_replaces_nodes(templates: Templates) -> None:
    properties = group(templates)["Properties"]
    assert properties["HealthCheckType"] == "ELB"
    assert properties["HealthCheckGracePeriod"] == 900
    targets = [flat(one) for one in properties["TargetGroupARNs"]]
    assert [any(name in target for target in targets) for name in ("Web", "Streams")] == [True, True]


def test_instance_metadata_needs_a_token_and_stays_on_the_node(templates: Templates) -> None:
    assert launch(templates)["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}


def test_the_disk_is_encrypted_and_goes_with_the_node(templates: Templates) -> None:
    (disk,) = launch(templates)["BlockDeviceMappings"]
    assert disk["Ebs"] == {"DeleteOnTermination": True, "Encrypted": True, "VolumeSize": 20, "VolumeType": "gp3"}


def test_user_data_says_where_everything_is_and_holds_no_secret(templates: Templates) -> None:
    text = user_data(templates)
    assert text.startswith("#!/bin/bash\nexport ")
    assert "export TANDEM_PARAMETER='/tandem/tandem/portal'\n" in text
    assert "export TANDEM_REGION='eu-central-1'\n" in text
    assert "export TANDEM_STACK='tandem-Portal'\n" in text
    assert "export TANDEM_WHEELHOUSE='s3://" in text
    (resource,) = [name for name, one in templates.resources[STACK].items() if one is group(templates)]
    assert f"export TANDEM_RESOURCE='{resource}'\n" in text
    assert "resolve:secretsmanager" not in text
    assert text.count("#!") == 1


def test_a_node_is_told_what_its_boot_script_asks_for(templates: Templates) -> None:
    text, script = user_data(templates), (HERE / "portal" / "runtime" / "boot.sh").read_text()
    exports, told = text.removeprefix("#!/bin/bash\n").split(script.partition("\n")[2])
    assert told == ""
    assert set(re.findall(r"\$\{(\w+):\?\}", script)) == set(VARIABLES)
    assert {line.split("=")[0] for line in exports.splitlines()} == {f"export {name}" for name in VARIABLES}


def test_a_node_is_told_where_the_rest_is(templates: Templates) -> None:
    (settings,) = templates.of(STACK, "AWS::SSM::Parameter")
    assert settings["Name"] == "/tandem/tandem/portal"
    told = json.loads(flat(settings["Value"]))
    assert told["public_url"].startswith("https://")
    assert len(told["balancer_networks"]) == len(told["portal_networks"]) == 2
    assert (told["database"]["name"], told["database"]["user"], told["database"]["port"]) == ("tandem", "tandem", 3306)
    assert told["clusters"] == ["cluster1", "cluster2"]
    # All that is told to the node that is set up in tests/aws/runtime.
    assert shape(told) == shape(SETTINGS)


def shape(value: Any) -> Any:
    """The keys, and the kinds of values."""
    return {key: shape(item) for key, item in value.items()} if isinstance(value, dict) else type(value)


def test_the_first_node_finds_what_it_is_told(templates: Templates) -> None:
    ((parameter, _),) = templates.named(STACK, "AWS::SSM::Parameter").items()
    assert parameter in group(templates)["DependsOn"]


def granted(templates: Templates) -> dict[str, list[str]]:
    """What the nodes' role may do: resources by action."""
    found: dict[str, list[str]] = {}
    for stack, name, statement in templates.statements():
        if stack == STACK and "Role" in name:
            for action in _listed(statement["Action"]):
                found.setdefault(action, []).extend(flat(one) for one in _listed(statement["Resource"]))
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_the_role_may_do_what_the_portal_needs_and_nothing_else(templates: Templates) -> None:
    rights = granted(templates)
    assert set(rights) == {
        "s3:GetObject",
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "ssm:PutParameter",
        "secretsmanager:GetSecretValue",
        "cloudformation:SignalResource",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
    }
    assert not any("*" in resource for resources in rights.values() for resource in resources)
    assert len(rights["secretsmanager:GetSecretValue"]) == 4
    assert all("/people/" in resource for resource in rights["ssm:PutParameter"])
    assert set(rights["cloudformation:SignalResource"]) == {"<AWS::StackId>"}


def test_an_operators_secret_is_used_as_it_is(otherwise: Templates) -> None:
    readable = granted(otherwise)["secretsmanager:GetSecretValue"]
    assert any(resource.endswith(":secret:team/administrator-??????") for resource in readable)
    names = [one["Name"] for one in otherwise.of(STACK, "AWS::SecretsManager::Secret")]
    assert names == ["tandem/otherwise/django"]


def test_a_generated_password_keeps_the_portals_rule(templates: Templates) -> None:
    (secret,) = [
        one for one in templates.of(STACK, "AWS::SecretsManager::Secret") if one["Name"].endswith("/administrator")
    ]
    wanted = secret["GenerateSecretString"]
    assert wanted["RequireEachIncludedType"] is True
    assert wanted["PasswordLength"] >= 16
    assert set("-_.+=").isdisjoint(wanted["ExcludeCharacters"])
    assert "SecretStringTemplate" not in wanted


def test_somebody_hears_when_something_is_wrong(templates: Templates, otherwise: Templates) -> None:
    alarms = templates.of(STACK, "AWS::CloudWatch::Alarm")
    assert {one["MetricName"] for one in alarms} == {
        "GroupInServiceInstances",
        "UnHealthyHostCount",
        "HTTPCode_ELB_5XX_Count",
        "ACUUtilization",
        "DaysToExpiry",
    }
    assert all(one["AlarmActions"] == one["OKActions"] and one["AlarmActions"] for one in alarms)
    assert templates.of(STACK, "AWS::SNS::Subscription") == []
    subscription = otherwise.one(STACK, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "somebody@example.org")


def test_alarms_may_speak_to_those_who_listen(templates: Templates) -> None:
    policy = templates.one(STACK, "AWS::SNS::TopicPolicy")["PolicyDocument"]
    (allowed,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"


def test_logs_go_to_a_group_that_goes_with_the_environment(templates: Templates) -> None:
    ((_, log),) = [
        (name, one) for name, one in templates.resources[STACK].items() if one["Type"] == "AWS::Logs::LogGroup"
    ]
    assert log["Properties"]["LogGroupName"] == "/tandem/tandem/portal"
    assert log["DeletionPolicy"] == "Delete"


def test_outputs_say_where_the_portal_is_and_its_administrators_password(templates: Templates) -> None:
    assert flat(templates.stacks["ALB"]["Outputs"]["PortalUrl"]["Value"]).startswith("https://")
    assert templates.stacks[STACK]["Outputs"]["AdministratorSecret"]["Value"]
