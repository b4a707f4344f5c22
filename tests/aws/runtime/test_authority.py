"""The Lambda that makes the key of the SSH authority, and the authorities that database servers are known by."""

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from cryptography.x509.oid import NameOID
from tests.aws.runtime.conftest import CloudFormation

from tandem.aws.aurora.runtime.handler import AUTHORITIES
from tandem.aws.portal.runtime.authority import handler


@pytest.fixture
def secret(aws: None) -> str:
    arn: str = boto3.client("secretsmanager").create_secret(Name="authority", SecretString="a password")["ARN"]
    return arn


def value(arn: str) -> str:
    text: str = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return text


def test_it_is_made_once_and_kept(cloudformation: CloudFormation, secret: str) -> None:
    properties = {"SecretArn": secret}
    made = cloudformation.send(handler, cloudformation.event("Create", properties))
    kept = value(secret)
    public = load_ssh_private_key(kept.encode(), None).public_key()
    assert public == load_ssh_public_key(made["Data"]["PublicKey"].encode())
    for request in ("Create", "Update", "Delete", "Create"):
        physical = "" if request == "Create" else made["PhysicalResourceId"]
        answer = cloudformation.send(handler, cloudformation.event(request, properties, physical))
        assert answer["Status"] == "SUCCESS"
        assert answer["PhysicalResourceId"] == made["PhysicalResourceId"]
        assert value(secret) == kept
    assert "PRIVATE" not in str(cloudformation.answers)


def test_what_fails_is_answered(cloudformation: CloudFormation, secret: str) -> None:
    answer = cloudformation.send(handler, cloudformation.event("Create", {"SecretArn": "unknown"}))
    assert answer["Status"] == "FAILED"


def test_database_servers_are_known_by_amazons_authorities_alone() -> None:
    authorities = x509.load_pem_x509_certificates(AUTHORITIES.read_bytes())
    names = [one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value for one in authorities]
    assert all(str(name).startswith("Amazon RDS ") for name in names)
    for one in authorities:
        one.verify_directly_issued_by(one)
        assert one.not_valid_after_utc.year >= 2060
    assert {"us-east-1", "eu-central-1", "ap-southeast-2", "sa-east-1"} <= {str(name).split(" ")[2] for name in names}
