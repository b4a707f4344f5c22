"""IAM: moto checks policy documents, and allows everything to everybody."""

import json

from tests.aws.emulator.kinds import Kind, Properties, lower


class Role(Kind):
    type = "AWS::IAM::Role"
    replaced_by = frozenset({"RoleName", "Path"})

    def create(self, properties: Properties) -> None:
        iam = self.client("iam")
        self.id = properties.get("RoleName") or self.name(64)
        answer = iam.create_role(
            RoleName=self.id,
            AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]),
            **lower(properties, "Path", "Description", "PermissionsBoundary"),
        )["Role"]
        self.attributes = {"Arn": answer["Arn"], "RoleId": answer["RoleId"]}
        self._put_policies(properties)
        for arn in properties.get("ManagedPolicyArns", []):
            iam.attach_role_policy(RoleName=self.id, PolicyArn=arn)

    def _put_policies(self, properties: Properties) -> None:
        for policy in properties.get("Policies", []):
            document = json.dumps(policy["PolicyDocument"])
            self.client("iam").put_role_policy(
                RoleName=self.id, PolicyName=policy["PolicyName"], PolicyDocument=document
            )

    def update(self, properties: Properties, before: Properties) -> None:
        names = {policy["PolicyName"] for policy in properties.get("Policies", [])}
        if {**properties, "Policies": names} != {
            **before,
            "Policies": {one["PolicyName"] for one in before.get("Policies", [])},
        }:
            super().update(properties, before)
        self._put_policies(properties)

    def delete(self) -> None:
        iam = self.client("iam")
        for policy in self.properties.get("Policies", []):
            iam.delete_role_policy(RoleName=self.id, PolicyName=policy["PolicyName"])
        for arn in self.properties.get("ManagedPolicyArns", []):
            iam.detach_role_policy(RoleName=self.id, PolicyArn=arn)
        iam.delete_role(RoleName=self.id)


class Policy(Kind):
    type = "AWS::IAM::Policy"

    def create(self, properties: Properties) -> None:
        self.id = self.name(128)
        self._put(properties)

    def _put(self, properties: Properties) -> None:
        document = json.dumps(properties["PolicyDocument"])
        for role in properties.get("Roles", []):
            self.client("iam").put_role_policy(
                RoleName=role, PolicyName=properties["PolicyName"], PolicyDocument=document
            )

    def update(self, properties: Properties, before: Properties) -> None:
        if {**properties, "PolicyDocument": None} != {**before, "PolicyDocument": None}:
            super().update(properties, before)
        self._put(properties)

    def delete(self) -> None:
        for role in self.properties.get("Roles", []):
            self.client("iam").delete_role_policy(RoleName=role, PolicyName=self.properties["PolicyName"])


class ManagedPolicy(Kind):
    type = "AWS::IAM::ManagedPolicy"

    def create(self, properties: Properties) -> None:
        iam = self.client("iam")
        answer = iam.create_policy(
            PolicyName=properties.get("ManagedPolicyName") or self.name(),
            PolicyDocument=json.dumps(properties["PolicyDocument"]),
            **lower(properties, "Path", "Description"),
        )["Policy"]
        self.id = answer["Arn"]
        self.attributes = {"PolicyArn": self.id}
        for role in properties.get("Roles", []):
            iam.attach_role_policy(RoleName=role, PolicyArn=self.id)

    def delete(self) -> None:
        iam = self.client("iam")
        for role in self.properties.get("Roles", []):
            iam.detach_role_policy(RoleName=role, PolicyArn=self.id)
        iam.delete_policy(PolicyArn=self.id)


class InstanceProfile(Kind):
    type = "AWS::IAM::InstanceProfile"

    def create(self, properties: Properties) -> None:
        iam = self.client("iam")
        self.id = properties.get("InstanceProfileName") or self.name()
        answer = iam.create_instance_profile(InstanceProfileName=self.id, **lower(properties, "Path"))
        self.attributes = {"Arn": answer["InstanceProfile"]["Arn"]}
        for role in properties["Roles"]:
            iam.add_role_to_instance_profile(InstanceProfileName=self.id, RoleName=role)

    def delete(self) -> None:
        iam = self.client("iam")
        for role in self.properties["Roles"]:
            iam.remove_role_from_instance_profile(InstanceProfileName=self.id, RoleName=role)
        iam.delete_instance_profile(InstanceProfileName=self.id)
