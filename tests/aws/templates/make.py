"""Writes the templates of all environments that are looked at: `python -m tests.aws.templates.make DIRECTORY`.

In a process of its own: the CDK takes seconds to start, and half a gigabyte for as long as its process lives.
"""

import sys
from pathlib import Path

from aws_cdk import App, CfnOutput, Stack, Validations
from aws_cdk import aws_ec2 as ec2
from cdk_nag import AwsSolutionsChecks
from tests.aws.templates.synthesis import CERTIFICATE_ARN

from tandem.aws import findings
from tandem.aws.alb.infrastructure import Certificate
from tandem.aws.app import compose
from tandem.aws.fsx.infrastructure import Scratch
from tandem.aws.packages import Packages
from tandem.environment import load_environment

DEFAULT = (Path(__file__).parents[3] / "tandem.yaml").read_text()

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


class AcceptsNothing:
    """Stands in for what findings are accepted by."""

    @classmethod
    def of(cls, _: object) -> "AcceptsNothing":
        return cls()

    def acknowledge(self, *_: object) -> None:
        """Take it for nothing."""


def otherwise() -> str:
    """An environment that wants everything else that can be had."""
    text = DEFAULT + OTHERWISE
    for old, new in (
        ("name: tandem\n", "name: otherwise\n"),
        ("kind: scratch\n  ", "file_system: ebs\n  "),
        ("kind: scratch\n", "file_system: efs\n"),
        ("path: /efs\n", "path: /efs\n    backups: true\n"),
        ("max_acu: 4\n", "max_acu: 4\n  snapshot_on_deletion: true\n"),
        ("name: ec2-user\n", "name: ec2-user\n  password_secret: team/administrator\n"),
    ):
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def synthesize(text: str, directory: Path) -> None:
    """Write the templates of the environment that `text` describes."""
    directory.mkdir()
    file = directory / "tandem.yaml"
    file.write_text(text)
    app = compose(load_environment(file), file, packages(directory), outdir=directory / "cdk.out")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


def packages(directory: Path) -> Packages:
    """Stand-ins for what takes long to gather: templates only carry the addresses of these."""
    made = {}
    for name in ("portal", "database", "certificate", "authority", "node_content"):
        made[name] = directory / name
        made[name].mkdir()
        (made[name] / "what").write_text(name)
    return Packages(**made)


def alone(directory: Path) -> None:
    """Write templates of constructs that neither environment asks for."""
    directory.mkdir()
    app = App(outdir=str(directory / "cdk.out"))
    stack = Stack(app, "Certificate")
    certificate = Certificate(
        stack,
        "Certificate",
        balancer_name="balancer.example.org",
        host_name="hpc.example.org",
        certificate_arn=CERTIFICATE_ARN,
        hosted_zone=None,
        package=directory,
        log_group="/tandem/lab/certificate",
        renewal="2026-2",
    )
    CfnOutput(stack, "Arn", value=certificate.arn)
    stack = Stack(app, "Scratch")
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1, nat_gateways=0)
    Scratch(
        stack,
        "Scratch",
        vpc=vpc,
        subnet=vpc.public_subnets[0],
        security_group=ec2.SecurityGroup(stack, "Group", vpc=vpc),
        file_system="lustre",
        persistent=True,
        size_gib=2400,
    )
    app.synth()


def main() -> None:
    """The default, the other one, and the default without any finding accepted: that must fail."""
    directory = Path(sys.argv[1])
    synthesize(DEFAULT, directory / "default")
    synthesize(otherwise(), directory / "otherwise")
    alone(directory / "alone")
    findings.Validations = AcceptsNothing
    try:
        synthesize(DEFAULT, directory / "unaccepted")
        said = ""
    except RuntimeError as error:
        said = str(error)
    (directory / "unaccepted" / "error").write_text(said)


if __name__ == "__main__":
    main()
