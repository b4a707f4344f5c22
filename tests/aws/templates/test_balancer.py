"""The load balancer: TLS for everybody, every node for every request."""

from typing import Any

from tests.aws.templates.synthesis import Templates, flat

from tandem.aws.packages import HERE
from tandem.jobs.stream_access import KEEP_ALIVE_SECONDS

STACK = "ALB"


def attributes(properties: dict[str, Any], name: str) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in properties[name]}


def test_it_speaks_todays_tls_only(templates: Templates) -> None:
    (listener,) = [one for one in templates.of(STACK, "AWS::ElasticLoadBalancingV2::Listener") if one["Port"] == 443]
    assert listener["Protocol"] == "HTTPS"
    assert listener["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"


def test_http_is_redirected(templates: Templates) -> None:
    (listener,) = [one for one in templates.of(STACK, "AWS::ElasticLoadBalancingV2::Listener") if one["Port"] == 80]
    (action,) = listener["DefaultActions"]
    assert action["RedirectConfig"]["Protocol"] == "HTTPS"
    assert action["RedirectConfig"]["StatusCode"] == "HTTP_301"


def test_who_comes_in_is_up_to_the_security_group_alone(templates: Templates) -> None:
    balancer = templates.one(STACK, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    assert balancer["Scheme"] == "internet-facing"
    (group,) = balancer["SecurityGroups"]
    assert "GroupsBalancer" in flat(group)
    assert all("publicSubnet" in flat(subnet) for subnet in balancer["Subnets"])
    assert len(balancer["Subnets"]) == 2


def test_streams_are_not_cut_off_between_two_signs_of_life(templates: Templates) -> None:
    balancer = templates.one(STACK, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    found = attributes(balancer, "LoadBalancerAttributes")
    assert int(found["idle_timeout.timeout_seconds"]) > 2 * KEEP_ALIVE_SECONDS
    assert found["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert found["deletion_protection.enabled"] == "false"


def test_no_node_closes_a_connection_that_the_balancer_takes_for_open(templates: Templates) -> None:
    """It answers 502 then: it does not repeat what may have been carried out."""
    found = attributes(templates.one(STACK, "AWS::ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes")
    units = HERE / "portal" / "runtime" / "units"
    for unit, option in (("web", "--keep-alive"), ("streams", "--timeout-keep-alive")):
        words = (units / f"tandem-{unit}.service").read_text().split()
        assert int(words[words.index(option) + 1]) > int(found["idle_timeout.timeout_seconds"]), unit


def test_access_is_logged_to_a_bucket_that_goes_with_it(templates: Templates) -> None:
    balancer = templates.one(STACK, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    found = attributes(balancer, "LoadBalancerAttributes")
    assert found["access_logs.s3.enabled"] == "true"
    ((name, bucket),) = [
        (name, one) for name, one in templates.resources[STACK].items() if one["Type"] == "AWS::S3::Bucket"
    ]
    assert found["access_logs.s3.bucket"] == {"Ref": name}
    assert bucket["DeletionPolicy"] == "Delete"
    assert templates.one(STACK, "Custom::S3AutoDeleteObjects")["BucketName"] == {"Ref": name}
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in bucket["Properties"]


def test_nodes_are_asked_whether_they_are_ready_and_no_node_is_stuck_to(templates: Templates) -> None:
    groups = templates.of(STACK, "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert {(one["Port"], one["HealthCheckPath"]) for one in groups} == {
        (8000, "/healthz"),
        (8001, "/streams/healthz"),
    }
    for group in groups:
        assert group["Matcher"] == {"HttpCode": "200"}
        assert group["HealthCheckIntervalSeconds"] <= 10
        assert attributes(group, "TargetGroupAttributes")["stickiness.enabled"] == "false"


def test_streams_and_whole_files_go_to_the_server_that_is_made_for_them(templates: Templates) -> None:
    rule = templates.one(STACK, "AWS::ElasticLoadBalancingV2::ListenerRule")
    (condition,) = rule["Conditions"]
    assert condition["PathPatternConfig"]["Values"] == ["/streams/*", "/api/v1/files/content"]
    (action,) = rule["Actions"]
    streams = [
        name
        for name, one in templates.named(STACK, "AWS::ElasticLoadBalancingV2::TargetGroup").items()
        if one["Port"] == 8001
    ]
    assert [action["TargetGroupArn"]["Ref"]] == streams


def test_a_self_signed_certificate_is_for_the_balancers_own_name(templates: Templates) -> None:
    certificate = templates.one(STACK, "Custom::TandemCertificate")
    (name,) = certificate["Names"]
    assert flat(name).endswith(".DNSName>")
    assert certificate["Renewal"]
    assert templates.of(STACK, "AWS::CertificateManager::Certificate") == []


def test_a_hosted_zone_proves_the_certificate_and_has_the_name(otherwise: Templates) -> None:
    certificate = otherwise.one(STACK, "AWS::CertificateManager::Certificate")
    assert certificate["DomainName"] == "hpc.example.org"
    assert certificate["ValidationMethod"] == "DNS"
    (proof,) = certificate["DomainValidationOptions"]
    assert proof["HostedZoneId"] == "Z0123456789ABC"
    record = otherwise.one(STACK, "AWS::Route53::RecordSet")
    assert (record["Name"], record["HostedZoneId"]) == ("hpc.example.org.", "Z0123456789ABC")
    assert otherwise.of(STACK, "Custom::TandemCertificate") == []
