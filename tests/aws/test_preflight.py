"""What is looked at in an account, and what is said to do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tandem.aws import quotas
from tandem.aws.account import Account
from tandem.aws.preflight import AURORA_VERSION, Finding, Outcome, Preflight
from tandem.aws.preflight_secret import password_in
from tandem.environment import Environment, load_environment

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
GOOD = "a-Good-Passw0rd!"


def rule(password: str) -> str | None:
    return None if password == GOOD else "The password is too weak."


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account with credentials, and what an environment needs there."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        ready()
        found = Account(REGION)
        answer_with(found, {"L-1216C47A": 64.0, "L-0263D0A3": 5.0, "L-F678F1CE": 5.0})
        found._clients["rds"] = Databases()
        yield found


class Databases:
    """moto does not say which versions there are."""

    def describe_db_engine_versions(self, **wanted: str) -> Any:
        return {"DBEngineVersions": [wanted] if wanted["EngineVersion"] == AURORA_VERSION else []}


def ready() -> None:
    boto3.client("ssm", REGION).put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="28", Type="String")
    s3 = boto3.client("s3", REGION)
    bucket = f"{REGION}-aws-parallelcluster"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=bucket, Key="parallelcluster/3.16.1/templates/custom_resource/cluster.yaml", Body=b"")


def environment(tmp_path: Path, *changes: tuple[str, str]) -> Environment:
    text = (ROOT / "tandem.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "tandem.yaml").write_text(text)
    return load_environment(tmp_path / "tandem.yaml")


def findings(tmp_path: Path, account: Account, *changes: tuple[str, str]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in Preflight(environment(tmp_path, *changes), account, rule).findings():
        found.setdefault(finding.check, []).append(finding)
    return found


def failures(found: dict[str, list[Finding]]) -> dict[str, Finding]:
    return {name: one for name, all_ in found.items() for one in all_ if one.outcome is Outcome.FAILED}


def test_an_account_that_is_ready_fails_nothing(tmp_path: Path, account: Account) -> None:
    found = findings(tmp_path, account)
    assert failures(found) == {}
    for check in ("credentials", "region", "zones", "instance types", "secret", "ParallelCluster", "bootstrap"):
        assert [one.outcome for one in found[check]] == [Outcome.GOOD], found[check]


def test_without_credentials_only_that_is_said(tmp_path: Path, account: Account, monkeypatch: Any) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    found = findings(tmp_path, Account(REGION))
    assert list(found) == ["file", "credentials"]
    assert "aws configure" in failures(found)["credentials"].todo


def test_a_profile_that_there_is_not_is_said(tmp_path: Path, account: Account) -> None:
    found = findings(tmp_path, Account(REGION, "nobody"))
    assert "nobody" in failures(found)["credentials"].found


@pytest.mark.parametrize(
    ("change", "check", "said"),
    [
        ((f"{REGION}b", f"{REGION}x"), "zones", f"not available: {REGION}x"),
        (("instance_type: c5.xlarge", "instance_type: c6g.xlarge"), "file", "one kind of processor"),
        (("c5.xlarge", "hpc7a.12xlarge"), "instance types", "hpc7a.12xlarge is not offered"),
        (("portal:\n", "aws:\n  parallelcluster_version: 3.99.0\nportal:\n"), "ParallelCluster", "3.99.0"),
        (("portal:\n", "aws:\n  key_pair: nobody\nportal:\n"), "key pair", "no key pair nobody"),
        (("name: ec2-user", "name: ec2-user\n  password_secret: nothing"), "secret", "nothing"),
    ],
)
def test_what_is_not_as_it_should_be_comes_with_what_to_do(
    tmp_path: Path, account: Account, change: tuple[str, str], check: str, said: str
) -> None:
    failure = failures(findings(tmp_path, account, change))[check]
    assert said in failure.found
    assert failure.todo


def test_a_region_that_there_is_not_is_all_that_is_said(tmp_path: Path, account: Account) -> None:
    nowhere = environment(tmp_path, (REGION, "xx-north-1"))
    *_, finding = Preflight(nowhere, Account("xx-north-1"), rule).findings()
    assert finding.check == "region"
    assert "no region xx-north-1" in finding.found


def test_a_region_that_is_not_prepared_is_told_how_to_be(tmp_path: Path, account: Account) -> None:
    ssm = boto3.client("ssm", REGION)
    ssm.put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="5", Type="String", Overwrite=True)
    assert "version 5" in failures(findings(tmp_path, account))["bootstrap"].found
    ssm.delete_parameter(Name="/cdk-bootstrap/hnb659fds/version")
    assert failures(findings(tmp_path, account))["bootstrap"].todo == "tandem deploy --bootstrap"


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        (GOOD, None),
        (json.dumps({"efadminPassword": GOOD}), None),
        (GOOD + "\n", None),
        ("weak", "weak"),
        (json.dumps({"a": GOOD, "b": GOOD}), "2 values"),
        (json.dumps({"a": 7}), "not text"),
        ("1234567890", "weak"),
    ],
)
def test_the_secret_is_text_or_json_with_one_value_and_keeps_the_rule(
    tmp_path: Path, account: Account, secret: str, fault: str | None
) -> None:
    boto3.client("secretsmanager", REGION).create_secret(Name="admin", SecretString=secret)
    named = ("name: ec2-user", "name: ec2-user\n  password_secret: admin")
    found = failures(findings(tmp_path, account, named))
    if fault is None:
        assert found == {}
    else:
        assert fault in found["secret"].found
    assert GOOD not in str(found)


def test_a_binary_secret_is_no_password() -> None:
    assert "binary" in password_in(None)[1]


def test_quotas_that_do_not_suffice_come_with_the_command_that_raises_them(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"L-1216C47A": 16.0, "L-0263D0A3": 5.0, "L-F678F1CE": 5.0}
    answer_with(account, limits)
    found = findings(tmp_path, account)
    (cpus,) = [one for one in found["quotas"] if one.outcome is Outcome.FAILED]
    # Two portal nodes with 2, two heads with 2, and 2 × 5 nodes with 4 each.
    assert "48 more, 0 in use, limit 16" in cpus.found
    assert "request-service-quota-increase" in cpus.todo
    assert "--desired-value 48" in cpus.todo


def answer_with(account: Account, limits: dict[str, float]) -> None:
    """moto has no such quotas."""

    class Quotas:
        def get_service_quota(self, ServiceCode: str, QuotaCode: str) -> Any:  # noqa: N803
            if QuotaCode not in limits:
                raise ClientError({"Error": {"Code": "NoSuchResourceException"}}, "GetServiceQuota")
            return {"Quota": {"Value": limits[QuotaCode]}}

        get_aws_default_service_quota = get_service_quota

    account._clients["service-quotas"] = Quotas()


def test_a_quota_that_may_not_be_asked_is_unknown_and_no_failure(tmp_path: Path, account: Account) -> None:
    answer_with(account, {})
    found = findings(tmp_path, account)
    assert {one.outcome for one in found["quotas"]} == {Outcome.UNKNOWN}
    assert failures(found) == {}


def test_what_runs_already_counts(tmp_path: Path, account: Account) -> None:
    answer_with(account, {"L-1216C47A": 49.0, "L-0263D0A3": 5.0, "L-F678F1CE": 5.0})
    ec2 = boto3.client("ec2", REGION)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ec2.run_instances(ImageId=image, InstanceType="c5.large", MinCount=1, MaxCount=1)
    cpus = next(one for one in findings(tmp_path, account)["quotas"] if "CPUs" in one.found)
    assert cpus.outcome is Outcome.FAILED
    assert "2 in use" in cpus.found


@pytest.mark.parametrize(
    ("instance_type", "kind"),
    [
        ("c6gn.large", "standard"),
        ("g5.xlarge", "g"),
        ("p4d.24xlarge", "p"),
        ("hpc7a.12xlarge", "hpc"),
        ("vt1.3xlarge", "g"),
    ],
)
def test_instances_count_against_the_quota_of_their_family(instance_type: str, kind: str) -> None:
    assert quotas._kind(instance_type) == kind


def test_what_may_not_be_asked_is_unknown(tmp_path: Path, account: Account) -> None:
    class Forbidden:
        def describe_db_engine_versions(self, **_: Any) -> Any:
            said = {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}
            raise ClientError(said, "DescribeDBEngineVersions")

    account._clients["rds"] = Forbidden()
    (finding,) = findings(tmp_path, account)["database"]
    assert finding.outcome is Outcome.UNKNOWN
    assert "not authorized" in finding.found
