"""Aurora."""

from tests.aws.emulator.kinds import Kind, Properties, lower, tagging, truth


class SubnetGroup(Kind):
    type = "AWS::RDS::DBSubnetGroup"

    def create(self, properties: Properties) -> None:
        self.id = (properties.get("DBSubnetGroupName") or self.name()).lower()
        self.client("rds").create_db_subnet_group(
            DBSubnetGroupName=self.id,
            DBSubnetGroupDescription=properties["DBSubnetGroupDescription"],
            SubnetIds=properties["SubnetIds"],
            **tagging(properties),
        )

    def delete(self) -> None:
        self.client("rds").delete_db_subnet_group(DBSubnetGroupName=self.id)


class ClusterParameters(Kind):
    type = "AWS::RDS::DBClusterParameterGroup"

    def create(self, properties: Properties) -> None:
        self.id = (properties.get("DBClusterParameterGroupName") or self.name()).lower()
        rds = self.client("rds")
        rds.create_db_cluster_parameter_group(
            DBClusterParameterGroupName=self.id,
            DBParameterGroupFamily=properties["Family"],
            Description=properties["Description"],
        )

    def delete(self) -> None:
        self.client("rds").delete_db_cluster_parameter_group(DBClusterParameterGroupName=self.id)


class Cluster(Kind):
    type = "AWS::RDS::DBCluster"
    replaced_by = frozenset({"Engine", "StorageEncrypted", "DBSubnetGroupName", "DatabaseName"})

    def create(self, properties: Properties) -> None:
        names = (
            *("Engine", "EngineVersion", "MasterUsername", "MasterUserPassword", "DatabaseName", "DBSubnetGroupName"),
            *("VpcSecurityGroupIds", "DBClusterParameterGroupName", "EnableCloudwatchLogsExports", "KmsKeyId"),
        )
        scaling = properties.get("ServerlessV2ScalingConfiguration", {})
        answer = self.client("rds").create_db_cluster(
            **lower(properties, *names),
            DBClusterIdentifier=(properties.get("DBClusterIdentifier") or self.name(60)).lower(),
            Port=int(properties.get("Port", 3306)),
            StorageEncrypted=truth(properties.get("StorageEncrypted", False)),
            DeletionProtection=truth(properties.get("DeletionProtection", False)),
            **tagging(properties),
            **({"ServerlessV2ScalingConfiguration": {k: float(v) for k, v in scaling.items()}} if scaling else {}),
        )["DBCluster"]
        self.id = answer["DBClusterIdentifier"]
        self.attributes = {
            "Endpoint.Address": answer["Endpoint"],
            "Endpoint.Port": str(answer["Port"]),
            "ReadEndpoint.Address": answer.get("ReaderEndpoint"),
            "DBClusterArn": answer["DBClusterArn"],
            "DBClusterResourceId": answer["DbClusterResourceId"],
        }

    def update(self, properties: Properties, before: Properties) -> None:
        changed = {key for key in {*properties, *before} if properties.get(key) != before.get(key)}
        if changed != {"ServerlessV2ScalingConfiguration"}:
            super().update(properties, before)
        scaling = {key: float(value) for key, value in properties["ServerlessV2ScalingConfiguration"].items()}
        self.client("rds").modify_db_cluster(DBClusterIdentifier=self.id, ServerlessV2ScalingConfiguration=scaling)

    def delete(self) -> None:
        self.client("rds").delete_db_cluster(DBClusterIdentifier=self.id, SkipFinalSnapshot=True)


class Instance(Kind):
    type = "AWS::RDS::DBInstance"
    replaced_by = frozenset({"AvailabilityZone", "DBClusterIdentifier", "Engine"})

    def create(self, properties: Properties) -> None:
        names = ("DBInstanceClass", "Engine", "DBClusterIdentifier", "AvailabilityZone", "DBParameterGroupName")
        tier = {"PromotionTier": int(properties["PromotionTier"])} if "PromotionTier" in properties else {}
        answer = self.client("rds").create_db_instance(
            **lower(properties, *names),
            **tier,
            DBInstanceIdentifier=(properties.get("DBInstanceIdentifier") or self.name(60)).lower(),
            PubliclyAccessible=truth(properties.get("PubliclyAccessible", False)),
            **tagging(properties),
        )["DBInstance"]
        self.id = answer["DBInstanceIdentifier"]
        endpoint = answer.get("Endpoint") or {}
        self.attributes = {
            "Endpoint.Address": endpoint.get("Address"),
            "Endpoint.Port": str(endpoint.get("Port", 3306)),
            "DBInstanceArn": answer["DBInstanceArn"],
        }

    def delete(self) -> None:
        self.client("rds").delete_db_instance(DBInstanceIdentifier=self.id, SkipFinalSnapshot=True)
