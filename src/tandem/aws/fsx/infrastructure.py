"""The clusters' scratch file systems: each in its cluster's zone, for its cluster alone."""

from dataclasses import dataclass

from aws_cdk import RemovalPolicy, Size
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_fsx as fsx
from constructs import Construct

from tandem.aws.efs.infrastructure import mounted_with_tls


@dataclass(frozen=True)
class ScratchVolume:
    """What a cluster mounts: ParallelCluster's storage type, and the id of the thing."""

    storage_type: str
    resource_id: str


class Scratch(Construct):
    """The scratch file system of one cluster, of the kind that the environment file asks for."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        vpc: ec2.IVpc,
        subnet: ec2.ISubnet,
        security_group: ec2.ISecurityGroup,
        file_system: str,
        persistent: bool,
        size_gib: int,
    ) -> None:
        super().__init__(scope, name)
        match file_system:
            case "lustre":
                self.volume = ScratchVolume("FsxLustre", self._lustre(subnet, security_group, persistent, size_gib))
            case "efs":
                self.volume = ScratchVolume("Efs", self._efs(vpc, subnet, security_group))
            case _:
                self.volume = ScratchVolume("Ebs", self._disk(subnet, size_gib))

    def _lustre(self, subnet: ec2.ISubnet, group: ec2.ISecurityGroup, persistent: bool, size_gib: int) -> str:
        file_system = fsx.CfnFileSystem(
            self,
            "Lustre",
            file_system_type="LUSTRE",
            file_system_type_version="2.15",
            storage_type="SSD",
            storage_capacity=size_gib,
            subnet_ids=[subnet.subnet_id],
            security_group_ids=[group.security_group_id],
            lustre_configuration=fsx.CfnFileSystem.LustreConfigurationProperty(
                deployment_type="PERSISTENT_2" if persistent else "SCRATCH_2",
                data_compression_type="LZ4",
                # Megabytes a second for each TiB: the least that there is. Backups would outlive the environment.
                per_unit_storage_throughput=125 if persistent else None,
                automatic_backup_retention_days=0 if persistent else None,
            ),
        )
        return file_system.ref

    def _efs(self, vpc: ec2.IVpc, subnet: ec2.ISubnet, group: ec2.ISecurityGroup) -> str:
        return efs.FileSystem(
            self,
            "Efs",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=[subnet]),
            security_group=group,
            encrypted=True,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            enable_automatic_backups=False,
            file_system_policy=mounted_with_tls(),
            removal_policy=RemovalPolicy.DESTROY,
        ).file_system_id

    def _disk(self, subnet: ec2.ISubnet, size_gib: int) -> str:
        return ec2.Volume(
            self,
            "Disk",
            availability_zone=subnet.availability_zone,
            size=Size.gibibytes(size_gib),
            volume_type=ec2.EbsDeviceVolumeType.GP3,
            encrypted=True,
            removal_policy=RemovalPolicy.DESTROY,
        ).volume_id
