"""Directories and files that go to AWS as they are."""

from dataclasses import dataclass
from pathlib import Path

from tandem.aws import wheelhouse
from tandem.aws.suitable import is_graviton
from tandem.environment import Environment

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Packages:
    """Where they are here."""

    portal: Path
    database: Path
    certificate: Path
    authority: Path
    node_content: Path
    loader: Path = HERE / "clusters" / "runtime" / "loader.sh"
    boot: Path = HERE / "portal" / "runtime" / "boot.sh"


def gather_packages(environment: Environment) -> Packages:
    """All of them, for the machines that they go to. Raises NotGathered."""
    return Packages(
        portal=wheelhouse.portal_wheelhouse("aarch64" if is_graviton(environment.portal.instance_type) else "x86_64"),
        database=wheelhouse.lambda_package("aurora"),
        certificate=wheelhouse.lambda_package("alb"),
        authority=wheelhouse.lambda_package("portal"),
        node_content=wheelhouse.node_content(),
    )
