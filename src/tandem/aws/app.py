"""The CDK app: composes the stacks of the environment that `TANDEM_FILE` (tandem.yaml) describes.

Each stack takes what it needs from those before it; nothing looks anything up, so that no account is needed to make
the templates.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aws_cdk import App, CfnOutput, CrossStackReferences, ReferenceStrength
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_s3_assets as assets

from tandem.aws import names as named
from tandem.aws.alb.infrastructure import Certificate, LoadBalancer, Server, certificate_alarm, enter_host_name
from tandem.aws.aurora.infrastructure import Account, Accounts, Database
from tandem.aws.clusters.configuration import Accounting, Mount, SetUp, cluster_configuration
from tandem.aws.clusters.infrastructure import (
    Authority,
    Cluster,
    NodeRights,
    Provider,
    munge_key,
    parameter_of_others,
    plain_parameter,
)
from tandem.aws.efs.infrastructure import SharedFileSystem
from tandem.aws.fsx.infrastructure import Scratch
from tandem.aws.names import Names
from tandem.aws.packages import Packages, gather_packages
from tandem.aws.portal.infrastructure import Alarms, PortalNodes, read_script
from tandem.aws.portal.secrets import AdministratorPassword, DjangoKey
from tandem.aws.renewal import half_of_the_year
from tandem.aws.stack import ZonalStack
from tandem.aws.suitable import NotForAws, require_suitable
from tandem.aws.vpc.infrastructure import Groups, Network
from tandem.aws.wheelhouse import NotGathered
from tandem.environment import Environment, EnvironmentFileError, load_environment


class Composition:
    """All stacks of one environment, each with what the others take from it."""

    def __init__(self, app: App, environment: Environment, file: Path, packages: Packages) -> None:
        self.app = app
        self.environment = environment
        self.names = Names(environment.name)
        self.packages = packages
        self.file = file
        self.vpc()
        self.aurora()
        self.efs()
        self.fsx()
        self.alb()
        self.clusters()
        self.portal()

    def stack(self, stack: str) -> ZonalStack:
        """A new stack."""
        return ZonalStack(self.app, stack, self.environment)

    def vpc(self) -> None:
        """Network and security groups."""
        environment = self.environment
        stack = self.stack("VPC")
        self.network = Network(
            stack,
            "Network",
            cidr=environment.aws.vpc_cidr,
            zones=[zone.name for zone in environment.zones],
            nat_in_each_zone=environment.aws.nat_gateways == "zone",
            log_group=self.names.logs("network"),
        )
        self.groups = Groups(
            stack,
            "Groups",
            vpc=self.network.vpc,
            allowed_cidrs=environment.aws.allowed_cidrs,
            clusters={
                cluster.name: environment.storage.scratch[cluster.name].file_system for cluster in environment.clusters
            },
            database_port=named.DATABASE_PORT,
            portal_ports=(named.WEB_PORT, named.STREAMS_PORT),
        )

    def aurora(self) -> None:
        """The database, and an account for the portal and for each cluster."""
        stack, names = self.stack("AuroraServerless"), self.names
        self.database = Database(
            stack,
            "Database",
            identifier=names.environment,
            vpc=self.network.vpc,
            subnets=self.network.subnets("database"),
            security_group=self.groups.database,
            port=named.DATABASE_PORT,
            min_acu=self.environment.database.min_acu,
            max_acu=self.environment.database.max_acu,
            snapshot_on_deletion=self.environment.database.snapshot_on_deletion,
            master_secret_name=names.database_master,
        )
        self.accounts = Accounts(
            stack,
            "Accounts",
            database=self.database,
            port=named.DATABASE_PORT,
            accounts=[
                Account(names.portal_database, "portal", names.database_portal),
                *(
                    Account(
                        names.accounting_database(cluster.name),
                        "accounting",
                        names.database_accounting(cluster.name),
                    )
                    for cluster in self.environment.clusters
                ),
            ],
            package=self.packages.database,
            log_group=names.logs("database-accounts"),
            vpc=self.network.vpc,
            subnets=self.network.subnets("portal"),
            security_group=self.groups.database_users,
        )

    def efs(self) -> None:
        """What all clusters share."""
        self.shared = SharedFileSystem(
            self.stack("EFS"),
            "Shared",
            vpc=self.network.vpc,
            subnets=self.network.subnets("cluster"),
            security_group=self.groups.shared,
            backups=self.environment.storage.shared.backups,
        )

    def fsx(self) -> None:
        """What each cluster has alone."""
        stack = self.stack("FSX")
        self.scratch = {}
        for cluster in self.environment.clusters:
            scratch = self.environment.storage.scratch[cluster.name]
            self.scratch[cluster.name] = Scratch(
                stack,
                f"Scratch-{cluster.name}",
                vpc=self.network.vpc,
                subnet=self.network.subnet("cluster", cluster.zone),
                security_group=self.groups.clusters[cluster.name].scratch,
                file_system=scratch.file_system,
                persistent=scratch.kind == "persistent",
                size_gib=scratch.size_gib,
            )

    def alb(self) -> None:
        """The load balancer, its certificate and its name."""
        stack, aws = self.stack("ALB"), self.environment.aws
        self.balancer = LoadBalancer(
            stack,
            "LoadBalancer",
            vpc=self.network.vpc,
            subnets=self.network.subnets("public"),
            security_group=self.groups.balancer,
        )
        zone = None
        if aws.hosted_zone and aws.host_name:
            zone = route53.HostedZone.from_hosted_zone_attributes(
                stack, "Zone", hosted_zone_id=aws.hosted_zone, zone_name=aws.host_name
            )
            enter_host_name(stack, zone, aws.host_name, self.balancer)
        dns_name = self.balancer.balancer.load_balancer_dns_name
        certificate = Certificate(
            stack,
            "Certificate",
            balancer_name=dns_name,
            host_name=aws.host_name,
            certificate_arn=aws.certificate_arn,
            hosted_zone=zone,
            package=self.packages.certificate,
            log_group=self.names.logs("certificate"),
            renewal=half_of_the_year(datetime.now(UTC).date()),
        )
        self.certificate_arn = certificate.arn
        self.balancer.listen(
            certificate.arn,
            Server(named.WEB_PORT, named.READY_PATH),
            Server(named.STREAMS_PORT, named.STREAMS_READY_PATH),
        )
        self.public_url = f"https://{aws.host_name or dns_name}"
        CfnOutput(stack, "PortalUrl", value=self.public_url)

    def clusters(self) -> None:
        """The authority that the door believes, and the clusters."""
        stack, names = self.stack("Clusters"), self.names
        self.loader = assets.Asset(stack, "Loader", path=str(self.packages.loader))
        self.content = assets.Asset(stack, "Content", path=str(self.packages.node_content))
        provider = Provider(
            stack, "Provider", version=self.environment.aws.parallelcluster_version, readable=[self.loader]
        )
        self.authority = Authority(
            stack,
            "Authority",
            secret_name=names.authority,
            parameter=names.authority_public,
            package=self.packages.authority,
            log_group=names.logs("authority"),
        )
        people = [
            parameter_of_others(stack, f"People{part}", path, "Who may enter the clusters, a part")
            for part, path in enumerate(names.people_parts)
        ]
        for cluster in self.environment.clusters:
            self._cluster(stack, cluster.name, provider, people)
        CfnOutput(
            stack, "ClusterNames", value=", ".join(names.cluster(cluster.name) for cluster in self.environment.clusters)
        )
        CfnOutput(stack, "Secrets", value=f"{names.secrets}/", description="What the names of all secrets begin with")

    def _cluster(self, stack: ZonalStack, name: str, provider: Provider, people: list[Any]) -> None:
        cluster, names, groups = self.environment.cluster(name), self.names, self.groups.clusters[name]
        munge = munge_key(stack, f"Munge-{name}", cluster=name, secret_name=names.munge(name))
        host_key = parameter_of_others(stack, f"HostKey-{name}", names.host_key(name), f"Public host key of {name}")
        content = plain_parameter(
            stack,
            f"Content-{name}",
            names.content(name),
            f"{self.content.s3_object_url} {self.environment.storage.scratch[name].path}",
            f"Set-up of the nodes of {name}, and where their scratch file system is",
        )
        readable = [self.loader, self.content]
        rights = NodeRights(
            stack,
            f"Rights-{name}",
            readable=readable,
            cluster=name,
            parameters=[names.people, *names.people_parts, names.authority_public, names.content(name)],
            host_key=names.host_key(name),
        )
        session_manager = f"arn:{stack.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
        scratch = self.scratch[name].volume
        account = names.accounting_database(name)
        configuration = cluster_configuration(
            region=self.environment.region,
            instance_type=cluster.instance_type,
            queues=cluster.queues,
            default_queue=cluster.default_queue.name,
            subnet=self.network.subnet("cluster", cluster.zone).subnet_id,
            head_group=groups.head.security_group_id,
            nodes_group=groups.nodes.security_group_id,
            mounts=[
                Mount("shared", self.environment.storage.shared.path, "Efs", self.shared.file_system_id),
                Mount(
                    "scratch",
                    self.environment.storage.scratch[name].path,
                    scratch.storage_type,
                    scratch.resource_id,
                ),
            ],
            accounting=Accounting(
                self.database.host, named.DATABASE_PORT, account, self.accounts.secrets[account].secret_arn
            ),
            munge_secret=munge.secret_arn,
            set_up=SetUp(self.loader.s3_object_url, (names.environment, name), self.content.asset_hash),
            head_policies=[
                session_manager,
                rights.nodes.managed_policy_arn,
                rights.head.managed_policy_arn,
            ],
            node_policies=[session_manager, rights.nodes.managed_policy_arn],
            key_pair=self.environment.aws.key_pair,
            overrides=self.environment.parallelcluster,
        )
        Cluster(
            stack,
            f"Cluster-{name}",
            cluster_name=names.cluster(name),
            provider=provider,
            configuration=configuration,
            address_parameter=names.address(name),
            needs=[self.authority, munge, host_key, content, rights, *people],
        )

    def portal(self) -> None:
        """The portal nodes, what they are told, and who hears when something is wrong."""
        stack, names, environment = self.stack("Portal"), self.names, self.environment
        wheels = assets.Asset(stack, "Wheelhouse", path=str(self.packages.portal))
        file = assets.Asset(stack, "EnvironmentFile", path=str(self.file))
        django = DjangoKey(stack, "Django", secret_name=names.django)
        database = self.accounts.secrets[names.portal_database]
        administrator = AdministratorPassword(
            stack,
            "Administrator",
            given=environment.administrator.password_secret,
            secret_name=names.administrator,
        )
        log_group = names.logs("portal")
        parameter = plain_parameter(
            stack,
            "Settings",
            names.portal,
            stack.to_json_string(
                {
                    "public_url": self.public_url,
                    "balancer_networks": _networks(self.network.subnets("public")),
                    "portal_networks": _networks(self.network.subnets("portal")),
                    "database": {
                        "host": self.database.host,
                        "port": named.DATABASE_PORT,
                        "name": names.portal_database,
                        "user": names.portal_database,
                    },
                    "environment": {"bucket": file.s3_bucket_name, "key": file.s3_object_key},
                    "clusters": [cluster.name for cluster in environment.clusters],
                    "secrets": {
                        "authority": self.authority.secret.secret_arn,
                        "django": django.arn,
                        "database": database.secret_arn,
                        "administrator": administrator.reference,
                    },
                    "log_group": log_group,
                }
            ),
            "What a portal node is told",
        )
        nodes = PortalNodes(
            stack,
            "Nodes",
            vpc=self.network.vpc,
            subnets=self.network.subnets("portal"),
            security_group=self.groups.portal,
            target_groups=[self.balancer.web, self.balancer.streams],
            instance_type=environment.portal.instance_type,
            disk_gib=environment.portal.disk_gib,
            boot_script=read_script(self.packages.boot),
            boot_variables={
                "TANDEM_PARAMETER": names.portal,
                "TANDEM_REGION": environment.region,
                "TANDEM_STACK": stack.stack_name,
                "TANDEM_WHEELHOUSE": wheels.s3_object_url,
            },
            read_parameters=[
                names.portal,
                names.people,
                *names.people_parts,
                *(names.host_key(cluster.name) for cluster in environment.clusters),
                *(names.address(cluster.name) for cluster in environment.clusters),
            ],
            written_parameters=names.people_parts,
            readable=[wheels, file],
            secrets=[
                self.authority.secret.secret_arn,
                django.arn,
                database.secret_arn,
                administrator.policy_resource,
            ],
            log_group=log_group,
        )
        nodes.node.add_dependency(parameter)
        alarms = Alarms(stack, "Alarms", email=environment.aws.alarm_email)
        alarms.watch_nodes(nodes, len(environment.zones))
        alarms.watch_balancer(self.balancer.balancer, [self.balancer.web, self.balancer.streams])
        alarms.watch_database(self.database.cluster)
        alarms.route(certificate_alarm(stack, self.certificate_arn))
        CfnOutput(stack, "AdministratorSecret", value=administrator.reference)


def _networks(subnets: list[ec2.ISubnet]) -> list[str]:
    return [subnet.ipv4_cidr_block for subnet in subnets]


def compose(environment: Environment, file: Path, packages: Packages, *, outdir: Path | None = None) -> App:
    """An app with all stacks of the environment."""
    app = App(outdir=str(outdir) if outdir else None)
    # What another stack uses cannot be taken out from under it.
    CrossStackReferences.of(app).consume(ReferenceStrength.STRONG)
    Composition(app, environment, file, packages)
    return app


def main() -> None:
    """Write the templates to where the CDK's command line wants them."""
    file = Path(os.environ.get("TANDEM_FILE", "tandem.yaml"))
    try:
        environment = load_environment(file)
        require_suitable(environment)
        compose(environment, file, gather_packages(environment)).synth()
    except (EnvironmentFileError, NotForAws, NotGathered) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
