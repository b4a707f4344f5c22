"""What holds for all templates: rights, partitions, names, and that everything goes with the environment."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.aws.templates.synthesis import Templates, flat

from tandem.aws.names import STACKS

# What only looks: the rest changes something.
LOOKING = re.compile(r"[a-z0-9-]+:(?:Get|List|Describe|BatchGet|Head)[A-Za-z]*")
# Lambda's network interfaces, as Lambda documents them: they cannot be named beforehand.
INTERFACES = {
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_there_are_seven_stacks_with_the_environments_name(templates: Templates) -> None:
    assert STACKS == ("VPC", "AuroraServerless", "EFS", "FSX", "ALB", "Clusters", "Portal")
    assert set(templates.stacks) == set(STACKS)
    manifest = json.loads((templates.directory / "manifest.json").read_text())["artifacts"]
    assert {manifest[stack]["properties"]["stackName"] for stack in STACKS} == {f"tandem-{stack}" for stack in STACKS}


def test_nothing_that_changes_something_is_allowed_on_everything(templates: Templates) -> None:
    for stack, name, statement in templates.statements():
        if statement["Effect"] != "Allow" or "*" not in [flat(one) for one in _listed(statement["Resource"])]:
            continue
        changing = {action for action in _listed(statement["Action"]) if not LOOKING.fullmatch(action)}
        assert changing <= INTERFACES, f"{stack}/{name} may do {changing} to everything"


def test_no_action_is_a_pattern(templates: Templates) -> None:
    for stack, name, statement in templates.statements():
        patterns = [action for action in _listed(statement["Action"]) if "*" in action]
        assert not patterns, f"{stack}/{name} may do {patterns}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            # Services are called the same in every partition, as principals.
            if key != "Service":
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def test_no_partition_is_taken_for_granted(templates: Templates) -> None:
    for stack, template in templates.stacks.items():
        for text in _texts(template["Resources"]):
            assert "arn:aws" not in text, f"{stack}: {text}"
            assert ".amazonaws.com" not in text, f"{stack}: {text}"


def test_nothing_stays_behind(templates: Templates) -> None:
    kept = [
        f"{stack}/{name}"
        for stack, name, resource in templates.all()
        if "Retain" in (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
    ]
    assert kept == []


def test_every_function_has_a_log_that_goes_with_it(templates: Templates) -> None:
    for stack, name, resource in templates.all():
        if resource["Type"] == "AWS::Lambda::Function" and "CustomS3AutoDelete" not in name:
            group = resource["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
            assert templates.resources[stack][group]["DeletionPolicy"] == "Delete"
            assert templates.resources[stack][group]["Properties"]["RetentionInDays"] > 0


def test_two_environments_have_no_name_in_common(templates: Templates, otherwise: Templates) -> None:
    def names(found: Templates) -> set[str]:
        keys = ("LogGroupName", "DBClusterIdentifier", "ClusterName", "Name")
        return {
            properties[key]
            for _, _, resource in found.all()
            if (properties := resource.get("Properties", {}))
            for key in keys
            if isinstance(properties.get(key), str)
        }

    assert names(otherwise)
    assert names(templates) & names(otherwise) == set()


def test_the_solutions_rules_of_aws_are_kept(templates: Templates, otherwise: Templates) -> None:
    """A finding that nobody accepted with a reason would have stopped the templates from being made."""
    for found in (templates, otherwise):
        violations = [
            (violation["ruleName"], violation["violatingConstructs"])
            for report in found.report["pluginReports"]
            for violation in report["violations"]
        ]
        assert violations == []


def test_what_nobody_accepted_stops_the_templates_from_being_made(
    synthesized: Path,
) -> None:
    unaccepted = synthesized / "unaccepted"
    assert "ValidationFailed" in (unaccepted / "error").read_text()
    report = (unaccepted / "cdk.out" / "validation-report.json").read_text()
    # One of each construct that accepts something.
    for rule in ("SMG4", "RDS6", "RDS10", "RDS11", "RDS14", "S1", "AS3", "IAM4", "IAM5"):
        assert f"AwsSolutions-{rule}" in report


def test_cloudformation_would_accept_them(templates: Templates, otherwise: Templates) -> None:
    # The CDK says dependencies twice (W3005); zones are the environment file's (W3010).
    program = Path(sys.executable).with_name("cfn-lint")
    command = [program, "--ignore-checks", "W3005", "W3010", "--", *templates.files, *otherwise.files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
