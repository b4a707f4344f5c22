"""A Lambda function in Python, whose log goes when it goes."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from tandem.aws.findings import accept


class Function(Construct):
    """What answers the custom resources of one kind."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        description: str,
        package: Path,
        handler: str,
        log_group: str,
        minutes: int,
        statements: Sequence[iam.PolicyStatement],
        vpc: ec2.IVpc | None = None,
        subnets: Sequence[ec2.ISubnet] = (),
        security_group: ec2.ISecurityGroup | None = None,
    ) -> None:
        super().__init__(scope, name)
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=log_group,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"Own": iam.PolicyDocument(statements=list(statements))},
        )
        log.grant_write(role)
        if vpc:
            role.add_to_policy(network_interfaces())
            reason = "Lambda's network interfaces cannot be named beforehand."
            accept(self, {"AwsSolutions-IAM5[Resource::*]": reason})
        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(package)),
            handler=handler,
            role=role.without_policy_updates(),
            log_group=log,
            timeout=Duration.minutes(minutes),
            memory_size=256,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(subnets)) if vpc else None,
            security_groups=[security_group] if security_group else None,
        )
        # Nothing that it answers for may come before what it may do.
        self.function.node.add_dependency(role)

    @property
    def arn(self) -> str:
        """What custom resources name as their service token."""
        return self.function.function_arn


def network_interfaces() -> iam.PolicyStatement:
    """What a function in a network needs, as Lambda documents it; none of it can be limited to a resource."""
    actions = ("CreateNetworkInterface", "DeleteNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets")
    return iam.PolicyStatement(
        actions=[
            *(f"ec2:{action}" for action in actions),
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ],
        resources=["*"],
    )
