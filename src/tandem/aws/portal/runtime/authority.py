"""The Lambda that makes the key of the environment's SSH authority: once, into a secret that is kept.

A custom resource (`Custom::TandemAuthority`) with the property `SecretArn`; its attribute `PublicKey` is what clusters
are told to trust. CloudFormation can fill a secret with a random password, but not with a key; whatever is in the
secret that is no key, such as a password of that kind, is replaced. A key that is there stays, whatever happens.
"""

from typing import Any

import boto3
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tandem.aws.answering import Context, Event, Result, answered

_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"


def handler(raw: dict[str, Any], context: Context | None) -> None:
    """What Lambda calls."""
    answered(raw, context, _work)


def _work(event: Event) -> Result:
    if event.request == "Delete":
        return Result(event.physical_id)
    arn = event.text("SecretArn")
    return Result(f"authority:{arn}", {"PublicKey": public_line(_key(boto3.client("secretsmanager"), arn))})


def _key(secrets: Any, arn: str) -> str:
    """The private key in the secret, made if there is none."""
    try:
        kept: str = secrets.get_secret_value(SecretId=arn)["SecretString"]
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        kept = ""
    if kept.startswith(_BEGIN):
        return kept
    new = (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        .decode()
    )
    secrets.put_secret_value(SecretId=arn, SecretString=new)
    return new


def public_line(private_key: str) -> str:
    """The public half in OpenSSH's one-line form."""
    key = serialization.load_ssh_private_key(private_key.encode(), password=None).public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
