"""What must be so in an AWS account before an environment is deployed into it: one finding for each thing.

A check finds that it is so, that it is not (and then says what to do), or that it could not find out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import ClientError

from tandem.aws.account import AWS_ERRORS, Account, code_of, explained
from tandem.aws.preflight_secret import password_in
from tandem.aws.quotas import quotas
from tandem.aws.suitable import problems
from tandem.environment import Environment

# What the roles and buckets of `cdk bootstrap` must be able to do for our templates.
BOOTSTRAP_VERSION = 6
# What the database is pinned to: the line with long-term support.
AURORA_VERSION = "8.0.mysql_aurora.3.10.4"
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
TEMPLATE = "parallelcluster/{version}/templates/custom_resource/cluster.yaml"

PasswordRule = Callable[[str], str | None]


class Outcome(StrEnum):
    """What a check found out."""

    GOOD = "good"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `todo` says what to do when it is not as it should be."""

    check: str
    outcome: Outcome
    found: str
    todo: str = ""


def good(check: str, found: str) -> Finding:
    """As it should be."""
    return Finding(check, Outcome.GOOD, found)


def failed(check: str, found: str, todo: str) -> Finding:
    """Not as it should be."""
    return Finding(check, Outcome.FAILED, found, todo)


class Preflight:
    """Looks at an account. Nothing is changed."""

    def __init__(self, environment: Environment, account: Account, password_rule: PasswordRule) -> None:
        self.environment = environment
        self.account = account
        self.password_rule = password_rule

    def findings(self) -> Iterator[Finding]:
        """Everything, as it is found; without credentials nothing else can be."""
        yield from self._file()
        if not self.account.knows_its_region():
            # Nothing answers for it, and every other check would say so in its own words.
            region = self.environment.region
            yield failed("region", f"AWS has no region {region}", "correct `region` in the environment file")
            return
        who = self._credentials()
        yield who
        if who.outcome is not Outcome.GOOD:
            return
        checks = {
            "region": self._region,
            "zones": self._zones,
            "instance types": self._instance_types,
            "quotas": self._quotas,
            "secret": self._secret,
            "key pair": self._key_pair,
            "database": self._database_version,
            "ParallelCluster": self._parallelcluster,
            "bootstrap": self._bootstrap,
        }
        for name, check in checks.items():
            try:
                yield from check()
            except AWS_ERRORS as error:
                yield Finding(
                    name, Outcome.UNKNOWN, explained(error), "let these credentials ask that, or see yourself"
                )

    def findings_before_deploying(self, *, bootstrap: bool) -> Iterator[Finding]:
        """Only what deploying would fail at once without. `bootstrap`: the region is about to be prepared."""
        yield from self._file()
        who = self._credentials()
        yield who
        if who.outcome is Outcome.GOOD:
            yield from self._secret()
            if not bootstrap:
                yield from self._bootstrap()

    def _file(self) -> Iterator[Finding]:
        found = list(problems(self.environment))
        for problem in found:
            yield failed("file", problem, "change the environment file")
        if not found:
            yield good("file", f"{self.environment.name} can be on AWS")

    def _credentials(self) -> Finding:
        try:
            who = self.account.client("sts").get_caller_identity()
        except AWS_ERRORS as error:
            todo = "aws configure, aws sso login, or AWS_PROFILE; `aws sts get-caller-identity` must answer"
            return failed("credentials", explained(error), todo)
        return good("credentials", f"{who['Arn']} in account {who['Account']}")

    def _region(self) -> Iterator[Finding]:
        region = self.environment.region
        (found,) = self.account.client("ec2").describe_regions(RegionNames=[region], AllRegions=True)["Regions"]
        if found.get("OptInStatus") == "not-opted-in":
            yield failed("region", f"{region} is not enabled", "enable it in the account's settings (AWS Regions)")
        else:
            yield good("region", region)

    def _zones(self) -> Iterator[Finding]:
        answer = self.account.client("ec2").describe_availability_zones()["AvailabilityZones"]
        available = {zone["ZoneName"] for zone in answer if zone["State"] == "available"}
        wanted = [zone.name for zone in self.environment.zones]
        missing = [name for name in wanted if name not in available]
        if missing:
            todo = f"take others as `zones`: {', '.join(sorted(available))}"
            yield failed("zones", f"not available: {', '.join(missing)}", todo)
        else:
            yield good("zones", ", ".join(wanted))

    def _instance_types(self) -> Iterator[Finding]:
        """Each where it is wanted: portal nodes in every zone, a cluster's nodes in its own."""
        wanted: dict[str, set[str]] = {}
        for zone in self.environment.zones:
            wanted.setdefault(self.environment.portal.instance_type, set()).add(zone.name)
        for cluster in self.environment.clusters:
            kinds = [cluster.instance_type, *(queue.instance_type for queue in cluster.queues if queue.instance_type)]
            for kind in kinds:
                wanted.setdefault(kind, set()).add(cluster.zone)
        pages = (
            self.account.client("ec2")
            .get_paginator("describe_instance_type_offerings")
            .paginate(LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": sorted(wanted)}])
        )
        offered: dict[str, set[str]] = {}
        for page in pages:
            for offer in page["InstanceTypeOfferings"]:
                offered.setdefault(offer["InstanceType"], set()).add(offer["Location"])
        sound = True
        for kind, zones in sorted(wanted.items()):
            if missing := sorted(zones - offered.get(kind, set())):
                sound = False
                where = ", ".join(sorted(offered.get(kind, set()))) or "no zone of this region"
                yield failed(
                    "instance types",
                    f"{kind} is not offered in {', '.join(missing)}",
                    f"take another type, or zones where it is offered: {where}",
                )
        if sound:
            yield good("instance types", ", ".join(sorted(wanted)))

    def _quotas(self) -> Iterator[Finding]:
        for quota in quotas(self.environment, self.account):
            said = f"{quota.name}: {quota.needed:g} more, {quota.used:g} in use"
            if quota.limit is None:
                todo = f"see quota {quota.code} in the console of Service Quotas"
                yield Finding("quotas", Outcome.UNKNOWN, f"{said}, limit unknown: {quota.why}", todo)
            elif quota.used + quota.needed > quota.limit:
                todo = (
                    f"aws service-quotas request-service-quota-increase --service-code {quota.service} --quota-code "
                    f"{quota.code} --desired-value {quota.used + quota.needed:g} --region {self.environment.region}"
                )
                yield failed("quotas", f"{said}, limit {quota.limit:g}", todo)
            else:
                yield good("quotas", f"{said}, limit {quota.limit:g}")

    def _secret(self) -> Iterator[Finding]:
        name = self.environment.administrator.password_secret
        if name is None:
            yield good("secret", "none is named: a password is generated")
            return
        try:
            answer = self.account.client("secretsmanager").get_secret_value(SecretId=name)
        except ClientError as error:
            if code_of(error) not in ("ResourceNotFoundException", "InvalidRequestException", "ValidationException"):
                raise
            todo = (
                "aws secretsmanager create-secret --name NAME --secret-string file://FILE, "
                "and name it in `administrator.password_secret`"
            )
            yield failed("secret", f"{name}: {explained(error)}", todo)
            return
        password, wrong = password_in(answer.get("SecretString"))
        problem = wrong or self.password_rule(password)
        if problem:
            todo = f"aws secretsmanager put-secret-value --secret-id {name} --secret-string file://FILE"
            yield failed("secret", problem, todo)
        else:
            yield good("secret", f"{name} is there, and its password meets the rule")

    def _key_pair(self) -> Iterator[Finding]:
        name = self.environment.aws.key_pair
        if name is None:
            return
        try:
            self.account.client("ec2").describe_key_pairs(KeyNames=[name])
        except ClientError as error:
            if code_of(error) != "InvalidKeyPair.NotFound":
                raise
            todo = "create or import it in this region, or leave `aws.key_pair` out: Session Manager needs none"
            yield failed("key pair", f"no key pair {name} in {self.environment.region}", todo)
        else:
            yield good("key pair", name)

    def _database_version(self) -> Iterator[Finding]:
        rds = self.account.client("rds")
        engine = {"Engine": "aurora-mysql", "EngineVersion": AURORA_VERSION}
        if not rds.describe_db_engine_versions(**engine)["DBEngineVersions"]:
            todo = "a later release of Tandem pins a later one"
            yield failed("database", f"Aurora MySQL {AURORA_VERSION} is not offered here", todo)
        else:
            yield good("database", f"Aurora MySQL {AURORA_VERSION}")

    def _parallelcluster(self) -> Iterator[Finding]:
        """ParallelCluster's own template, which the clusters are made with, lies in a public bucket of each region."""
        version, region = self.environment.aws.parallelcluster_version, self.environment.region
        bucket, key = f"{region}-aws-parallelcluster", TEMPLATE.format(version=version)
        try:
            self.account.client("s3").head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if code_of(error) not in ("404", "403", "NoSuchKey", "NoSuchBucket"):
                raise
            todo = "take another `aws.parallelcluster_version`, or a region that ParallelCluster is in"
            yield failed("ParallelCluster", f"there is no ParallelCluster {version} in {region}", todo)
        else:
            yield good("ParallelCluster", version)

    def _bootstrap(self) -> Iterator[Finding]:
        try:
            answer = self.account.client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)
        except ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise
            yield failed("bootstrap", "the region is not prepared for the CDK", "tandem deploy --bootstrap")
            return
        version = int(answer["Parameter"]["Value"])
        if version < BOOTSTRAP_VERSION:
            todo = "tandem deploy --bootstrap brings it up to date"
            yield failed("bootstrap", f"version {version}, needed {BOOTSTRAP_VERSION}", todo)
        else:
            yield good("bootstrap", f"version {version}")
