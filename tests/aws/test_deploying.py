"""Deploying a small app of our own: what failed first is found, and what was begun is followed."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.aws.conftest import REGION
from tests.aws.emulator.addresses import ACCOUNT
from tests.aws.emulator.running import ROOT, Emulator
from typer.testing import CliRunner

from tandem.aws.deploying import CdkError, Deployment
from tandem.aws.names import STACKS
from tandem.aws.preflight import BOOTSTRAP_PARAMETER
from tandem.cli.deploy import ask, explain
from tandem.cli.main import app

Templates = dict[str, dict[str, Any]]

TOPIC = {"Type": "AWS::SNS::Topic"}
SLOW = """
import json, os, time, urllib.request
def handler(event, context):
    while event["RequestType"] == "Create" and not os.path.exists(event["ResourceProperties"]["Until"]):
        time.sleep(0.05)
    keys = ("StackId", "RequestId", "LogicalResourceId")
    status = event["ResourceProperties"].get("Answer", "SUCCESS")
    answer = {"Status": status, "Reason": "the disk is full", "PhysicalResourceId": "x", **{k: event[k] for k in keys}}
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT"))
"""


def function(log_group: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Handler": "index.handler",
            "Runtime": "python3.12",
            "Role": f"arn:aws:iam::{ACCOUNT}:role/functions",
            "Code": {"ZipFile": SLOW},
            "LoggingConfig": {"LogGroup": log_group},
        },
    }


def thing(**properties: str) -> dict[str, Any]:
    token = {"Fn::GetAtt": ["Function", "Arn"]}
    return {"Type": "Custom::Thing", "Properties": {"ServiceToken": token, **properties}}


def write_assembly(directory: Path, name: str, templates: Templates) -> None:
    """A cloud assembly, as the CDK's library writes them."""
    directory.mkdir(parents=True, exist_ok=True)
    artifacts = {}
    for stack in STACKS:
        template = {"Resources": templates.get(stack, {"Topic": TOPIC})}
        (directory / f"{stack}.template.json").write_text(json.dumps(template))
        artifacts[stack] = {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://{ACCOUNT}/{REGION}",
            "displayName": stack,
            "properties": {"templateFile": f"{stack}.template.json", "stackName": f"{name}-{stack}"},
        }
    (directory / "manifest.json").write_text(json.dumps({"version": "36.0.0", "artifacts": artifacts}))


class Small:
    """An environment whose stacks hold next to nothing."""

    def __init__(self, aws: Emulator, name: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = aws
        self.name = name
        self.file = directory / "tandem.yaml"
        self.file.write_text((ROOT / "tandem.yaml").read_text().replace("name: tandem\n", f"name: {name}\n"))
        self.templates: Templates = {}
        self.assembly = directory / "cdk.out"
        for key, value in aws.environment(REGION).items():
            monkeypatch.setenv(key, value)
        monkeypatch.setattr(Deployment, "synthesise", lambda deployment: self.write(deployment.assembly))

    def write(self, assembly: Path) -> None:
        write_assembly(assembly, self.name, self.templates)

    def stacks(self) -> list[dict[str, Any]]:
        """Its stacks that are there."""
        found = self.aws.client("cloudformation", REGION).describe_stacks()["Stacks"]
        return [stack for stack in found if stack["StackName"].startswith(f"{self.name}-")]

    def run(self, *words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, [words[0], "--file", str(self.file), *words[1:]])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output


@pytest.fixture
def small(aws: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    aws.client("iam", REGION).create_role(RoleName="functions", AssumeRolePolicyDocument="{}")
    ssm = aws.client("ssm", REGION)
    prepared = ssm.get_parameters(Names=[BOOTSTRAP_PARAMETER])["Parameters"]
    if not prepared:
        ssm.put_parameter(Name=BOOTSTRAP_PARAMETER, Value="28", Type="String")
    yield Small(aws, f"small-{os.getpid()}", tmp_path, monkeypatch)
    if not prepared:
        ssm.delete_parameter(Name=BOOTSTRAP_PARAMETER)
    aws.client("iam", REGION).delete_role(RoleName="functions")
    cloudformation = aws.client("cloudformation", REGION)
    for stack in STACKS:
        cloudformation.delete_stack(StackName=f"small-{os.getpid()}-{stack}")
    shutil.rmtree(ROOT / "build" / "aws" / f"small-{os.getpid()}", ignore_errors=True)


def test_what_failed_first_is_said_with_its_reason_and_its_log(small: Small) -> None:
    small.templates["FSX"] = {
        "Function": function("/tandem/things"),
        "Thing": thing(Until="/", Answer="FAILED"),
        "After": {"Type": "AWS::SNS::Topic", "DependsOn": "Thing"},
    }
    status, said = small.run("deploy", "--yes")
    assert status == 1
    assert "FSX: Thing (Custom::Thing) failed first" in said
    assert "the disk is full" in said
    assert "the log group /tandem/things" in said


def test_nobody_is_asked_where_nobody_can_answer(small: Small) -> None:
    status, said = small.run("deploy")
    assert status == 2
    assert "--yes" in said
    # What would be made is said before the question.
    assert "FSX: 1 new resources" in said
    assert small.stacks() == []


def test_an_interrupted_deployment_goes_on_where_it_was(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = tmp_path / "until"
    small.templates["EFS"] = {"Function": function("/x"), "Thing": thing(Until=str(until))}
    # A process of its own, which can be interrupted as a person does.
    script = (
        "import sys\nfrom tests.aws.test_deploying import write_assembly\nfrom tandem.aws.deploying import Deployment\n"
        "import json\nfrom tandem.cli.main import main\n"
        f"templates = json.loads({json.dumps(small.templates)!r})\n"
        f"Deployment.synthesise = lambda self: write_assembly(self.assembly, {small.name!r}, templates)\n"
        f"sys.argv = ['tandem', 'deploy', '--yes', '--file', {str(small.file)!r}]\nmain()\n"
    )
    given = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    ) as process:
        wait_for_thing(small)
        process.send_signal(signal.SIGINT)
        assert process.stdout
        said = process.stdout.read()
        assert process.wait(60) == 130
    assert "call `tandem deploy` again" in said
    assert "Traceback" not in said
    until.touch()
    status, said = small.run("deploy", "--yes")
    assert status == 0, said
    assert "is deployed" in said
    assert {one["StackStatus"] for one in small.stacks()} == {"CREATE_COMPLETE"}
    status, said = small.run("deploy", "--yes")
    assert (status, "Nothing has changed" in said) == (0, True), said
    # Removing needs no new templates, nor what goes into them.
    monkeypatch.setattr(Deployment, "synthesise", None)
    status, said = small.run("destroy", "--yes")
    assert status == 0, said
    assert small.stacks() == []


def test_templates_for_another_region_are_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment("other-region", REGION, tmp_path / "tandem.yaml")
    monkeypatch.setattr(deployment, "assembly", tmp_path / "cdk.out")
    assert not deployment.is_synthesised()
    write_assembly(deployment.assembly, "other-region", {})
    assert deployment.is_synthesised()
    monkeypatch.setattr(deployment.account, "region", "eu-west-1")
    assert not deployment.is_synthesised()


def test_of_the_log_only_what_the_failed_command_said_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "cdk.log"
    log.write_text("\n== cdk bootstrap aws://1/x\nbootstrapped\n\n== cdk synth --quiet\nthe bundle is not built\n")
    with pytest.raises(typer.Exit):
        explain(Deployment("said", REGION, tmp_path / "tandem.yaml"), CdkError("cdk synth failed", log))
    said = capsys.readouterr().err
    assert "the bundle is not built" in said
    assert "bootstrapped" not in said


class Terminal(io.StringIO):
    """Where somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["n", "", "anything"])
def test_only_yes_is_yes(answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n\n"))
    with pytest.raises((typer.Exit, typer.Abort)):
        ask("Deploy lab?", yes=False)
    assert "Deploy lab?" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    ask("Deploy lab?", yes=False)


def wait_for_thing(small: Small) -> None:
    """Until the stack with the slow thing waits for it."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if any(
            one["StackName"].endswith("EFS") and "CREATE_IN_PROGRESS" in one["StackStatus"] for one in small.stacks()
        ):
            return
        time.sleep(0.2)
    raise AssertionError("it never came to the slow thing")
