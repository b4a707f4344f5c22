"""The load balancer, its certificate and its name."""

from typing import Any

from tests.aws.emulator.kinds import Kind, Properties, lower, tags


class LoadBalancer(Kind):
    type = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    replaced_by = frozenset({"Name", "Scheme", "Type"})

    def create(self, properties: Properties) -> None:
        elb = self.client("elbv2")
        answer = elb.create_load_balancer(
            Name=properties.get("Name") or self.name(32),
            **lower(properties, "Subnets", "SecurityGroups", "Scheme", "Type"),
            Tags=tags(properties) or [{"Key": "stack", "Value": self.context.stack_name}],
        )["LoadBalancers"][0]
        self.id = answer["LoadBalancerArn"]
        self.attributes = {
            "DNSName": answer["DNSName"],
            "CanonicalHostedZoneID": answer["CanonicalHostedZoneId"],
            "LoadBalancerArn": self.id,
            "LoadBalancerFullName": self.id.partition("loadbalancer/")[2],
            "LoadBalancerName": answer["LoadBalancerName"],
        }
        self._attributes(properties)

    def _attributes(self, properties: Properties) -> None:
        if wanted := properties.get("LoadBalancerAttributes"):
            found = [{"Key": one["Key"], "Value": str(one["Value"])} for one in wanted]
            self.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=self.id, Attributes=found)

    def update(self, properties: Properties, before: Properties) -> None:
        if {**properties, "LoadBalancerAttributes": 0} != {**before, "LoadBalancerAttributes": 0}:
            super().update(properties, before)
        self._attributes(properties)

    def delete(self) -> None:
        self.client("elbv2").delete_load_balancer(LoadBalancerArn=self.id)


class TargetGroup(Kind):
    type = "AWS::ElasticLoadBalancingV2::TargetGroup"
    replaced_by = frozenset({"Name", "Port", "Protocol", "TargetType", "VpcId"})

    def create(self, properties: Properties) -> None:
        elb = self.client("elbv2")
        numbers = {
            name: int(properties[name])
            for name in (
                *("Port", "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds"),
                *("HealthyThresholdCount", "UnhealthyThresholdCount"),
            )
            if name in properties
        }
        names = (
            "Protocol",
            "TargetType",
            "VpcId",
            "HealthCheckPath",
            "HealthCheckPort",
            "HealthCheckProtocol",
            "Matcher",
        )
        answer = elb.create_target_group(
            Name=properties.get("Name") or self.name(32), **lower(properties, *names), **numbers
        )["TargetGroups"][0]
        self.id = answer["TargetGroupArn"]
        full = self.id.rpartition(":")[2]
        self.attributes = {
            "TargetGroupArn": self.id,
            "TargetGroupFullName": full,
            "TargetGroupName": answer["TargetGroupName"],
        }
        if wanted := properties.get("TargetGroupAttributes"):
            found = [{"Key": one["Key"], "Value": str(one["Value"])} for one in wanted]
            elb.modify_target_group_attributes(TargetGroupArn=self.id, Attributes=found)

    def delete(self) -> None:
        self.client("elbv2").delete_target_group(TargetGroupArn=self.id)


def actions(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Actions of listeners and rules: numbers are numbers in the API."""
    result = []
    for action in found:
        one = dict(action)
        if "Order" in one:
            one["Order"] = int(one["Order"])
        result.append(one)
    return result


class Listener(Kind):
    type = "AWS::ElasticLoadBalancingV2::Listener"
    replaced_by = frozenset({"LoadBalancerArn"})

    def create(self, properties: Properties) -> None:
        answer = self.client("elbv2").create_listener(
            **lower(properties, "LoadBalancerArn", "Protocol", "SslPolicy", "Certificates"),
            Port=int(properties["Port"]),
            DefaultActions=actions(properties["DefaultActions"]),
        )["Listeners"][0]
        self.id = answer["ListenerArn"]
        self.attributes = {"ListenerArn": self.id}

    def delete(self) -> None:
        self.client("elbv2").delete_listener(ListenerArn=self.id)


class ListenerRule(Kind):
    type = "AWS::ElasticLoadBalancingV2::ListenerRule"

    def create(self, properties: Properties) -> None:
        answer = self.client("elbv2").create_rule(
            ListenerArn=properties["ListenerArn"],
            Priority=int(properties["Priority"]),
            Conditions=properties["Conditions"],
            Actions=actions(properties["Actions"]),
        )["Rules"][0]
        self.id = answer["RuleArn"]
        self.attributes = {"RuleArn": self.id}

    def delete(self) -> None:
        self.client("elbv2").delete_rule(RuleArn=self.id)


class Certificate(Kind):
    type = "AWS::CertificateManager::Certificate"

    def create(self, properties: Properties) -> None:
        answer = self.client("acm").request_certificate(
            **lower(properties, "DomainName", "SubjectAlternativeNames", "ValidationMethod")
        )
        self.id = answer["CertificateArn"]

    def delete(self) -> None:
        self.client("acm").delete_certificate(CertificateArn=self.id)


class RecordSet(Kind):
    type = "AWS::Route53::RecordSet"

    def create(self, properties: Properties) -> None:
        self._change("CREATE", properties)
        self.id = properties["Name"]

    def _change(self, action: str, properties: Properties) -> None:
        record: dict[str, Any] = lower(properties, "Name", "Type", "SetIdentifier")
        if alias := properties.get("AliasTarget"):
            record["AliasTarget"] = {"EvaluateTargetHealth": False, **alias}
        else:
            record["TTL"] = int(properties["TTL"])
            record["ResourceRecords"] = [{"Value": value} for value in properties["ResourceRecords"]]
        self.client("route53").change_resource_record_sets(
            HostedZoneId=properties["HostedZoneId"],
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
        )

    def delete(self) -> None:
        self._change("DELETE", self.properties)
