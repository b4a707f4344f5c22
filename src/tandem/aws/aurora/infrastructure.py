"""The one database: Aurora MySQL, Serverless v2, with an account for each of those who use it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import CustomResource, Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from tandem.aws.findings import accept, accept_no_rotation
from tandem.aws.functions import Function

# Of the line with long-term support. Another patch, or another line, is a decision that is made here.
ENGINE = rds.AuroraMysqlEngineVersion.VER_3_10_4
BACKUP_DAYS = 7


@dataclass(frozen=True)
class Account:
    """A database, the account of the same name that may do there what it needs, and where its password is."""

    name: str
    privileges: str
    secret_name: str


class Database(Construct):
    """A writer and a reader in different zones: the reader takes over when the writer's zone is lost."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        identifier: str,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        security_group: ec2.ISecurityGroup,
        port: int,
        min_acu: float,
        max_acu: float,
        snapshot_on_deletion: bool,
        master_secret_name: str,
    ) -> None:
        super().__init__(scope, name)
        exports = {
            kind: logs.LogGroup(
                self,
                f"{kind.title()}Log",
                log_group_name=f"/aws/rds/cluster/{identifier}/{kind}",
                retention=logs.RetentionDays.ONE_MONTH,
                removal_policy=RemovalPolicy.DESTROY,
            )
            for kind in ("error", "slowquery", "audit")
        }
        first, second = (subnet.availability_zone for subnet in subnets[:2])
        self.cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            cluster_identifier=identifier,
            engine=rds.DatabaseClusterEngine.aurora_mysql(version=ENGINE),
            auto_minor_version_upgrade=False,
            credentials=rds.Credentials.from_generated_secret("tandem_master", secret_name=master_secret_name),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(subnets)),
            security_groups=[security_group],
            port=port,
            writer=rds.ClusterInstance.serverless_v2(
                "Writer", availability_zone=first, auto_minor_version_upgrade=False
            ),
            readers=[
                # As large as the writer at any time: it can take over without a warm-up.
                rds.ClusterInstance.serverless_v2(
                    "Reader", availability_zone=second, scale_with_writer=True, auto_minor_version_upgrade=False
                )
            ],
            serverless_v2_min_capacity=min_acu,
            serverless_v2_max_capacity=max_acu,
            storage_encrypted=True,
            parameters={
                "require_secure_transport": "ON",
                "tls_version": "TLSv1.2,TLSv1.3",
                "server_audit_logging": "1",
                "server_audit_events": "CONNECT,QUERY_DCL,QUERY_DDL",
                "slow_query_log": "1",
            },
            cloudwatch_logs_exports=list(exports),
            backup=rds.BackupProps(retention=Duration.days(BACKUP_DAYS)),
            delete_automated_backups=True,
            copy_tags_to_snapshot=True,
            removal_policy=RemovalPolicy.SNAPSHOT if snapshot_on_deletion else RemovalPolicy.DESTROY,
        )
        # RDS would make them itself, and leave them behind.
        for group in exports.values():
            self.cluster.node.add_dependency(group)
        secret = self.cluster.secret
        assert secret is not None  # noqa: S101 - from_generated_secret makes one
        self.master_secret = secret
        accept_no_rotation(self.cluster, "Only the function that makes the other accounts uses it, at deployments.")
        accept(
            self.cluster,
            {
                "AwsSolutions-RDS6": "slurmdbd signs in with a password only; the network and TLS keep it.",
                "AwsSolutions-RDS10": "The environment can be removed whole; snapshot_on_deletion keeps the data.",
                "AwsSolutions-RDS11": "Who may connect is up to security groups, not to guessing a port.",
                "AwsSolutions-RDS14": "Backups go back to any second of a week, into a database beside this one.",
            },
        )

    @property
    def host(self) -> str:
        """Where the writer is, whichever instance that is."""
        return self.cluster.cluster_endpoint.hostname


class Accounts(Construct):
    """Databases and the accounts that use them, made by a function inside the network."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        database: Database,
        port: int,
        accounts: Sequence[Account],
        package: Path,
        log_group: str,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        security_group: ec2.ISecurityGroup,
    ) -> None:
        super().__init__(scope, name)
        self.secrets = {
            account.name: secretsmanager.Secret(
                self,
                f"Password-{account.name}",
                secret_name=account.secret_name,
                description=f"Password of the database account {account.name}",
                # Plain text: ParallelCluster reads no other.
                generate_secret_string=secretsmanager.SecretStringGenerator(
                    password_length=40, exclude_punctuation=True
                ),
                removal_policy=RemovalPolicy.DESTROY,
            )
            for account in accounts
        }
        for secret in self.secrets.values():
            accept_no_rotation(secret, "Who uses it keeps connections open; a new value comes with a deployment.")
        function = Function(
            self,
            "Maker",
            description="Makes databases and the accounts that use them",
            package=package,
            handler="tandem.aws.aurora.runtime.handler.handler",
            log_group=log_group,
            minutes=5,
            statements=[
                iam.PolicyStatement(
                    actions=["secretsmanager:GetSecretValue"],
                    resources=[
                        database.master_secret.secret_arn,
                        *(secret.secret_arn for secret in self.secrets.values()),
                    ],
                )
            ],
            vpc=vpc,
            subnets=subnets,
            security_group=security_group,
        )
        for account in accounts:
            made = CustomResource(
                self,
                f"Account-{account.name}",
                resource_type="Custom::TandemDatabase",
                service_token=function.arn,
                properties={
                    "Host": database.host,
                    "Port": port,
                    "MasterSecretArn": database.master_secret.secret_arn,
                    "Database": account.name,
                    "User": account.name,
                    "PasswordSecretArn": self.secrets[account.name].secret_arn,
                    "Privileges": account.privileges,
                },
            )
            # Not before the writer is there; and the function may do its work until the last account is gone.
            made.node.add_dependency(database.cluster, function)
