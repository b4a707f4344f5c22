"""The Lambda that makes the load balancer's self-signed certificate."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from tests.aws.runtime.conftest import CloudFormation

from tandem.aws.alb.runtime import handler as certificates
from tandem.aws.alb.runtime.handler import handler

PROPERTIES = {"Names": ["demo.example.org", "10.0.0.1"], "Renewal": "1"}
pytestmark = pytest.mark.usefixtures("aws")


def imported() -> list[str]:
    return [one["CertificateArn"] for one in boto3.client("acm").list_certificates()["CertificateSummaryList"]]


def read(arn: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(
        boto3.client("acm").get_certificate(CertificateArn=arn)["Certificate"].encode()
    )


def test_it_is_made_for_the_names_with_a_key_on_p_256(cloudformation: CloudFormation) -> None:
    answer = cloudformation.send(handler, cloudformation.event("Create", PROPERTIES))
    assert answer["Status"] == "SUCCESS", answer["Reason"]
    certificate = read(answer["PhysicalResourceId"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["demo.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha256"
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days <= 398


def test_the_load_balancers_own_name_may_be_a_long_one(cloudformation: CloudFormation) -> None:
    name = f"{'internal-' * 6}demo-1234567890.eu-central-1.elb.amazonaws.com"
    answer = cloudformation.send(handler, cloudformation.event("Create", {"Names": [name]}))
    names = read(answer["PhysicalResourceId"]).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [name]


def test_an_update_renews_it_in_place(cloudformation: CloudFormation) -> None:
    arn = cloudformation.send(handler, cloudformation.event("Create", PROPERTIES))["PhysicalResourceId"]
    before = read(arn).serial_number
    answer = cloudformation.send(handler, cloudformation.event("Update", PROPERTIES | {"Renewal": "2"}, arn))
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", arn)
    assert read(arn).serial_number != before
    assert imported() == [arn]


def test_a_create_that_is_delivered_again_makes_no_second_one(cloudformation: CloudFormation) -> None:
    event = cloudformation.event("Create", PROPERTIES)
    first = cloudformation.send(handler, event)
    again = cloudformation.send(handler, event)
    assert imported() == [first["PhysicalResourceId"]] == [again["PhysicalResourceId"]]


def test_delete_removes_it_and_may_come_again(cloudformation: CloudFormation) -> None:
    arn = cloudformation.send(handler, cloudformation.event("Create", PROPERTIES))["PhysicalResourceId"]
    for _ in range(2):
        assert cloudformation.send(handler, cloudformation.event("Delete", PROPERTIES, arn))["Status"] == "SUCCESS"
        assert imported() == []


def test_delete_finds_what_a_failed_create_left(cloudformation: CloudFormation) -> None:
    cloudformation.send(handler, cloudformation.event("Create", PROPERTIES))
    event = cloudformation.event("Delete", PROPERTIES, "nothing-made:Thing")
    assert cloudformation.send(handler, event)["Status"] == "SUCCESS"
    assert imported() == []


def test_another_stacks_certificate_is_left_alone(cloudformation: CloudFormation) -> None:
    other = cloudformation.event("Create", PROPERTIES, StackId="arn:aws:cloudformation:eu-central-1:1:stack/other/2")
    arn = cloudformation.send(handler, other)["PhysicalResourceId"]
    cloudformation.send(handler, cloudformation.event("Delete", PROPERTIES, "nothing-made:Thing"))
    assert imported() == [arn]


class Held:
    """ACM, while a load balancer still uses the certificate."""

    def __init__(self, times: int) -> None:
        self.times = times

    def delete_certificate(self, **_: str) -> None:
        self.times -= 1
        if self.times >= 0:
            raise ClientError({"Error": {"Code": "ResourceInUseException", "Message": "in use"}}, "DeleteCertificate")

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: object) -> list[dict[str, list[Any]]]:
        return [{"CertificateSummaryList": []}]


@pytest.mark.parametrize(("times", "status"), [(3, "SUCCESS"), (1000, "FAILED")])
def test_delete_waits_for_the_load_balancer_but_not_for_ever(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, times: int, status: str
) -> None:
    held = Held(times)
    monkeypatch.setattr(certificates.boto3, "client", lambda _: held)
    monkeypatch.setattr(certificates.time, "sleep", lambda _: None)
    answer = cloudformation.send(handler, cloudformation.event("Delete", PROPERTIES, "arn:aws:acm:x"))
    assert answer["Status"] == status


def test_what_fails_is_answered(cloudformation: CloudFormation) -> None:
    answer = cloudformation.send(handler, cloudformation.event("Create", {"Names": []}))
    assert (answer["Status"], imported()) == ("FAILED", [])
