"""ParallelCluster's own `create-cluster --dryrun` on a configuration that was deployed to the emulator."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.aws.emulator.parallelcluster.own_python import PYTHON

if TYPE_CHECKING:
    from tests.aws.emulator.running import Emulator

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
PASSED = "Request would have succeeded, but DryRun flag is set."


def configuration(aws: "Emulator", region: str, name: str) -> dict[str, Any]:
    """The configuration that the cluster has, with everything in it resolved."""
    answer = aws.client("s3", region).get_object(
        Bucket=f"{region}-aws-parallelcluster", Key=f"configurations/{name}.json"
    )
    found: dict[str, Any] = json.loads(answer["Body"].read())
    return found


def dry_run(aws: "Emulator", region: str, directory: Path, name: str, wanted: dict[str, Any]) -> list[str]:
    """What its validators have against a configuration, beginning with their level; nothing if it would be made."""
    image = aws.client("ec2", region).describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    file = directory / f"{name}.json"
    file.write_text(json.dumps({**wanted, "Image": {**wanted["Image"], "CustomAmi": image}}))
    command = [
        *(str(PYTHON.with_name("pcluster")), "create-cluster", "--dryrun", "true"),
        *("--cluster-name", f"{name}-dry", "--cluster-configuration", str(file), "--region", region),
        *("--suppress-validators", *(f"type:{name}Validator" for name in SUPPRESSED)),
    ]
    done = subprocess.run(
        command, env=aws.environment(region), capture_output=True, text=True, check=False, cwd=directory, timeout=180
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return [f"ERROR {done.stdout}{done.stderr}"[-2000:]]
    if answer.get("message") == PASSED:
        return []
    said = answer.get("configurationValidationErrors") or answer.get("validationMessages") or [answer]
    return [f"{one.get('level', 'ERROR')} {one.get('type', '')} {one.get('message', one)}" for one in said]
