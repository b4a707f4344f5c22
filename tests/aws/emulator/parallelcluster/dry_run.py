"""ParallelCluster's own `create-cluster --dryrun` on configurations that were deployed to the emulator."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.aws.emulator.parallelcluster.own_python import PYTHON
from tests.aws.emulator.running import NODEJS, Emulator

# What moto cannot answer: each would ask EC2 whether it could really start an instance, or FSx for its interfaces.
SUPPRESSED = (
    "AmiOsCompatible",
    "ComputeResourceLaunchTemplate",
    "CustomAmiTag",
    "ExistingFsxNetworking",
    "HeadNodeLaunchTemplate",
    "InstanceTypeBaseAMICompatible",
    "KeyPair",
    "LoginNodesLaunchTemplate",
)
COMMAND = Path(__file__).with_name("own_command.py")
PASSED = "Request would have succeeded, but DryRun flag is set."


def configuration(aws: Emulator, region: str, name: str) -> dict[str, Any]:
    """The configuration that the cluster has, with everything in it resolved."""
    answer = aws.client("s3", region).get_object(
        Bucket=f"{region}-aws-parallelcluster", Key=f"configurations/{name}.json"
    )
    found: dict[str, Any] = json.loads(answer["Body"].read())
    return found


def dry_run(aws: Emulator, region: str, directory: Path, wanted: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """What its validators have against each of some configurations, with their levels; nothing if it would be made."""
    image = aws.client("ec2", region).describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    calls = []
    for name, configuration in wanted.items():
        file = directory / f"{name}.json"
        file.write_text(json.dumps({**configuration, "Image": {**configuration["Image"], "CustomAmi": image}}))
        calls.append(
            [
                *("create-cluster", "--dryrun", "true", "--region", region),
                *("--cluster-name", f"{name}-dry", "--cluster-configuration", str(file)),
                *("--suppress-validators", *(f"type:{validator}Validator" for validator in SUPPRESSED)),
            ]
        )
    given = aws.environment(region)
    given["PATH"] = f"{with_node(directory)}:{given['PATH']}"
    done = subprocess.run(
        [PYTHON, COMMAND], input=json.dumps(calls), env=given, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(wanted, map(said, json.loads(done.stdout)), strict=True))


def with_node(directory: Path) -> Path:
    """A directory for PATH with the Node.js that `make` has found for the CDK: the command insists on one."""
    place = directory / "bin"
    place.mkdir(exist_ok=True)
    if NODEJS.exists() and not (place / "node").exists():
        (place / "node").symlink_to(NODEJS)
    return place


def said(answer: dict[str, Any]) -> list[str]:
    """A line for each thing that it has to say."""
    if answer == {"message": PASSED}:
        return []
    found = answer.get("configurationValidationErrors") or answer.get("validationMessages") or [answer]
    return [f"{one.get('level', 'ERROR')} {one.get('type', '')} {one.get('message', one)}" for one in found]
