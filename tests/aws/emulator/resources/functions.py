"""Lambda functions, custom resources, nested stacks, and what `cdk bootstrap` makes besides."""

import json

from tests.aws.emulator.kinds import Kind, Properties, lower


class Function(Kind):
    type = "AWS::Lambda::Function"
    replaced_by = frozenset({"FunctionName"})

    def create(self, properties: Properties) -> None:
        wanted = lower(
            properties, "Role", "Handler", "Runtime", "Code", "Description", "Environment", "Architectures", "Layers"
        )
        for number in ("Timeout", "MemorySize"):
            if number in properties:
                wanted[number] = int(properties[number])
        if "ZipFile" in wanted["Code"]:
            from tests.aws.emulator.functions import zipped

            wanted["Code"] = {"ZipFile": zipped(wanted["Code"]["ZipFile"])}
        if network := properties.get("VpcConfig"):
            wanted["VpcConfig"] = lower(network, "SubnetIds", "SecurityGroupIds")
        self.id = properties.get("FunctionName") or self.name(64)
        answer = self.client("lambda").create_function(FunctionName=self.id, **wanted)
        self.attributes = {"Arn": answer["FunctionArn"]}

    def update(self, properties: Properties, before: Properties) -> None:
        client = self.client("lambda")
        if properties["Code"] != before["Code"]:
            client.update_function_code(FunctionName=self.id, **properties["Code"])
        names = ("Role", "Handler", "Runtime", "Description", "Environment")
        client.update_function_configuration(FunctionName=self.id, **lower(properties, *names))

    def delete(self) -> None:
        self.client("lambda").delete_function(FunctionName=self.id)


class FunctionPermission(Kind):
    type = "AWS::Lambda::Permission"

    def create(self, properties: Properties) -> None:
        self.id = self.name(64)
        names = ("FunctionName", "Action", "Principal", "SourceArn", "SourceAccount")
        self.client("lambda").add_permission(StatementId=self.id, **lower(properties, *names))

    def delete(self) -> None:
        self.client("lambda").remove_permission(FunctionName=self.properties["FunctionName"], StatementId=self.id)


class NestedStack(Kind):
    type = "AWS::CloudFormation::Stack"

    def create(self, properties: Properties) -> None:
        cloudformation = self.client("cloudformation")
        given = [
            {"ParameterKey": key, "ParameterValue": str(value)}
            for key, value in properties.get("Parameters", {}).items()
        ]
        answer = cloudformation.create_stack(
            StackName=self.name(), TemplateURL=properties["TemplateURL"], Parameters=given
        )
        self.id = answer["StackId"]
        stack = cloudformation.describe_stacks(StackName=self.id)["Stacks"][0]
        if stack["StackStatus"] != "CREATE_COMPLETE":
            raise RuntimeError(f"Embedded stack {self.id} was not successfully created: {stack['StackStatus']}")
        self.attributes = {f"Outputs.{one['OutputKey']}": one["OutputValue"] for one in stack.get("Outputs", [])}

    def delete(self) -> None:
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=self.id)
        state = cloudformation.describe_stacks(StackName=self.id)["Stacks"][0]["StackStatus"]
        if state != "DELETE_COMPLETE":
            raise RuntimeError(f"Embedded stack {self.id} was not deleted: {state}")


class Repository(Kind):
    type = "AWS::ECR::Repository"

    def create(self, properties: Properties) -> None:
        self.id = properties["RepositoryName"]
        answer = self.client("ecr").create_repository(repositoryName=self.id)["repository"]
        self.attributes = {"Arn": answer["repositoryArn"], "RepositoryUri": answer["repositoryUri"]}
        if policy := properties.get("LifecyclePolicy"):
            text = policy["LifecyclePolicyText"]
            text = text if isinstance(text, str) else json.dumps(text)
            self.client("ecr").put_lifecycle_policy(repositoryName=self.id, lifecyclePolicyText=text)

    def delete(self) -> None:
        self.client("ecr").delete_repository(repositoryName=self.id, force=True)


class EmptiedBucket(Kind):
    """CDK's own function that empties a bucket before it goes. It is written for Node.js, and not run here."""

    type = "Custom::S3AutoDeleteObjects"

    def create(self, properties: Properties) -> None:
        self.id = properties["BucketName"]

    def delete(self) -> None:
        s3 = self.client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=self.id):
            for found in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=self.id, Key=found["Key"], VersionId=found["VersionId"])
