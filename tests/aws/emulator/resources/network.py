"""EC2's network: VPCs, subnets, routes, gateways, security groups, flow logs."""

from typing import Any

from tests.aws.emulator.kinds import Kind, Properties, lower, tags, truth


def tagged(kind: str, properties: Properties) -> list[dict[str, Any]]:
    """TagSpecifications of what is created."""
    return [{"ResourceType": kind, "Tags": found}] if (found := tags(properties)) else []


class Vpc(Kind):
    type = "AWS::EC2::VPC"
    replaced_by = frozenset({"CidrBlock"})

    def create(self, properties: Properties) -> None:
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock=properties["CidrBlock"], TagSpecifications=tagged("vpc", properties))["Vpc"]
        self.id = vpc["VpcId"]
        for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
            if attribute in properties:
                ec2.modify_vpc_attribute(VpcId=self.id, **{attribute: {"Value": truth(properties[attribute])}})
        groups = ec2.describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [self.id]}, {"Name": "group-name", "Values": ["default"]}]
        )
        self.attributes = {
            "VpcId": self.id,
            "CidrBlock": properties["CidrBlock"],
            "DefaultSecurityGroup": groups["SecurityGroups"][0]["GroupId"],
        }

    def delete(self) -> None:
        self.client("ec2").delete_vpc(VpcId=self.id)


class Subnet(Kind):
    type = "AWS::EC2::Subnet"
    replaced_by = frozenset({"CidrBlock", "AvailabilityZone", "VpcId"})

    def create(self, properties: Properties) -> None:
        ec2 = self.client("ec2")
        subnet = ec2.create_subnet(
            **lower(properties, "VpcId", "CidrBlock", "AvailabilityZone"),
            TagSpecifications=tagged("subnet", properties),
        )["Subnet"]
        self.id = subnet["SubnetId"]
        if "MapPublicIpOnLaunch" in properties:
            ec2.modify_subnet_attribute(
                SubnetId=self.id, MapPublicIpOnLaunch={"Value": truth(properties["MapPublicIpOnLaunch"])}
            )
        self.attributes = {"SubnetId": self.id, "AvailabilityZone": subnet["AvailabilityZone"]}

    def delete(self) -> None:
        self.client("ec2").delete_subnet(SubnetId=self.id)


class RouteTable(Kind):
    type = "AWS::EC2::RouteTable"

    def create(self, properties: Properties) -> None:
        answer = self.client("ec2").create_route_table(
            VpcId=properties["VpcId"], TagSpecifications=tagged("route-table", properties)
        )
        self.id = answer["RouteTable"]["RouteTableId"]
        self.attributes = {"RouteTableId": self.id}

    def delete(self) -> None:
        self.client("ec2").delete_route_table(RouteTableId=self.id)


class RouteTableAssociation(Kind):
    type = "AWS::EC2::SubnetRouteTableAssociation"

    def create(self, properties: Properties) -> None:
        answer = self.client("ec2").associate_route_table(**lower(properties, "SubnetId", "RouteTableId"))
        self.id = answer["AssociationId"]

    def delete(self) -> None:
        self.client("ec2").disassociate_route_table(AssociationId=self.id)


class Route(Kind):
    type = "AWS::EC2::Route"

    def create(self, properties: Properties) -> None:
        names = ("RouteTableId", "DestinationCidrBlock", "GatewayId", "NatGatewayId")
        self.client("ec2").create_route(**lower(properties, *names))
        self.id = f"{properties['RouteTableId']}|{properties['DestinationCidrBlock']}"

    def delete(self) -> None:
        table, _, destination = self.id.partition("|")
        self.client("ec2").delete_route(RouteTableId=table, DestinationCidrBlock=destination)


class InternetGateway(Kind):
    type = "AWS::EC2::InternetGateway"

    def create(self, properties: Properties) -> None:
        answer = self.client("ec2").create_internet_gateway(TagSpecifications=tagged("internet-gateway", properties))
        self.id = answer["InternetGateway"]["InternetGatewayId"]
        self.attributes = {"InternetGatewayId": self.id}

    def delete(self) -> None:
        self.client("ec2").delete_internet_gateway(InternetGatewayId=self.id)


class GatewayAttachment(Kind):
    type = "AWS::EC2::VPCGatewayAttachment"

    def create(self, properties: Properties) -> None:
        self.client("ec2").attach_internet_gateway(**lower(properties, "InternetGatewayId", "VpcId"))
        self.id = f"IGW|{properties['VpcId']}"

    def delete(self) -> None:
        self.client("ec2").detach_internet_gateway(**lower(self.properties, "InternetGatewayId", "VpcId"))


class Address(Kind):
    type = "AWS::EC2::EIP"

    def create(self, properties: Properties) -> None:
        answer = self.client("ec2").allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip", properties))
        self.id = answer["PublicIp"]
        self.attributes = {"AllocationId": answer["AllocationId"], "PublicIp": answer["PublicIp"]}

    def delete(self) -> None:
        self.client("ec2").release_address(AllocationId=self.attributes["AllocationId"])


class NatGateway(Kind):
    type = "AWS::EC2::NatGateway"

    def create(self, properties: Properties) -> None:
        answer = self.client("ec2").create_nat_gateway(
            **lower(properties, "SubnetId", "AllocationId"), TagSpecifications=tagged("natgateway", properties)
        )
        self.id = answer["NatGateway"]["NatGatewayId"]
        self.attributes = {"NatGatewayId": self.id}

    def delete(self) -> None:
        ec2 = self.client("ec2")
        (gateway,) = ec2.describe_nat_gateways(NatGatewayIds=[self.id])["NatGateways"]
        ec2.delete_nat_gateway(NatGatewayId=self.id)
        # AWS takes its interface along, and gives its address back.
        address = ec2.describe_addresses(AllocationIds=[self.properties["AllocationId"]])["Addresses"][0]
        if association := address.get("AssociationId"):
            ec2.disassociate_address(AssociationId=association)
        for one in gateway["NatGatewayAddresses"]:
            ec2.delete_network_interface(NetworkInterfaceId=one["NetworkInterfaceId"])


class Endpoint(Kind):
    type = "AWS::EC2::VPCEndpoint"

    def create(self, properties: Properties) -> None:
        names = ("VpcId", "ServiceName", "VpcEndpointType", "RouteTableIds", "SubnetIds", "SecurityGroupIds")
        answer = self.client("ec2").create_vpc_endpoint(**lower(properties, *names))
        self.id = answer["VpcEndpoint"]["VpcEndpointId"]

    def delete(self) -> None:
        self.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[self.id])


def permission(rule: Properties, peer: str) -> dict[str, Any]:
    """A rule of a security group, as the API wants it. `peer`: the property that names another group."""
    found: dict[str, Any] = {"IpProtocol": str(rule["IpProtocol"])}
    for port in ("FromPort", "ToPort"):
        if port in rule:
            found[port] = int(rule[port])
    note = {"Description": rule["Description"]} if "Description" in rule else {}
    if peer in rule:
        found["UserIdGroupPairs"] = [{"GroupId": rule[peer], **note}]
    elif "CidrIp" in rule:
        found["IpRanges"] = [{"CidrIp": rule["CidrIp"], **note}]
    elif "CidrIpv6" in rule:
        found["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"], **note}]
    else:
        raise ValueError(f"a rule without a peer: {rule}")
    return found


class SecurityGroup(Kind):
    type = "AWS::EC2::SecurityGroup"
    replaced_by = frozenset({"GroupDescription", "GroupName", "VpcId"})

    def create(self, properties: Properties) -> None:
        ec2 = self.client("ec2")
        answer = ec2.create_security_group(
            GroupName=properties.get("GroupName") or self.name(255),
            Description=properties["GroupDescription"],
            VpcId=properties["VpcId"],
            TagSpecifications=tagged("security-group", properties),
        )
        self.id = answer["GroupId"]
        self.attributes = {"GroupId": self.id, "VpcId": properties["VpcId"]}
        if rules := properties.get("SecurityGroupEgress"):
            everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
            ec2.revoke_security_group_egress(GroupId=self.id, IpPermissions=everything)
            for rule in rules:
                wanted = permission(rule, "DestinationSecurityGroupId")
                ec2.authorize_security_group_egress(GroupId=self.id, IpPermissions=[wanted])
        for rule in properties.get("SecurityGroupIngress", []):
            wanted = permission(rule, "SourceSecurityGroupId")
            ec2.authorize_security_group_ingress(GroupId=self.id, IpPermissions=[wanted])

    def delete(self) -> None:
        self.client("ec2").delete_security_group(GroupId=self.id)


class _Rule(Kind):
    verb = ""
    peer = ""

    def create(self, properties: Properties) -> None:
        call = getattr(self.client("ec2"), f"authorize_security_group_{self.verb}")
        answer = call(GroupId=properties["GroupId"], IpPermissions=[permission(properties, self.peer)])
        self.id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        self.attributes = {"Id": self.id}

    def delete(self) -> None:
        call = getattr(self.client("ec2"), f"revoke_security_group_{self.verb}")
        call(GroupId=self.properties["GroupId"], IpPermissions=[permission(self.properties, self.peer)])


class Ingress(_Rule):
    type = "AWS::EC2::SecurityGroupIngress"
    verb = "ingress"
    peer = "SourceSecurityGroupId"


class Egress(_Rule):
    type = "AWS::EC2::SecurityGroupEgress"
    verb = "egress"
    peer = "DestinationSecurityGroupId"


class FlowLog(Kind):
    type = "AWS::EC2::FlowLog"

    def create(self, properties: Properties) -> None:
        names = ("ResourceType", "TrafficType", "LogDestinationType", "LogGroupName", "LogDestination")
        answer = self.client("ec2").create_flow_logs(
            **lower(properties, *names),
            ResourceIds=[properties["ResourceId"]],
            **({"DeliverLogsPermissionArn": arn} if (arn := properties.get("DeliverLogsPermissionArn")) else {}),
        )
        if answer.get("Unsuccessful"):
            raise ValueError(answer["Unsuccessful"][0]["Error"]["Message"])
        self.id = answer["FlowLogIds"][0]
        self.attributes = {"Id": self.id}

    def delete(self) -> None:
        self.client("ec2").delete_flow_logs(FlowLogIds=[self.id])
