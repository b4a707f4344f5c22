"""All that is in an account and region: before and after, it must be the same."""

from typing import Any

from tests.aws.emulator.running import Emulator

# (service, what lists, the list in its answer, what names one).
LISTS = (
    ("acm", "list_certificates", "CertificateSummaryList", "CertificateArn"),
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"),
    ("cloudformation", "describe_stacks", "Stacks", "StackName"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("ec2", "describe_addresses", "Addresses", "AllocationId"),
    ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_volumes", "Volumes", "VolumeId"),
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    ("efs", "describe_file_systems", "FileSystems", "FileSystemId"),
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn"),
    ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupArn"),
    ("events", "list_rules", "Rules", "Name"),
    ("fsx", "describe_file_systems", "FileSystems", "FileSystemId"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("rds", "describe_db_cluster_parameter_groups", "DBClusterParameterGroups", "DBClusterParameterGroupName"),
    ("rds", "describe_db_clusters", "DBClusters", "DBClusterIdentifier"),
    ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("ssm", "describe_parameters", "Parameters", "Name"),
)
ENDED = {
    "describe_nat_gateways": ("NatGateways", "NatGatewayId"),
    "describe_vpc_endpoints": ("VpcEndpoints", "VpcEndpointId"),
}


def census(aws: Emulator, region: str) -> set[tuple[str, str]]:
    """(kind, name) of everything."""
    found = {("policy", one) for one in _policies(aws, region)}
    for service, operation, key, name in LISTS:
        client = aws.client(service, region)
        pages = [getattr(client, operation)()]
        if client.can_paginate(operation):
            pages = list(client.get_paginator(operation).paginate())
        found |= {(f"{service} {key}", str(one[name])) for page in pages for one in page[key]}
    ec2 = aws.client("ec2", region)
    for operation, (key, name) in ENDED.items():
        # AWS goes on showing these for an hour.
        answer = getattr(ec2, operation)()[key]
        found |= {(key, one[name]) for one in answer if one["State"].lower() != "deleted"}
    return found | {("instance", one["InstanceId"]) for one in instances(ec2)}


def instances(ec2: Any) -> list[dict[str, Any]]:
    """Those that run."""
    running = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    answer = ec2.describe_instances(Filters=running)
    return [instance for found in answer["Reservations"] for instance in found["Instances"]]


def _policies(aws: Emulator, region: str) -> list[str]:
    pages = aws.client("iam", region).get_paginator("list_policies").paginate(Scope="Local")
    return [policy["Arn"] for page in pages for policy in page["Policies"]]
