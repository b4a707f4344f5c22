"""A kind of resource: how it is made, changed and removed. Each module of `resources` defines some."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Any, ClassVar

import boto3
from botocore.config import Config

Properties = dict[str, Any]

KINDS: dict[str, type["Kind"]] = {}


@dataclass
class Context:
    """Where a resource is made."""

    endpoint: str
    account: str
    region: str
    stack_name: str
    stack_id: str
    tags: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client that talks to the emulator, as any program would."""
        return client(self.endpoint, self.region, service)


_clients: dict[tuple[str, str, str], Any] = {}


def client(endpoint: str, region: str, service: str) -> Any:
    """A client of the emulator's `service`."""
    key = (endpoint, region, service)
    if key not in _clients:
        _clients[key] = boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"max_attempts": 1}, read_timeout=300),
        )
    return _clients[key]


class CannotChange(Exception):
    """The emulator does not know how AWS would change this."""


class Kind:
    """One resource. A subclass with a `type` is known to the emulator from then on."""

    type: ClassVar[str] = ""
    # Properties whose change makes a new one in place of the old.
    replaced_by: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        if cls.type:
            KINDS[cls.type] = cls

    def __init__(self, context: Context, logical_id: str) -> None:
        self.context = context
        self.logical_id = logical_id
        self.id = ""
        self.attributes: dict[str, Any] = {}
        self.properties: Properties = {}

    def create(self, properties: Properties) -> None:
        """Make it: sets `id`, which Ref gives, and `attributes`."""
        raise NotImplementedError

    def update(self, properties: Properties, before: Properties) -> None:
        """Change it in place. AWS replaces what cannot be; the emulator then says that it cannot."""
        changed = sorted(key for key in {*properties, *before} if properties.get(key) != before.get(key))
        raise CannotChange(f"the emulator cannot change {', '.join(changed)} of a {self.type}")

    def delete(self) -> None:
        """Remove it."""
        raise NotImplementedError

    # What moto's own answers about stacks read.
    @property
    def physical_resource_id(self) -> str:
        return self.id

    @property
    def logical_resource_id(self) -> str:
        return self.logical_id

    @property
    def cf_resource_type(self) -> str:
        return self.type

    def name(self, longest: int = 128) -> str:
        """A name as CloudFormation makes them up."""
        suffix = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))
        return f"{self.context.stack_name}-{self.logical_id}"[: longest - 13].rstrip("-") + f"-{suffix}"

    def client(self, service: str) -> Any:
        """A client of `service`."""
        return self.context.client(service)


def tags(properties: Properties) -> list[dict[str, str]]:
    """Its tags, in AWS's usual form."""
    return [{"Key": str(tag["Key"]), "Value": str(tag["Value"])} for tag in properties.get("Tags", [])]


def tagging(properties: Properties) -> dict[str, Any]:
    """The argument `Tags`, where there are any."""
    return {"Tags": found} if (found := tags(properties)) else {}


def truth(value: Any) -> bool:
    """CloudFormation's truth values may be text."""
    return str(value).lower() == "true"


def lower(properties: Properties, *names: str) -> dict[str, Any]:
    """Those of the properties that are given."""
    return {name: properties[name] for name in names if name in properties}
