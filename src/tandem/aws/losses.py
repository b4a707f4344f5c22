"""What destroying an environment takes away, what AWS keeps by design, and what is left although it should not be."""

from collections.abc import Iterator
from typing import Any

from tandem.aws.account import AWS_ERRORS
from tandem.aws.deploying import Deployment
from tandem.aws.stacks import read_template
from tandem.environment import Environment

GIB = 2**30


def losses(environment: Environment, deployment: Deployment) -> Iterator[str]:
    """In the order in which people would mind."""
    yield f"/efs{_stored(deployment)}: homes, applications and spoolers of everybody"
    for name, scratch in environment.storage.scratch.items():
        yield f"{scratch.path}, the scratch file system of {name}"
    running = _running(environment, deployment)
    yield f"{len(environment.clusters)} clusters with {running} and every job on them"
    database = "the database: people, jobs and their history, the accounting of every cluster"
    yield database + (" (a last snapshot stays, see below)" if environment.database.snapshot_on_deletion else "")
    yield "the SSH authority's key and the clusters' host keys: they are made anew next time"


def _stored(deployment: Deployment) -> str:
    """How much is on the shared file system, if that can be asked."""
    try:
        for stack in deployment.stacks():
            if stack.stack == "EFS" and stack.there:
                for resource in _resources(deployment, stack.name):
                    if resource["ResourceType"] == "AWS::EFS::FileSystem":
                        efs = deployment.account.client("efs")
                        wanted = resource["PhysicalResourceId"]
                        found = efs.describe_file_systems(FileSystemId=wanted)["FileSystems"][0]
                        return f" ({found['SizeInBytes']['Value'] / GIB:.1f} GiB)"
    except AWS_ERRORS:
        pass
    return ""


def _running(environment: Environment, deployment: Deployment) -> str:
    names = [deployment.names.cluster(cluster.name) for cluster in environment.clusters]
    try:
        pages = (
            deployment.account.client("ec2")
            .get_paginator("describe_instances")
            .paginate(
                Filters=[
                    {"Name": "tag:parallelcluster:cluster-name", "Values": names},
                    {"Name": "instance-state-name", "Values": ["pending", "running"]},
                ]
            )
        )
        count = sum(len(found["Instances"]) for page in pages for found in page["Reservations"])
    except AWS_ERRORS:
        return "their nodes"
    return f"{count} running nodes"


def _resources(deployment: Deployment, stack: str) -> list[dict[str, Any]]:
    pages = deployment.account.client("cloudformation").get_paginator("list_stack_resources")
    return [resource for page in pages.paginate(StackName=stack) for resource in page["StackResourceSummaries"]]


def kept(environment: Environment, deployment: Deployment) -> Iterator[str]:
    """What outlives the environment: what its templates say is kept, and what ParallelCluster and the CDK share."""
    for stack in deployment.stacks():
        template = read_template(deployment.account, stack)
        names = {name for name, resource in template.get("Resources", {}).items() if _stays(resource)}
        if names:
            for resource in _resources(deployment, stack.name):
                if resource["LogicalResourceId"] in names:
                    how = template["Resources"][resource["LogicalResourceId"]]["DeletionPolicy"]
                    what = "a last snapshot of " if how == "Snapshot" else ""
                    yield f"{what}{resource['ResourceType']} {resource['PhysicalResourceId']} ({stack.stack})"
    if environment.storage.shared.backups:
        yield "the copies of /efs in the AWS Backup vault, for 35 days each"
    yield "ParallelCluster's bucket of this region (parallelcluster-…-do-not-delete), which all clusters here share"
    yield "the log group of ParallelCluster's provider (/aws/lambda/pcluster-…)"
    yield "what `cdk bootstrap` made (the stack CDKToolkit), which all CDK apps here share"


def _stays(resource: dict[str, Any]) -> bool:
    return resource.get("DeletionPolicy") in ("Retain", "Snapshot", "RetainExceptOnCreate")


def remains(deployment: Deployment) -> Iterator[str]:
    """What still has the environment's name: stacks, log groups, parameters, secrets."""
    account, names = deployment.account, deployment.names
    for stack in deployment.stacks():
        if stack.there:
            yield f"stack {stack.name} ({stack.status})"
    groups = account.client("logs").get_paginator("describe_log_groups")
    for page in groups.paginate(logGroupNamePrefix=f"{names.parameters}/"):
        for group in page["logGroups"]:
            yield f"log group {group['logGroupName']}"
    parameters = account.client("ssm").get_paginator("describe_parameters")
    wanted = [{"Key": "Name", "Option": "BeginsWith", "Values": [f"{names.parameters}/"]}]
    for page in parameters.paginate(ParameterFilters=wanted):
        for parameter in page["Parameters"]:
            yield f"parameter {parameter['Name']}"
    secrets = account.client("secretsmanager").get_paginator("list_secrets")
    for page in secrets.paginate(Filters=[{"Key": "name", "Values": [f"{names.secrets}/"]}]):
        for secret in page["SecretList"]:
            yield f"secret {secret['Name']}"
