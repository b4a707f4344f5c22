"""The portal nodes: one in each zone, all alike; a replaced one needs nothing from the one before."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from tandem.aws.clusters.infrastructure import may_read, may_read_parameters, parameter_arns
from tandem.aws.findings import accept
from tandem.aws.suitable import is_graviton

# Installing, migrating the database, starting; and for the load balancer to see it.
START_MINUTES = 15
LOGICAL_ID = "PortalNodes"


class PortalNodes(Construct):
    """The portal nodes behind the load balancer, replaced one after the other when anything about them changes."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        security_group: ec2.ISecurityGroup,
        target_groups: Sequence[elbv2.ApplicationTargetGroup],
        instance_type: str,
        disk_gib: int,
        boot_script: str,
        boot_variables: Mapping[str, str],
        read_parameters: Sequence[str],
        written_parameters: Sequence[str],
        readable: Sequence[assets.Asset],
        secrets: Sequence[str],
        log_group: str,
    ) -> None:
        super().__init__(scope, name)
        self.log = logs.LogGroup(
            self,
            "Log",
            log_group_name=log_group,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = self._role(read_parameters, written_parameters, readable, secrets)
        arm = is_graviton(instance_type)
        cpu = ec2.AmazonLinuxCpuType.ARM_64 if arm else ec2.AmazonLinuxCpuType.X86_64
        template = ec2.LaunchTemplate(
            self,
            "Template",
            machine_image=ec2.MachineImage.latest_amazon_linux2023(cpu_type=cpu),
            instance_type=ec2.InstanceType(instance_type),
            role=self.role,
            security_group=security_group,
            user_data=ec2.UserData.custom(user_data(boot_variables, boot_script)),
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        disk_gib, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3, delete_on_termination=True
                    ),
                )
            ],
            # One hop: not beyond the node itself. Who on the node may ask is up to the node's own rules.
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            http_tokens=ec2.LaunchTemplateHttpTokens.REQUIRED,
        )
        count = len(subnets)
        self.group = autoscaling.AutoScalingGroup(
            self,
            "Group",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(subnets)),
            launch_template=template,
            min_capacity=count,
            # Room for a new node before an old one goes.
            max_capacity=count + 1,
            health_checks=autoscaling.HealthChecks.with_additional_checks(
                additional_types=[autoscaling.AdditionalHealthCheckType.ELB],
                grace_period=Duration.minutes(START_MINUTES),
            ),
            signals=autoscaling.Signals.wait_for_all(timeout=Duration.minutes(START_MINUTES)),
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                max_batch_size=1,
                min_instances_in_service=count,
                wait_on_resource_signals=True,
                pause_time=Duration.minutes(START_MINUTES),
                suspend_processes=[
                    autoscaling.ScalingProcess.ALARM_NOTIFICATION,
                    autoscaling.ScalingProcess.AZ_REBALANCE,
                    autoscaling.ScalingProcess.HEALTH_CHECK,
                    autoscaling.ScalingProcess.REPLACE_UNHEALTHY,
                    autoscaling.ScalingProcess.SCHEDULED_ACTIONS,
                ],
            ),
            group_metrics=[autoscaling.GroupMetrics.all()],
        )
        resource = self.group.node.default_child
        assert isinstance(resource, autoscaling.CfnAutoScalingGroup)  # noqa: S101 - for the types' sake
        # The user data says it, and cannot ask the group that it is a part of.
        resource.override_logical_id(LOGICAL_ID)
        # By hand: attaching would make security group rules here, which the network's stack already has.
        resource.target_group_arns = [group.target_group_arn for group in target_groups]
        reason = "Nodes come and go with every release; alarms tell people what matters."
        accept(self.group, {"AwsSolutions-AS3": reason})

    def _role(
        self,
        read_parameters: Sequence[str],
        written_parameters: Sequence[str],
        readable: Sequence[assets.Asset],
        secrets: Sequence[str],
    ) -> iam.Role:
        """What a portal node may do, and nothing else."""
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("AmazonSSMManagedInstanceCore")],
            inline_policies={
                "Own": iam.PolicyDocument(
                    statements=[
                        may_read(readable),
                        may_read_parameters(self, read_parameters),
                        iam.PolicyStatement(
                            actions=["ssm:PutParameter"], resources=parameter_arns(self, written_parameters)
                        ),
                        iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=list(secrets)),
                        iam.PolicyStatement(
                            actions=["cloudformation:SignalResource"],
                            resources=[Stack.of(self).stack_id],
                        ),
                        iam.PolicyStatement(
                            actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                            resources=[self.log.log_group_arn],
                        ),
                    ]
                )
            },
        )
        policy = "arn:<AWS::Partition>:iam::aws:policy/AmazonSSMManagedInstanceCore"
        reason = "Session Manager is the only way in for operators; this is what AWS says instances need for it."
        accept(role, {f"AwsSolutions-IAM4[Policy::{policy}]": reason})
        return role


class Alarms(Construct):
    """What somebody should hear of, and where they hear it."""

    def __init__(self, scope: Construct, name: str, *, email: str | None) -> None:
        super().__init__(scope, name)
        self.topic = sns.Topic(self, "Topic", enforce_ssl=True)
        # A policy of its own takes the place of the one by which alarms may speak.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))

    def watch_nodes(self, nodes: PortalNodes, zones: int) -> None:
        """Fewer portal nodes in service than zones."""
        in_service = cloudwatch.Metric(
            namespace="AWS/AutoScaling",
            metric_name="GroupInServiceInstances",
            dimensions_map={"AutoScalingGroupName": nodes.group.auto_scaling_group_name},
            statistic="Minimum",
            period=Duration.minutes(1),
        )
        self._add("NodesMissing", in_service, zones - 1, 10, "A zone has no portal node.", below=True)

    def watch_balancer(
        self, balancer: elbv2.ApplicationLoadBalancer, groups: Sequence[elbv2.ApplicationTargetGroup]
    ) -> None:
        """Nodes that the load balancer takes for dead, and answers that say that something broke."""
        minute = Duration.minutes(1)
        for name, group in zip(("Web", "Streams"), groups, strict=True):
            unhealthy = cloudwatch.Metric(
                namespace="AWS/ApplicationELB",
                metric_name="UnHealthyHostCount",
                dimensions_map={
                    "LoadBalancer": balancer.load_balancer_full_name,
                    "TargetGroup": group.target_group_full_name,
                },
                statistic="Maximum",
                period=minute,
            )
            self._add(f"{name}Unhealthy", unhealthy, 1, 5, "A portal node does not answer its readiness page.")
        failures = balancer.metrics.http_code_elb(elbv2.HttpCodeElb.ELB_5XX_COUNT, statistic="Sum", period=minute)
        self._add("Failures", failures, 10, 5, "The load balancer answers for the portal that it is not there.")

    def watch_database(self, cluster: rds.DatabaseCluster) -> None:
        """A database at the end of its capacity."""
        used = cluster.metric_acu_utilization(statistic="Average", period=Duration.minutes(1))
        self._add("DatabaseFull", used, 90, 15, "The database uses all of its capacity: raise max_acu.")

    def route(self, alarm: cloudwatch.Alarm) -> None:
        """Tell people when it goes off, and when it is over."""
        action = cloudwatch_actions.SnsAction(self.topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)

    def _add(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        minutes: int,
        description: str,
        *,
        below: bool = False,
    ) -> None:
        """An alarm for when `metric` is at the threshold or beyond it for so many minutes."""
        operator = cloudwatch.ComparisonOperator
        self.route(
            cloudwatch.Alarm(
                self,
                name,
                metric=metric,
                alarm_description=description,
                threshold=threshold,
                evaluation_periods=minutes,
                comparison_operator=(
                    operator.LESS_THAN_OR_EQUAL_TO_THRESHOLD if below else operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
                ),
                # A group without nodes says nothing at all.
                treat_missing_data=(
                    cloudwatch.TreatMissingData.BREACHING if below else cloudwatch.TreatMissingData.NOT_BREACHING
                ),
            )
        )


def user_data(variables: Mapping[str, str], script: str) -> str:
    """What a node does at its first start: the boot script, told where it is."""
    variables = {**variables, "TANDEM_RESOURCE": LOGICAL_ID}
    exports = "".join(f"export {name}='{value}'\n" for name, value in variables.items())
    return f"#!/bin/bash\n{exports}{script}"


def read_script(path: Path) -> str:
    """A script's text without the line that names its interpreter: user data begins with its own."""
    text = path.read_text()
    return text.partition("\n")[2] if text.startswith("#!") else text
