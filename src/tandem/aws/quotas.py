"""What an environment takes of an account's quotas, beside what is in use and what the limit is."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from tandem.aws.account import AWS_ERRORS, Account, code_of, explained
from tandem.aws.names import Names
from tandem.environment import INSTANCE_TYPES, Environment

# Quotas of running on-demand instances count CPUs, by the family's letters.
_CPU_QUOTAS = {
    "standard": ("L-1216C47A", "CPUs of running standard instances"),
    "g": ("L-DB2E81BA", "CPUs of running G and VT instances"),
    "p": ("L-417A185B", "CPUs of running P instances"),
    "hpc": ("L-F7808C92", "CPUs of running HPC instances"),
}
_ADDRESSES = ("L-0263D0A3", "public addresses")
_VPCS = ("L-F678F1CE", "VPCs")


@dataclass(frozen=True)
class Quota:
    """One quota. `limit` is None when it could not be asked; `why` says why."""

    service: str
    code: str
    name: str
    needed: float
    used: float
    limit: float | None
    why: str = ""


def quotas(environment: Environment, account: Account) -> Iterator[Quota]:
    """Those that an environment comes near. What is deployed already counts as in use, and not as needed."""
    ec2 = account.client("ec2")
    deployed = _is_deployed(environment, account)
    for kind, needed in sorted(_cpus(environment).items()):
        code, name = _CPU_QUOTAS[kind]
        # Its own instances would be counted twice: whether the environment alone fits is what can be said.
        used = 0 if deployed else _running_cpus(account)[kind]
        yield _quota(account, "ec2", code, name, needed, used)
    gateways = 1 if environment.aws.nat_gateways == "one" else len(environment.zones)
    code, name = _ADDRESSES
    yield _quota(account, "ec2", code, name, 0 if deployed else gateways, len(ec2.describe_addresses()["Addresses"]))
    code, name = _VPCS
    used = sum(len(page["Vpcs"]) for page in ec2.get_paginator("describe_vpcs").paginate())
    yield _quota(account, "vpc", code, name, 0 if deployed else 1, used)


def _is_deployed(environment: Environment, account: Account) -> bool:
    name = Names(environment.name).stack("VPC")
    try:
        account.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if code_of(error) != "ValidationError":
            raise
        return False
    return True


def _cpus(environment: Environment) -> Counter[str]:
    """CPUs of all nodes at once: of the portal, of heads, of every queue when it is full."""
    count: Counter[str] = Counter()

    def add(instance_type: str, number: int, cpus: int | None = None) -> None:
        known = INSTANCE_TYPES.get(instance_type)
        count[_kind(instance_type)] += number * (cpus or (known.cpus if known else 2))

    add(environment.portal.instance_type, len(environment.zones))
    for cluster in environment.clusters:
        add(cluster.instance_type, 1)
        for queue in cluster.queues:
            if queue.instance_type:
                add(queue.instance_type, queue.nodes, queue.cpus)
    return count


def _kind(instance_type: str) -> str:
    family = instance_type.partition(".")[0]
    if family.startswith("hpc"):
        return "hpc"
    letters = re.match("[a-z]*", family)
    return {"g": "g", "gr": "g", "vt": "g", "p": "p"}.get(letters[0] if letters else "", "standard")


def _running_cpus(account: Account) -> Counter[str]:
    pages = (
        account.client("ec2")
        .get_paginator("describe_instances")
        .paginate(Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}])
    )
    count: Counter[str] = Counter()
    for page in pages:
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                if "InstanceLifecycle" not in instance:
                    shape = instance.get("CpuOptions", {})
                    cpus = shape.get("CoreCount", 1) * shape.get("ThreadsPerCore", 2)
                    count[_kind(instance["InstanceType"])] += cpus
    return count


def _quota(account: Account, service: str, code: str, name: str, needed: float, used: float) -> Quota:
    """With the account's limit; AWS's default where the account has none of its own."""
    client = account.client("service-quotas")
    for ask in (client.get_service_quota, client.get_aws_default_service_quota):
        try:
            limit = ask(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
            return Quota(service, code, name, needed, used, limit)
        except AWS_ERRORS as error:
            if code_of(error) != "NoSuchResourceException":
                return Quota(service, code, name, needed, used, None, explained(error))
    return Quota(service, code, name, needed, used, None, "this region does not tell it")
