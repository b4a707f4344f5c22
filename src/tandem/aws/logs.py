"""Where it says more about what failed."""

from typing import Any
from urllib.parse import quote

from tandem.aws.account import AWS_ERRORS
from tandem.aws.deploying import Deployment
from tandem.aws.node_changes import CLUSTER_TYPE
from tandem.aws.stacks import Failure


def where_it_says_more(deployment: Deployment, failure: Failure) -> str:
    """The log of what failed first."""
    if failure.type == CLUSTER_TYPE:
        name = str(_properties(deployment, failure).get("ClusterName", failure.physical_id))
        return (
            f"the stack {name} in CloudFormation, the log groups /aws/parallelcluster/{name}-… and "
            "/aws/lambda/pcluster-…"
        )
    if failure.type.startswith("Custom::") or failure.type == "AWS::CloudFormation::CustomResource":
        return f"the log group {_log_group(deployment, failure)}"
    if failure.type == "AWS::AutoScaling::AutoScalingGroup":
        group = deployment.names.logs("portal")
        return f"the log group {group}; or on a portal node (Session Manager), /var/log/cloud-init-output.log"
    return f"the events of the stack in CloudFormation: {_console(deployment, failure)}"


def _console(deployment: Deployment, failure: Failure) -> str:
    region = deployment.account.region
    name = quote(deployment.names.stack(failure.stack))
    return f"https://{region}.console.aws.amazon.com/cloudformation/home?region={region}#/stacks?filteringText={name}"


def _properties(deployment: Deployment, failure: Failure) -> dict[str, Any]:
    resources = deployment.template(failure.stack).get("Resources", {})
    found: dict[str, Any] = resources.get(failure.resource, {}).get("Properties", {})
    return found


def _log_group(deployment: Deployment, failure: Failure) -> str:
    """Of the function behind a custom resource: as its template says, or as Lambda names it."""
    resources = deployment.template(failure.stack).get("Resources", {})
    token = _properties(deployment, failure).get("ServiceToken", {})
    name = token["Fn::GetAtt"][0] if isinstance(token, dict) and "Fn::GetAtt" in token else ""
    group = resources.get(name, {}).get("Properties", {}).get("LoggingConfig", {}).get("LogGroup")
    if isinstance(group, dict) and "Ref" in group:
        group = resources.get(group["Ref"], {}).get("Properties", {}).get("LogGroupName")
    if isinstance(group, str):
        return group
    return f"/aws/lambda/{_physical_name(deployment, failure.stack, name) or '…'}"


def _physical_name(deployment: Deployment, stack: str, resource: str) -> str:
    if not resource:
        return ""
    try:
        answer = deployment.account.client("cloudformation").describe_stack_resource(
            StackName=deployment.names.stack(stack), LogicalResourceId=resource
        )
    except AWS_ERRORS:
        return ""
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])
