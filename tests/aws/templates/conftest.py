"""The templates of two environments, made once for all tests: that takes seconds, asking them takes none."""

from pathlib import Path

import pytest
from tests.aws.templates.synthesis import Templates, synthesize

ROOT = Path(__file__).parents[3]

# What tandem.yaml leaves at its default, said otherwise.
OTHERWISE = """
aws:
  allowed_cidrs: [203.0.113.0/24]
  host_name: hpc.example.org
  hosted_zone: Z0123456789ABC
  key_pair: operators
  nat_gateways: one
  alarm_email: somebody@example.org
parallelcluster:
  Scheduling:
    SlurmQueues:
      - Name: compute
        CapacityType: SPOT
"""


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Those of the environment that comes with Tandem."""
    return synthesize((ROOT / "tandem.yaml").read_text(), tmp_path_factory.mktemp("default"))


@pytest.fixture(scope="session")
def otherwise(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Those of an environment that wants everything else that can be had."""
    text = (ROOT / "tandem.yaml").read_text() + OTHERWISE
    for old, new in (
        ("kind: scratch\n  ", "file_system: ebs\n  "),
        ("kind: scratch\n", "file_system: efs\n"),
        ("path: /efs\n", "path: /efs\n    backups: true\n"),
        ("max_acu: 4\n", "max_acu: 4\n  snapshot_on_deletion: true\n"),
        ("name: ec2-user\n", "name: ec2-user\n  password_secret: team/administrator\n"),
    ):
        assert old in text, old
        text = text.replace(old, new, 1)
    return synthesize(text, tmp_path_factory.mktemp("otherwise"))
