"""An AWS account as commands see it: clients of its services, and what can go wrong with any call, in words."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

# What a call may raise: AWS said no, or was not reached.
AWS_ERRORS = (ClientError, BotoCoreError)


class Account:
    """Clients for one region, made when they are first asked for."""

    def __init__(self, region: str, profile: str | None = None) -> None:
        self.region = region
        self.profile = profile
        self._session: boto3.session.Session | None = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A client of `service`. Raises ProfileNotFound."""
        if self._session is None:
            self._session = boto3.session.Session(profile_name=self.profile, region_name=self.region)
        if service not in self._clients:
            patient = Config(connect_timeout=10, read_timeout=30, retries={"max_attempts": 4, "mode": "standard"})
            self._clients[service] = self._session.client(service, config=patient)  # type: ignore[call-overload]
        return self._clients[service]

    def knows_its_region(self) -> bool:
        """Whether AWS has the region, as far as the libraries here know."""
        session = boto3.session.Session()
        partitions = session.get_available_partitions()
        return any(self.region in session.get_available_regions("ec2", partition) for partition in partitions)

    def number(self) -> str:
        """The account's number: whose credentials these are."""
        return str(self.client("sts").get_caller_identity()["Account"])


def code_of(error: Exception) -> str:
    """AWS's short name of what is wrong, or an empty text."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def explained(error: Exception) -> str:
    """What went wrong with a call, in a line."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no credentials were found"
    if isinstance(error, NoRegionError | ProfileNotFound):
        return str(error)
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return f"{error.operation_name}: {said.get('Message') or said.get('Code') or error}"
    return " ".join(str(error).split())
