"""What cdk-nag finds and is meant to be so, each with its reason, at the construct that it is about."""

from collections.abc import Mapping

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept(scope: IConstruct, reasons: Mapping[str, str]) -> None:
    """Let these findings about `scope` and what is in it pass: the reasons by the findings' ids."""
    for finding, reason in reasons.items():
        Validations.of(scope).acknowledge(Acknowledgment(id=finding, reason=reason))


def accept_no_rotation(scope: IConstruct, reason: str) -> None:
    """A secret that no function changes at intervals."""
    accept(scope, {"AwsSolutions-SMG4": reason})
