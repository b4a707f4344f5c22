"""The Lambda that makes the load balancer's own certificate, where the operator has neither one nor a hosted zone.

A custom resource (`Custom::TandemCertificate`) is one certificate in ACM, for a P-256 key that exists nowhere else: it
is made here and given to ACM. Properties: `Names` (a list) and `Renewal`, any text. Any
change of them imports a new certificate under the same ARN, which the load balancer takes up by itself.

ACM would import one more each time that a Create is delivered again. So a certificate is marked with the resource that
it is for, and looked for before another is made.
"""

import ipaddress
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tandem.aws.answering import NOTHING_MADE, Context, Event, Result, answered

# The longest that browsers accept of anybody.
VALID = timedelta(days=397)
MARK = "tandem:resource"
RELEASE_ATTEMPTS = 12  # the load balancer may hold it for a while after it was deleted
RELEASE_PAUSE = 10.0


def handler(raw: dict[str, Any], context: Context | None) -> None:
    """What Lambda calls."""
    answered(raw, context, _work)


def _work(event: Event) -> Result:
    acm = boto3.client("acm")
    mark = f"{event.stack}/{event.resource}"
    # A Create may have failed after ACM had taken the certificate: it is found by its mark then.
    known = [] if event.physical_id.startswith(f"{NOTHING_MADE}:") else [event.physical_id]
    if event.request == "Delete":
        for arn in dict.fromkeys([*known, *_marked(acm, mark)]):
            _delete(acm, arn)
        return Result(event.physical_id)
    names = event.properties["Names"]
    if not isinstance(names, list) or not names:
        raise ValueError("the property Names is missing")
    certificate, key = self_signed([str(name) for name in names])
    arn = event.physical_id or next(iter(_marked(acm, mark)), "")
    if arn:
        acm.import_certificate(CertificateArn=arn, Certificate=certificate, PrivateKey=key)
    else:
        mine = acm.import_certificate(
            Certificate=certificate, PrivateKey=key, Tags=[{"Key": MARK, "Value": _tag(mark)}]
        )
        arn = mine["CertificateArn"]
    return Result(arn)


def self_signed(names: list[str]) -> tuple[bytes, bytes]:
    """A certificate for these names and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has 64 characters at most, and nobody looks at it any more: the names are in the extension.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if len(names[0]) <= 64 else "Tandem")])
    begin = datetime.now(UTC) - timedelta(minutes=5)
    certificate = (
        x509.CertificateBuilder(
            issuer_name=subject,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=begin,
            not_valid_after=begin + VALID,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _tag(mark: str) -> str:
    """What a tag's value may be: at most 256 characters, and the end says more than the beginning."""
    return mark[-256:]


def _marked(acm: Any, mark: str) -> list[str]:
    """Certificates that were made for this resource. Without a filter, ACM lists those with RSA keys only."""
    pages = acm.get_paginator("list_certificates").paginate(Includes={"keyTypes": ["EC_prime256v1"]})
    found = []
    for page in pages:
        for summary in page["CertificateSummaryList"]:
            arn = summary["CertificateArn"]
            tags = acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
            if {"Key": MARK, "Value": _tag(mark)} in tags:
                found.append(arn)
    return found


def _delete(acm: Any, arn: str) -> None:
    """Delete it when it is there, once nothing uses it any more."""
    for attempt in range(RELEASE_ATTEMPTS):
        try:
            acm.delete_certificate(CertificateArn=arn)
        except ClientError as problem:
            code = problem.response["Error"]["Code"]
            if code == "ResourceNotFoundException":
                return
            if code != "ResourceInUseException" or attempt == RELEASE_ATTEMPTS - 1:
                raise
            time.sleep(RELEASE_PAUSE)
        else:
            return
