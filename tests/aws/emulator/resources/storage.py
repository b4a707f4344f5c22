"""File systems and disks."""

import json
import secrets
from typing import Any

from tests.aws.emulator.kinds import Kind, Properties, lower, tagging, truth


class SharedFileSystem(Kind):
    type = "AWS::EFS::FileSystem"
    replaced_by = frozenset({"Encrypted", "PerformanceMode"})

    def create(self, properties: Properties) -> None:
        efs = self.client("efs")
        wanted = lower(properties, "PerformanceMode", "ThroughputMode", "KmsKeyId", "AvailabilityZoneName")
        answer = efs.create_file_system(
            CreationToken=self.name(64),
            Encrypted=truth(properties.get("Encrypted", False)),
            Backup=properties.get("BackupPolicy", {}).get("Status") == "ENABLED",
            Tags=[{"Key": tag["Key"], "Value": tag["Value"]} for tag in properties.get("FileSystemTags", [])],
            **wanted,
        )
        self.id = answer["FileSystemId"]
        self.attributes = {"FileSystemId": self.id, "Arn": answer["FileSystemArn"]}
        if policies := properties.get("LifecyclePolicies"):
            efs.put_lifecycle_configuration(FileSystemId=self.id, LifecyclePolicies=policies)
        if policy := properties.get("FileSystemPolicy"):
            efs.put_file_system_policy(FileSystemId=self.id, Policy=json.dumps(policy))

    def delete(self) -> None:
        self.client("efs").delete_file_system(FileSystemId=self.id)


class MountTarget(Kind):
    type = "AWS::EFS::MountTarget"

    def create(self, properties: Properties) -> None:
        answer = self.client("efs").create_mount_target(
            **lower(properties, "FileSystemId", "SubnetId", "SecurityGroups")
        )
        self.id = answer["MountTargetId"]
        self.attributes = {"Id": self.id, "IpAddress": answer["IpAddress"]}

    def delete(self) -> None:
        self.client("efs").delete_mount_target(MountTargetId=self.id)


class AccessPoint(Kind):
    type = "AWS::EFS::AccessPoint"

    def create(self, properties: Properties) -> None:
        answer = self.client("efs").create_access_point(
            ClientToken=self.name(64), **lower(properties, "FileSystemId", "PosixUser", "RootDirectory")
        )
        self.id = answer["AccessPointId"]
        self.attributes = {"AccessPointId": self.id, "Arn": answer["AccessPointArn"]}

    def delete(self) -> None:
        self.client("efs").delete_access_point(AccessPointId=self.id)


class Lustre(Kind):
    type = "AWS::FSx::FileSystem"
    replaced_by = frozenset({"FileSystemType", "StorageType", "SubnetIds", "SecurityGroupIds"})

    def create(self, properties: Properties) -> None:
        numbers = {"PerUnitStorageThroughput", "AutomaticBackupRetentionDays"}
        settings = {
            key: int(value) if key in numbers else value
            for key, value in properties.get("LustreConfiguration", {}).items()
        }
        names = ("FileSystemType", "StorageType", "SubnetIds", "SecurityGroupIds", "FileSystemTypeVersion")
        answer = self.client("fsx").create_file_system(
            **lower(properties, *names),
            StorageCapacity=int(properties["StorageCapacity"]),
            **tagging(properties),
            LustreConfiguration=settings,
        )["FileSystem"]
        self.id = answer["FileSystemId"]
        self.attributes = {
            "DNSName": answer.get("DNSName"),
            "LustreMountName": answer.get("LustreConfiguration", {}).get("MountName") or secrets.token_hex(4),
            "ResourceARN": answer["ResourceARN"],
        }

    def delete(self) -> None:
        self.client("fsx").delete_file_system(FileSystemId=self.id)


class Disk(Kind):
    type = "AWS::EC2::Volume"

    def create(self, properties: Properties) -> None:
        wanted: dict[str, Any] = lower(properties, "AvailabilityZone", "VolumeType")
        for number in ("Size", "Iops", "Throughput"):
            if number in properties:
                wanted[number] = int(properties[number])
        answer = self.client("ec2").create_volume(Encrypted=truth(properties.get("Encrypted", False)), **wanted)
        self.id = answer["VolumeId"]
        self.attributes = {"VolumeId": self.id}

    def delete(self) -> None:
        self.client("ec2").delete_volume(VolumeId=self.id)


class Bucket(Kind):
    type = "AWS::S3::Bucket"

    def create(self, properties: Properties) -> None:
        s3 = self.client("s3")
        self.id = properties.get("BucketName") or self.name(63).lower()
        region = self.context.region
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=self.id, **place)
        if properties.get("VersioningConfiguration", {}).get("Status") == "Enabled":
            s3.put_bucket_versioning(Bucket=self.id, VersioningConfiguration={"Status": "Enabled"})
        domain = f"{self.id}.s3.{region}.amazonaws.com"
        self.attributes = {
            "Arn": f"arn:aws:s3:::{self.id}",
            "DomainName": f"{self.id}.s3.amazonaws.com",
            "RegionalDomainName": domain,
        }

    def delete(self) -> None:
        # As AWS does, refuses while something is in it.
        self.client("s3").delete_bucket(Bucket=self.id)


class BucketPolicy(Kind):
    type = "AWS::S3::BucketPolicy"

    def create(self, properties: Properties) -> None:
        self.id = properties["Bucket"]
        self.client("s3").put_bucket_policy(Bucket=self.id, Policy=json.dumps(properties["PolicyDocument"]))

    def update(self, properties: Properties, before: Properties) -> None:
        self.create(properties)

    def delete(self) -> None:
        self.client("s3").delete_bucket_policy(Bucket=self.id)
