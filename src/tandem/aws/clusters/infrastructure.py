"""The Slurm clusters, each made, changed and removed by ParallelCluster's own CloudFormation resource."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import CfnStack, CustomResource, Fn, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from tandem.aws.clusters.configuration import Configuration
from tandem.aws.findings import accept_no_rotation
from tandem.aws.functions import Function
from tandem.aws.names import NOT_YET


class Provider(Construct):
    """ParallelCluster's answer to CloudFormation, as its makers publish it for a version and region."""

    def __init__(self, scope: Construct, name: str, *, version: str, readable: Sequence[assets.Asset]) -> None:
        super().__init__(scope, name)
        stack = Stack.of(self)
        # It looks at the scripts that a configuration names before it makes the cluster.
        policy = iam.ManagedPolicy(
            self, "Reads", description="Read the scripts of the clusters", statements=[may_read(readable)]
        )
        bucket = f"{stack.region}-aws-parallelcluster.s3.{stack.region}.{stack.url_suffix}"
        self.stack = CfnStack(
            self,
            "Stack",
            template_url=f"https://{bucket}/parallelcluster/{version}/templates/custom_resource/cluster.yaml",
            parameters={"AdditionalIamPolicies": policy.managed_policy_arn},
        )

    @property
    def service_token(self) -> str:
        """What clusters name as their provider."""
        return Fn.get_att(self.stack.logical_id, "Outputs.ServiceToken").to_string()


class Authority(Construct):
    """The environment's SSH certificate authority: its key is made once and kept."""

    def __init__(
        self, scope: Construct, name: str, *, secret_name: str, parameter: str, package: Path, log_group: str
    ) -> None:
        super().__init__(scope, name)
        self.secret = secretsmanager.Secret(
            self,
            "Key",
            secret_name=secret_name,
            description="Private key of the SSH certificate authority",
            removal_policy=RemovalPolicy.DESTROY,
        )
        accept_no_rotation(self.secret, "Clusters trust its public half: a new key is for both sides at once.")
        function = Function(
            self,
            "Maker",
            description="Makes the key of the SSH certificate authority, once",
            package=package,
            handler="tandem.aws.portal.runtime.authority.handler",
            log_group=log_group,
            minutes=1,
            statements=[
                iam.PolicyStatement(
                    actions=["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
                    resources=[self.secret.secret_arn],
                )
            ],
        )
        made = CustomResource(
            self,
            "Made",
            resource_type="Custom::TandemAuthority",
            service_token=function.arn,
            properties={"SecretArn": self.secret.secret_arn},
        )
        made.node.add_dependency(function)
        self.public = plain_parameter(
            self, "Public", parameter, made.get_att_string("PublicKey"), "Public key of the SSH certificate authority"
        )


class NodeRights(Construct):
    """What a cluster's nodes may do beside what ParallelCluster lets them."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        readable: Sequence[assets.Asset],
        cluster: str,
        parameters: Sequence[str],
        host_key: str,
    ) -> None:
        super().__init__(scope, name)
        self.nodes = iam.ManagedPolicy(
            self,
            "Nodes",
            description=f"Nodes of {cluster}: fetch their set-up, follow the list of people",
            statements=[
                may_read(readable),
                may_read_parameters(self, parameters),
            ],
        )
        self.head = iam.ManagedPolicy(
            self,
            "Head",
            description=f"Head node of {cluster}: tell its host key",
            statements=[iam.PolicyStatement(actions=["ssm:PutParameter"], resources=parameter_arns(self, [host_key]))],
        )


class Cluster(Construct):
    """One cluster. CloudFormation waits until it is there, and at the end until it is gone."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        cluster_name: str,
        provider: Provider,
        configuration: Configuration,
        address_parameter: str,
        needs: Sequence[Construct],
    ) -> None:
        super().__init__(scope, name)
        self.cluster = CustomResource(
            self,
            "Cluster",
            resource_type="Custom::PclusterCluster",
            service_token=provider.service_token,
            properties={
                "ClusterName": cluster_name,
                "ClusterConfiguration": configuration,
                "DeletionPolicy": "Delete",
            },
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.cluster.node.add_dependency(provider, *needs)
        self.address = plain_parameter(
            self,
            "Address",
            address_parameter,
            self.cluster.get_att_string("headNode.privateIpAddress"),
            "Private address of the head node",
        )


def munge_key(scope: Construct, name: str, *, cluster: str, secret_name: str) -> secretsmanager.Secret:
    """A cluster's own munge key."""
    secret = secretsmanager.Secret(
        scope,
        name,
        secret_name=secret_name,
        description=f"Munge key of {cluster}",
        # Letters and digits are base64 as well: 96 bytes of key.
        generate_secret_string=secretsmanager.SecretStringGenerator(password_length=128, exclude_punctuation=True),
    )
    accept_no_rotation(secret, "A new key stops the whole cluster; it is known to that cluster alone.")
    return secret


def plain_parameter(scope: Construct, name: str, path: str, value: str, description: str) -> ssm.StringParameter:
    """A parameter that the template writes."""
    return ssm.StringParameter(scope, name, parameter_name=path, string_value=value, description=description)


def parameter_of_others(scope: Construct, name: str, path: str, description: str) -> ssm.StringParameter:
    """A parameter that somebody else writes: made here, so that it goes with the environment."""
    return plain_parameter(scope, name, path, NOT_YET, description)


def may_read(readable: Sequence[assets.Asset]) -> iam.PolicyStatement:
    """May read these files, and no others of the bucket that they are in."""
    return iam.PolicyStatement(
        actions=["s3:GetObject"],
        resources=[asset.bucket.arn_for_objects(asset.s3_object_key) for asset in readable],
    )


def parameter_arns(scope: Construct, paths: Sequence[str]) -> list[str]:
    """What policies call these parameters."""
    stack = Stack.of(scope)
    return [f"arn:{stack.partition}:ssm:{stack.region}:{stack.account}:parameter{path}" for path in paths]


def may_read_parameters(scope: Construct, paths: Sequence[str]) -> iam.PolicyStatement:
    """May read these parameters, and no others."""
    actions = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    return iam.PolicyStatement(actions=actions, resources=parameter_arns(scope, paths))
