"""The network of an environment: subnets in each zone, and every security group.

All security groups are here, with their rules between each other: rules in the stacks that use the groups would make
stacks need each other in a circle. A rule names the group that may come in, never a range of the network's addresses.
"""

from collections.abc import Iterable, Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from tandem.aws.findings import accept

NFS = 2049
# Lustre's own port, and those that its clients use between each other.
LUSTRE = (ec2.Port.tcp(988), ec2.Port.tcp_range(1018, 1023))


class Network(Construct):
    """A VPC over the environment's zones.

    - public: the load balancer and the NAT gateways
    - portal: the portal nodes alone, so that their addresses are known by their subnets
    - cluster: head nodes, compute nodes and file systems
    - database: without a way out
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        cidr: str,
        zones: Sequence[str],
        nat_in_each_zone: bool,
        log_group: str,
    ) -> None:
        super().__init__(scope, name)
        prefix = int(cidr.partition("/")[2])

        def subnets(kind: str, subnet_type: ec2.SubnetType, longer: int) -> ec2.SubnetConfiguration:
            return ec2.SubnetConfiguration(
                name=kind, subnet_type=subnet_type, cidr_mask=prefix + longer, map_public_ip_on_launch=False
            )

        private = ec2.SubnetType.PRIVATE_WITH_EGRESS
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            max_azs=len(zones),
            nat_gateways=len(zones) if nat_in_each_zone else 1,
            # The largest first: an address range begins at a multiple of its size.
            subnet_configuration=[
                ec2.SubnetConfiguration(name="cluster", subnet_type=private, cidr_mask=prefix + 3),
                subnets("public", ec2.SubnetType.PUBLIC, 7),
                ec2.SubnetConfiguration(name="portal", subnet_type=private, cidr_mask=prefix + 8),
                ec2.SubnetConfiguration(
                    name="database", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=prefix + 8
                ),
            ],
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        )
        group = logs.LogGroup(
            self,
            "FlowLogs",
            log_group_name=log_group,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group))

    def subnets(self, kind: str) -> list[ec2.ISubnet]:
        """The subnets of a kind, in the order of the zones."""
        return self.vpc.select_subnets(subnet_group_name=kind).subnets

    def subnet(self, kind: str, zone: str) -> ec2.ISubnet:
        """The subnet of a kind in `zone`. Raises KeyError."""
        return {subnet.availability_zone: subnet for subnet in self.subnets(kind)}[zone]


class ClusterGroups(Construct):
    """The security groups of one cluster and of its scratch file system."""

    def __init__(self, scope: Construct, name: str, *, vpc: ec2.IVpc, scratch: str) -> None:
        super().__init__(scope, name)
        self.head = ec2.SecurityGroup(self, "Head", vpc=vpc, description=f"Head node of {name}")
        self.nodes = ec2.SecurityGroup(self, "Nodes", vpc=vpc, description=f"Compute nodes of {name}")
        self.scratch = ec2.SecurityGroup(
            self, "Scratch", vpc=vpc, description=f"Scratch file system of {name}", allow_all_outbound=False
        )
        members = (self.head, self.nodes)
        match scratch:
            case "lustre":
                for port in LUSTRE:
                    for member in (*members, self.scratch):
                        self.scratch.add_ingress_rule(member, port, "Lustre")
                    # The file system calls its clients back.
                    for member in members:
                        member.add_ingress_rule(self.scratch, port, "Lustre")
                        self.scratch.add_egress_rule(member, port, "Lustre")
                    self.scratch.add_egress_rule(self.scratch, port, "Lustre")
            case "efs":
                for member in members:
                    let_mount(member, self.scratch)
            case "ebs":
                pass


def let_mount(member: ec2.SecurityGroup, file_system: ec2.SecurityGroup) -> None:
    """Let members mount it. ParallelCluster wants to see a rule for either direction before it makes a cluster."""
    file_system.add_ingress_rule(member, ec2.Port.tcp(NFS), "NFS")
    file_system.add_egress_rule(member, ec2.Port.tcp(NFS), "NFS")


class Groups(Construct):
    """Every security group of the environment, and who may reach whom."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        vpc: ec2.IVpc,
        allowed_cidrs: Iterable[str],
        clusters: dict[str, str],
        database_port: int,
        portal_ports: Sequence[int],
    ) -> None:
        super().__init__(scope, name)
        self.balancer = self._closed("Balancer", vpc, "Load balancer of the portal")
        self.portal = ec2.SecurityGroup(self, "Portal", vpc=vpc, description="Portal nodes")
        self.database = self._closed("Database", vpc, "Database")
        self.database_users = ec2.SecurityGroup(self, "DatabaseUsers", vpc=vpc, description="Makes database accounts")
        self.shared = self._closed("Shared", vpc, "The file system that all clusters share")
        self.clusters = {
            cluster: ClusterGroups(self, f"Cluster-{cluster}", vpc=vpc, scratch=scratch)
            for cluster, scratch in clusters.items()
        }

        for cidr in allowed_cidrs:
            for port in (443, 80):
                self.balancer.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(port), "People")
            if cidr == "0.0.0.0/0":
                reason = "The operator lets the whole world reach the portal: allowed_cidrs says so."
                accept(self.balancer, {"AwsSolutions-EC23": reason})
        for number in portal_ports:
            self.balancer.add_egress_rule(self.portal, ec2.Port.tcp(number), "Portal nodes")
            self.portal.add_ingress_rule(self.balancer, ec2.Port.tcp(number), "Load balancer")
        for client in (self.portal, self.database_users, *(cluster.head for cluster in self.clusters.values())):
            self.database.add_ingress_rule(client, ec2.Port.tcp(database_port), "SQL")
        for cluster in self.clusters.values():
            cluster.head.add_ingress_rule(self.portal, ec2.Port.tcp(22), "The door")
            for member in (cluster.head, cluster.nodes):
                let_mount(member, self.shared)

    def _closed(self, name: str, vpc: ec2.IVpc, description: str) -> ec2.SecurityGroup:
        """A group whose members open no connections but those that rules name."""
        return ec2.SecurityGroup(self, name, vpc=vpc, description=description, allow_all_outbound=False)
