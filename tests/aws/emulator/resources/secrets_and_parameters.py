"""Secrets Manager and Parameter Store."""

import json

from tests.aws.emulator.kinds import Kind, Properties, lower, tagging


class Secret(Kind):
    type = "AWS::SecretsManager::Secret"
    replaced_by = frozenset({"Name"})

    def create(self, properties: Properties) -> None:
        client = self.client("secretsmanager")
        value = properties.get("SecretString")
        if (wanted := properties.get("GenerateSecretString")) is not None:
            value = self._generated(wanted)
        given = {"SecretString": value} if value is not None else {}
        answer = client.create_secret(
            Name=properties.get("Name") or self.name(),
            **lower(properties, "Description", "KmsKeyId"),
            **given,
            **tagging(properties),
        )
        self.id = answer["ARN"]
        self.attributes = {"Id": self.id}

    def _generated(self, wanted: Properties) -> str:
        options = {
            key: (int(value) if key == "PasswordLength" else value if key == "ExcludeCharacters" else bool(value))
            for key, value in wanted.items()
            if key not in ("SecretStringTemplate", "GenerateStringKey")
        }
        password: str = self.client("secretsmanager").get_random_password(**options)["RandomPassword"]
        if template := wanted.get("SecretStringTemplate"):
            return json.dumps({**json.loads(template), wanted["GenerateStringKey"]: password})
        return password

    def update(self, properties: Properties, before: Properties) -> None:
        if properties.get("GenerateSecretString") != before.get("GenerateSecretString"):
            super().update(properties, before)
        self.client("secretsmanager").update_secret(SecretId=self.id, **lower(properties, "Description"))

    def delete(self) -> None:
        # CloudFormation leaves no time to recover it.
        self.client("secretsmanager").delete_secret(SecretId=self.id, ForceDeleteWithoutRecovery=True)


class SecretAttachment(Kind):
    type = "AWS::SecretsManager::SecretTargetAttachment"

    def create(self, properties: Properties) -> None:
        client = self.client("secretsmanager")
        cluster = self.client("rds").describe_db_clusters(DBClusterIdentifier=properties["TargetId"])["DBClusters"][0]
        value = json.loads(client.get_secret_value(SecretId=properties["SecretId"])["SecretString"])
        value |= {
            "engine": "mysql",
            "host": cluster["Endpoint"],
            "port": cluster["Port"],
            "dbClusterIdentifier": cluster["DBClusterIdentifier"],
        }
        client.put_secret_value(SecretId=properties["SecretId"], SecretString=json.dumps(value))
        self.id = properties["SecretId"]
        self.attributes = {"Id": self.id}

    def delete(self) -> None:
        """The secret goes on holding what it holds."""


class SecretPolicy(Kind):
    type = "AWS::SecretsManager::ResourcePolicy"

    def create(self, properties: Properties) -> None:
        self.id = properties["SecretId"]
        policy = json.dumps(properties["ResourcePolicy"])
        self.client("secretsmanager").put_resource_policy(SecretId=self.id, ResourcePolicy=policy)

    def delete(self) -> None:
        self.client("secretsmanager").delete_resource_policy(SecretId=self.id)


class Parameter(Kind):
    type = "AWS::SSM::Parameter"
    replaced_by = frozenset({"Name"})

    def create(self, properties: Properties) -> None:
        self.id = properties.get("Name") or self.name()
        self._put(properties, overwrite=False)
        self.attributes = {"Value": properties["Value"], "Type": properties["Type"]}

    def _put(self, properties: Properties, *, overwrite: bool) -> None:
        self.client("ssm").put_parameter(
            Name=self.id, Overwrite=overwrite, **lower(properties, "Value", "Type", "Description", "Tier")
        )

    def update(self, properties: Properties, before: Properties) -> None:
        self._put(properties, overwrite=True)
        self.attributes["Value"] = properties["Value"]

    def delete(self) -> None:
        self.client("ssm").delete_parameter(Name=self.id)
