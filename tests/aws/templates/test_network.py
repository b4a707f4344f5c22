"""The network: a part of it in each zone, and nobody reaches what they need not."""

from ipaddress import IPv4Network
from typing import Any

from tests.aws.templates.synthesis import Templates, flat

ZONES = ["eu-central-1a", "eu-central-1b"]


def test_every_zone_has_a_public_and_private_subnets(templates: Templates) -> None:
    subnets = templates.of("VPC", "AWS::EC2::Subnet")
    kinds: dict[str, list[str]] = {}
    for subnet in subnets:
        (kind,) = [tag["Value"] for tag in subnet["Tags"] if tag["Key"] == "aws-cdk:subnet-name"]
        kinds.setdefault(kind, []).append(subnet["AvailabilityZone"])
    assert kinds == dict.fromkeys(("public", "portal", "cluster", "database"), ZONES)
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)


def test_no_subnet_lies_in_another(templates: Templates) -> None:
    networks = [IPv4Network(subnet["CidrBlock"]) for subnet in templates.of("VPC", "AWS::EC2::Subnet")]
    assert not any(one.overlaps(other) for one in networks for other in networks if one is not other)
    assert all(network.subnet_of(IPv4Network("10.0.0.0/16")) for network in networks)


def test_every_zone_goes_out_through_a_gateway_of_its_own(templates: Templates) -> None:
    routes = templates.of("VPC", "AWS::EC2::Route")
    out = {flat(route["RouteTableId"]): flat(route["NatGatewayId"]) for route in routes if "NatGatewayId" in route}
    assert len(templates.of("VPC", "AWS::EC2::NatGateway")) == 2
    first = {gateway for table, gateway in out.items() if "Subnet1" in table}
    second = {gateway for table, gateway in out.items() if "Subnet2" in table}
    assert len(first) == len(second) == 1
    assert first != second


def test_one_gateway_is_enough_when_asked_for(otherwise: Templates) -> None:
    assert len(otherwise.of("VPC", "AWS::EC2::NatGateway")) == 1


def test_the_database_has_no_way_out(templates: Templates) -> None:
    tables = {flat(route["RouteTableId"]) for route in templates.of("VPC", "AWS::EC2::Route")}
    assert tables
    assert not any("database" in table for table in tables)


def test_s3_is_reached_without_a_gateway_that_costs(templates: Templates) -> None:
    endpoint = templates.one("VPC", "AWS::EC2::VPCEndpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert flat(endpoint["ServiceName"]).endswith(".s3")
    assert len(endpoint["RouteTableIds"]) == len(templates.of("VPC", "AWS::EC2::RouteTable"))


def test_flow_logs_go_with_the_network(templates: Templates) -> None:
    flow_log = templates.one("VPC", "AWS::EC2::FlowLog")
    assert flow_log["TrafficType"] == "ALL"
    ((name, resource),) = [
        (name, resource)
        for name, resource in templates.resources["VPC"].items()
        if resource["Type"] == "AWS::Logs::LogGroup"
    ]
    assert flow_log["LogGroupName"] == {"Ref": name}
    assert resource["DeletionPolicy"] == "Delete"


def test_all_security_groups_are_in_the_stack_that_all_others_need(templates: Templates) -> None:
    kinds = {"AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"}
    assert {stack for stack, _, resource in templates.all() if resource["Type"] in kinds} == {"VPC"}


def rules(templates: Templates, direction: str, other: str) -> set[tuple[str, str, int]]:
    """(the other, the group, port) of all rules of a direction; -1 is every port."""
    groups = templates.named("VPC", "AWS::EC2::SecurityGroup")
    names = {f"<{logical}.GroupId>": _short(properties) for logical, properties in groups.items()}
    found: list[tuple[str, dict[str, Any]]] = [
        (names[f"<{logical}.GroupId>"], rule)
        for logical, properties in groups.items()
        for rule in properties.get(f"SecurityGroup{direction}", [])
    ]
    kind = f"AWS::EC2::SecurityGroup{direction}"
    found += [(names[flat(rule["GroupId"])], rule) for rule in templates.of("VPC", kind)]
    return {
        (names[flat(rule[other])] if other in rule else rule["CidrIp"], group, rule.get("FromPort", -1))
        for group, rule in found
    }


def reachable(templates: Templates) -> set[tuple[str, str, int]]:
    """(who, whom, port) of all that security groups let in."""
    return rules(templates, "Ingress", "SourceSecurityGroupId")


def _short(group: dict[str, Any]) -> str:
    return {
        "Load balancer of the portal": "balancer",
        "Portal nodes": "portal",
        "Database": "database",
        "Makes database accounts": "accounts",
        "The file system that all clusters share": "efs",
        **{
            f"{what} of Cluster-{cluster}": f"{short}-{cluster}"
            for cluster in ("cluster1", "cluster2")
            for what, short in (
                ("Head node", "head"),
                ("Compute nodes", "nodes"),
                ("Scratch file system", "scratch"),
            )
        },
    }[group["GroupDescription"]]


def test_everybody_is_reached_by_those_who_need_them_and_nobody_else(templates: Templates) -> None:
    expected = {("balancer", "portal", 8000), ("balancer", "portal", 8001)}
    expected |= {(who, "database", 3306) for who in ("portal", "accounts", "head-cluster1", "head-cluster2")}
    for cluster in ("cluster1", "cluster2"):
        head, nodes, scratch = f"head-{cluster}", f"nodes-{cluster}", f"scratch-{cluster}"
        expected |= {("portal", head, 22), (head, "efs", 2049), (nodes, "efs", 2049)}
        for port in (988, 1018):
            expected |= {(head, scratch, port), (nodes, scratch, port), (scratch, scratch, port)}
            expected |= {(scratch, head, port), (scratch, nodes, port)}
    assert reachable(templates) == expected


def test_people_come_in_from_the_networks_that_the_file_names(otherwise: Templates) -> None:
    outside = {rule for rule in reachable(otherwise) if "/" in rule[0]}
    assert outside == {("203.0.113.0/24", "balancer", 443), ("203.0.113.0/24", "balancer", 80)}


def test_another_kind_of_scratch_opens_only_its_own_port(otherwise: Templates) -> None:
    scratch = {(who, port) for who, whom, port in reachable(otherwise) if whom.startswith("scratch")}
    assert scratch == {("head-cluster2", 2049), ("nodes-cluster2", 2049)}


def test_file_systems_answer_whom_they_let_in(templates: Templates, otherwise: Templates) -> None:
    """ParallelCluster makes no cluster without a rule for either direction, though connections need none."""
    for found in (templates, otherwise):
        answers = rules(found, "Egress", "DestinationSecurityGroupId")
        mounts = {rule for rule in reachable(found) if rule[1] == "efs" or rule[1].startswith("scratch-")}
        assert mounts
        assert mounts <= answers


def test_file_systems_and_the_database_open_no_connections_of_their_own(templates: Templates) -> None:
    anywhere = {
        group
        for other, group, port in rules(templates, "Egress", "DestinationSecurityGroupId")
        if other == "0.0.0.0/0" and port == -1
    }
    assert anywhere == {"portal", "accounts", "head-cluster1", "nodes-cluster1", "head-cluster2", "nodes-cluster2"}
