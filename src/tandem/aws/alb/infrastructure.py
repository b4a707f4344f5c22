"""The portal's load balancer: TLS in front of the portal nodes, in every zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as route53_targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from tandem.aws.findings import accept
from tandem.aws.functions import Function

# Streams say something every 15 s: nothing that lives is ever cut off for being idle.
IDLE_SECONDS = 120
# Whole files go through the asynchronous server too; it hands them on as they come.
STREAM_PATHS = ("/streams/*", "/api/v1/files/content")


@dataclass(frozen=True)
class Server:
    """One of the portal's two servers: its port, and the page that answers 200 when it is ready."""

    port: int
    ready_path: str


class LoadBalancer(Construct):
    """An application load balancer with its access logs, open to whom the security group lets in."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        security_group: ec2.ISecurityGroup,
    ) -> None:
        super().__init__(scope, name)
        self.vpc = vpc
        logs = s3.Bucket(
            self,
            "AccessLogs",
            # The only key that load balancers can write with.
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(90))],
            removal_policy=RemovalPolicy.DESTROY,
            auto_delete_objects=True,
        )
        reason = "It holds access logs; logs of who reads these would need logs of their own."
        accept(logs, {"AwsSolutions-S1": reason})
        self.balancer = elbv2.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(subnets)),
            security_group=security_group,
            internet_facing=True,
            idle_timeout=Duration.seconds(IDLE_SECONDS),
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elbv2.DesyncMitigationMode.DEFENSIVE,
        )
        self.balancer.log_access_logs(logs)

    def listen(self, certificate_arn: str, web: Server, streams: Server) -> None:
        """Answer with the certificate, and lead everything else there."""
        self.web = self._group("Web", web, drain_seconds=30)
        self.streams = self._group("Streams", streams, drain_seconds=60)
        self.balancer.add_redirect(open=False)
        listener = self.balancer.add_listener(
            "Https",
            port=443,
            open=False,
            protocol=elbv2.ApplicationProtocol.HTTPS,
            ssl_policy=elbv2.SslPolicy.TLS13_RES,
            certificates=[elbv2.ListenerCertificate.from_arn(certificate_arn)],
            default_target_groups=[self.web],
        )
        listener.add_target_groups(
            "Streams",
            priority=10,
            conditions=[elbv2.ListenerCondition.path_patterns(list(STREAM_PATHS))],
            target_groups=[self.streams],
        )

    def _group(self, name: str, server: Server, *, drain_seconds: int) -> elbv2.ApplicationTargetGroup:
        group = elbv2.ApplicationTargetGroup(
            self,
            name,
            vpc=self.vpc,
            port=server.port,
            protocol=elbv2.ApplicationProtocol.HTTP,
            target_type=elbv2.TargetType.INSTANCE,
            load_balancing_algorithm_type=elbv2.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
            deregistration_delay=Duration.seconds(drain_seconds),
            health_check=elbv2.HealthCheck(
                path=server.ready_path,
                healthy_http_codes="200",
                interval=Duration.seconds(5),
                timeout=Duration.seconds(3),
                healthy_threshold_count=2,
                unhealthy_threshold_count=2,
            ),
        )
        # Any node answers any request.
        group.set_attribute("stickiness.enabled", "false")
        return group


class Certificate(Construct):
    """The portal's certificate: the operator's own, one proved by a hosted zone, or else a self-signed one."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        balancer_name: str,
        host_name: str | None,
        certificate_arn: str | None,
        hosted_zone: route53.IHostedZone | None,
        package: Path,
        log_group: str,
        renewal: str,
    ) -> None:
        super().__init__(scope, name)
        if certificate_arn:
            self.arn = certificate_arn
        elif host_name and hosted_zone:
            self.arn = acm.Certificate(
                self,
                "Certificate",
                domain_name=host_name,
                validation=acm.CertificateValidation.from_dns(hosted_zone),
            ).certificate_arn
        else:
            self.arn = self._self_signed([host_name] if host_name else [balancer_name], package, log_group, renewal)

    def _self_signed(self, names: list[str], package: Path, log_group: str, renewal: str) -> str:
        stack = Stack.of(self)
        certificates = f"arn:{stack.partition}:acm:{stack.region}:{stack.account}:certificate/*"
        function = Function(
            self,
            "Signer",
            description="Makes the portal's self-signed certificate",
            package=package,
            handler="tandem.aws.alb.runtime.handler.handler",
            log_group=log_group,
            minutes=5,
            statements=[
                iam.PolicyStatement(
                    actions=[
                        "acm:AddTagsToCertificate",
                        "acm:DeleteCertificate",
                        "acm:ImportCertificate",
                        "acm:ListTagsForCertificate",
                    ],
                    # Its id is not known before it is there.
                    resources=[certificates],
                ),
                iam.PolicyStatement(actions=["acm:ListCertificates"], resources=["*"]),
            ],
        )
        shown = certificates.replace(stack.partition, "<AWS::Partition>").replace(stack.account, "<AWS::AccountId>")
        accept(
            function,
            {
                f"AwsSolutions-IAM5[Resource::{shown}]": "A certificate's id is not known before it is there.",
                "AwsSolutions-IAM5[Resource::*]": "Certificates can be listed all or not at all.",
            },
        )
        certificate = CustomResource(
            self,
            "SelfSigned",
            resource_type="Custom::TandemCertificate",
            service_token=function.arn,
            properties={"Names": names, "Renewal": renewal},
        )
        certificate.node.add_dependency(function)
        return certificate.ref


def enter_host_name(scope: Construct, zone: route53.IHostedZone, host_name: str, balancer: LoadBalancer) -> None:
    """Let the portal's name lead to the load balancer."""
    route53.ARecord(
        scope,
        "HostName",
        zone=zone,
        record_name=f"{host_name}.",
        target=route53.RecordTarget.from_alias(route53_targets.LoadBalancerTarget(balancer.balancer)),
    )


def certificate_alarm(scope: Construct, certificate_arn: str) -> cloudwatch.Alarm:
    """Goes off a month before the certificate ends."""
    return cloudwatch.Alarm(
        scope,
        "CertificateEnds",
        alarm_description="The portal's certificate ends within a month.",
        metric=cloudwatch.Metric(
            namespace="AWS/CertificateManager",
            metric_name="DaysToExpiry",
            dimensions_map={"CertificateArn": certificate_arn},
            statistic="Minimum",
            period=Duration.days(1),
        ),
        threshold=30,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluation_periods=1,
        treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
    )
