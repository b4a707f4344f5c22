"""The environment is deployed to the emulator by the real CDK, deployed again, changed and destroyed; nothing is left.

This proves the templates, their references and order, the life cycle of custom resources, and deletion. It does not
prove IAM, AWS's times, what happens on the machines, or ParallelCluster's own provider.
"""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.aws.conftest import REGION
from tests.aws.emulator.census import census
from tests.aws.emulator.parallelcluster.dry_run import configuration, dry_run
from tests.aws.emulator.running import ROOT, Emulator

from tandem.aws.clusters.configuration import Mount, merged
from tandem.aws.names import STACKS, Names
from tandem.aws.preflight import AURORA_VERSION

NAME = "emulated"
NAMES = Names(NAME)
SPOT = {"Name": "compute", "CapacityType": "SPOT"}
# What AWS and the CDK have for all environments, and keep.
SHARED = ("CDKToolkit", "cdk-hnb659fds", "cdk-bootstrap", "ecr", "do-not-delete", "/aws/service/")


@dataclass
class Phase:
    """One command, what it said, and what the emulator did meanwhile."""

    status: int
    said: str
    events: list[dict[str, Any]]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Events of these kinds."""
        return [event for event in self.events if event["event"] in kinds]


@dataclass
class Story:
    """All that was done, one after the other."""

    file: Path
    phases: dict[str, Phase] = field(default_factory=dict)
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: set[tuple[str, str]] = field(default_factory=set)
    deployed: set[tuple[str, str]] = field(default_factory=set)
    after: set[tuple[str, str]] = field(default_factory=set)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def phase(self, name: str) -> Phase:
        """What a phase was. The story ends with the first that failed."""
        assert name in self.phases, f"it did not come to {name}"
        found = self.phases[name]
        assert found.status == 0, found.said[-3000:]
        return found


TANDEM = (sys.executable, "-m", "tandem")
CDK = (str(ROOT / "build" / "cdk" / "cdk"), "deploy", *STACKS)


def run(aws: Emulator, story: Story, name: str, *command: str) -> bool:
    """One command against the emulator, as people type it in the checkout. Whether it did what it should."""
    aws.forget_events()
    given = aws.environment(REGION) | {"TANDEM_FILE": str(story.file), "COLUMNS": "200"}
    # `make` may be what runs the tests.
    given = {key: value for key, value in given.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        command, env=given, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=600
    )
    events = aws.events("create", "update", "delete", "kept", "unknown", "refused", "failed")
    story.phases[name] = Phase(done.returncode, done.stdout + done.stderr, events)
    return done.returncode == 0


def environment_file(directory: Path, instance_type: str) -> Path:
    """The default file under another name; cluster1's elastic nodes are of this type."""
    text = (ROOT / "tandem.yaml").read_text().replace("name: tandem\n", f"name: {NAME}\n")
    file = directory / "tandem.yaml"
    file.write_text(text.replace("instance_type: c5.xlarge", f"instance_type: {instance_type}", 1))
    return file


@pytest.fixture(scope="session")
def story(aws: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """All of it, once."""
    return tell(aws, tmp_path_factory.mktemp("deployment"))


def tell(aws: Emulator, directory: Path) -> Story:
    """Bootstrap and deploy, deploy again with nothing but the CDK, change a queue, destroy."""
    story = Story(environment_file(directory, "c5.xlarge"), before=census(aws, REGION))
    # Else `make deploy` may do that on the way, and portal nodes are replaced.
    run(aws, story, "bundle", "make", "bundle")
    if run(aws, story, "deploy", *TANDEM, "deploy", "--bootstrap", "--yes"):
        story.deployed = census(aws, REGION)
        story.templates = templates()
        run(aws, story, "outputs", *TANDEM, "outputs", "--json")
        run(aws, story, "again", *CDK)
        environment_file(directory, "c6i.xlarge")
        run(aws, story, "change", "make", "deploy", f"FILE={story.file}", "YES=1")
        wanted = configurations(aws)
        story.refused = dry_run(aws, REGION, directory, wanted)
        disk = wanted["otherwise"]["SharedStorage"][1]["EbsSettings"]["VolumeId"]
        aws.client("ec2", REGION).delete_volume(VolumeId=disk)
        run(aws, story, "destroy", "make", "destroy", f"FILE={story.file}", "YES=1")
        story.after = census(aws, REGION)
    return story


def configurations(aws: Emulator) -> dict[str, dict[str, Any]]:
    """Of both clusters as they were deployed, and what can be asked for beside that; and one with mistakes."""
    found = {name: configuration(aws, REGION, NAMES.cluster(name)) for name in ("cluster1", "cluster2")}
    return {**found, "otherwise": otherwise(aws, found["cluster2"]), "wrong": with_mistakes(found["cluster2"])}


def otherwise(aws: Emulator, wanted: dict[str, Any]) -> dict[str, Any]:
    """With a disk for scratch, and what the file can lay over a configuration."""
    ec2 = aws.client("ec2", REGION)
    zone = ec2.describe_subnets(SubnetIds=[wanted["HeadNode"]["Networking"]["SubnetId"]])["Subnets"][0]
    disk = ec2.create_volume(AvailabilityZone=zone["AvailabilityZone"], Size=100, Encrypted=True)["VolumeId"]
    shared, scratch = wanted["SharedStorage"]
    storage = [shared, Mount(scratch["Name"], scratch["MountDir"], "Ebs", disk).section()]
    over = {"HeadNode": {"Ssh": {"KeyName": "operators"}}, "Scheduling": {"SlurmQueues": [SPOT]}}
    return {**merged(wanted, over), "SharedStorage": storage}


def with_mistakes(wanted: dict[str, Any]) -> dict[str, Any]:
    """A configuration with some of which its schema knows nothing."""
    wrong: dict[str, Any] = json.loads(json.dumps(wanted))
    wrong["SharedStorage"][1]["MountDir"] = wrong["SharedStorage"][0]["MountDir"]
    scheduling = wrong["Scheduling"]
    scheduling["SlurmSettings"]["CustomSlurmSettings"] = [{"SlurmUser": "root"}]
    scheduling["SlurmQueues"][0]["ComputeResources"][0]["InstanceType"] = "c6g.xlarge"
    return wrong


def templates() -> dict[str, dict[str, Any]]:
    """As they were deployed."""
    directory = ROOT / "build" / "aws" / NAME / "cdk.out"
    return {stack: json.loads((directory / f"{stack}.template.json").read_text()) for stack in STACKS}


def ours(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without what bootstrapping made, and what AWS itself publishes."""
    return {(kind, name) for kind, name in found if not any(shared in f"{kind} {name}" for shared in SHARED)}


def test_everything_that_the_templates_have_is_made_and_nothing_is_skipped(story: Story) -> None:
    phase = story.phase("deploy")
    assert phase.of("unknown", "refused", "failed") == []
    made = Counter((event["stack"], event["type"]) for event in phase.of("create") if event["stack"].startswith(NAME))
    wanted = Counter(
        (NAMES.stack(stack), resource["Type"])
        for stack, template in story.templates.items()
        for resource in template["Resources"].values()
        if "Condition" not in resource
    )
    assert wanted - made == Counter()
    # Nested stacks have names of their own.
    assert {stack for stack, _ in (made - wanted)} <= {stack for stack, _ in made if stack not in NAMES_OF_STACKS}
    assert sum(wanted.values()) > 80


NAMES_OF_STACKS = {NAMES.stack(stack) for stack in STACKS}


def test_the_version_of_the_database_is_the_one_that_preflight_looks_for(story: Story) -> None:
    story.phase("deploy")
    resources = story.templates["AuroraServerless"]["Resources"].values()
    (cluster,) = [one for one in resources if one["Type"] == "AWS::RDS::DBCluster"]
    assert cluster["Properties"]["EngineVersion"] == AURORA_VERSION


def test_it_says_how_far_each_stack_is(story: Story) -> None:
    said = story.phase("deploy").said
    assert [stack for stack in STACKS if f"{stack}: create complete" not in said] == []


def test_the_region_is_prepared_by_the_cdk_itself(story: Story) -> None:
    assert {event["stack"] for event in story.phase("deploy").of("create")} >= {"CDKToolkit"}


def test_it_says_where_the_portal_is_and_where_the_secrets_are(story: Story) -> None:
    answer = json.loads(story.phase("outputs").said)
    assert set(answer["stacks"].values()) == {"CREATE_COMPLETE"}
    text = json.dumps(answer["outputs"])
    assert "https://" in text
    assert "cluster1" in text
    assert "secret" in text
    # As people are told it, too.
    assert ":secret:tandem/emulated/administrator" in story.phase("deploy").said


def test_parallelcluster_itself_would_make_the_clusters(story: Story) -> None:
    story.phase("deploy")
    assert story.refused["cluster1"] == []
    assert story.refused["cluster2"] == []
    assert story.refused["otherwise"] == []


@pytest.mark.parametrize("said", ["SlurmUser", "/efs", "architecture"])
def test_parallelcluster_itself_would_not_make_one_with_mistakes(said: str, story: Story) -> None:
    story.phase("deploy")
    assert any(one.startswith("ERROR") and said in one for one in story.refused["wrong"]), story.refused["wrong"]


def test_deploying_again_with_nothing_but_the_cdk_changes_nothing(story: Story) -> None:
    phase = story.phase("again")
    assert phase.said.count("(no changes)") == len(STACKS)
    assert phase.events == []


def test_another_instance_type_changes_its_own_cluster_only(story: Story) -> None:
    phase = story.phase("change")
    assert "cluster1, queue compute: nodes of c5.xlarge go, c6i.xlarge instead" in phase.said
    assert "cluster2" not in phase.said.partition("Nodes go")[2].partition("Restartable")[0]
    # The difference is shown before anything is done.
    assert "[~] Custom::PclusterCluster" in phase.said
    clusters = [event for event in phase.of("update") if event["type"] == "Custom::PclusterCluster"]
    assert len(clusters) == 1
    assert "cluster1" in clusters[0]["id"].lower()
    # Beside it, the portal is told of the new file. No machine is replaced, and nothing is made or removed.
    assert phase.of("create", "delete") == []
    assert {event["stack"] for event in phase.of("update")} <= {NAMES.stack("Clusters"), NAMES.stack("Portal")}
    untouched = {"AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::LaunchTemplate"}
    assert not untouched & {event["type"] for event in phase.of("update")}


def test_it_says_what_is_lost_and_what_aws_keeps(story: Story) -> None:
    said = story.phase("destroy").said
    for word in ("/efs", "/fsx_cluster1", "the database", "2 running nodes", "do-not-delete", "CDKToolkit"):
        assert word in said


def test_everything_is_removed_again(story: Story) -> None:
    phase = story.phase("destroy")
    assert phase.of("failed", "kept") == []
    assert f"{NAME} is gone" in phase.said
    assert ours(story.deployed) - ours(story.before), "the census sees nothing"
    assert ours(story.after) - ours(story.before) == set()
