"""AWS as a portal node's root processes use it: by its command line, which the image brings, with a deadline."""

import json
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tandem.aws.names import NOT_YET

CALL_TIME = 120
AT_ONCE = 10  # parameters that one call may ask for


class AwsError(Exception):
    """AWS did not do it; the text is what its command line said."""


def aws(*arguments: str) -> str:
    """Run the command. Raises AwsError."""
    try:
        done = subprocess.run(["aws", *arguments], capture_output=True, text=True, timeout=CALL_TIME, check=False)
    except subprocess.TimeoutExpired as problem:
        raise AwsError(f"aws {arguments[0]} {arguments[1]} takes too long") from problem
    if done.returncode:
        raise AwsError(f"aws {arguments[0]} {arguments[1]}: {done.stderr.strip()}")
    return done.stdout


def parameter(name: str) -> str:
    """A parameter of Parameter Store, empty while nobody has written it. Raises AwsError."""
    return parameters([name])[name]


def parameters(names: list[str]) -> dict[str, str]:
    """Several of them, by name. Raises AwsError, also when one is not there."""
    found: dict[str, str] = {}
    for start in range(0, len(names), AT_ONCE):
        said = _document("ssm", "get-parameters", "--names", *names[start : start + AT_ONCE])
        if said["InvalidParameters"]:
            raise AwsError(f"there is no parameter {', '.join(said['InvalidParameters'])}")
        found |= {one["Name"]: one["Value"].strip() for one in said["Parameters"]}
    return {name: "" if value == NOT_YET else value for name, value in found.items()}


def put_parameter(name: str, value: str) -> None:
    """Write a parameter that is there. Raises AwsError."""
    aws("ssm", "put-parameter", "--name", name, "--value", value, "--type", "String", "--overwrite")


@dataclass(frozen=True)
class Secret:
    """A secret's current version."""

    text: str
    version: str
    created: datetime


def secret(name: str) -> Secret:
    """The current version of a secret. Raises AwsError."""
    found = _document("secretsmanager", "get-secret-value", "--secret-id", name)
    return Secret(found["SecretString"], found["VersionId"], datetime.fromisoformat(found["CreatedDate"]))


def fetch(bucket: str, key: str, to: Path) -> None:
    """Fetch an object of S3's into a file. Raises AwsError."""
    aws("s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", str(to))


def _document(*arguments: str) -> Any:
    return json.loads(aws(*arguments, "--output", "json"))
