"""The templates of an environment, and what is in them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tandem.aws.names import STACKS
from tandem.environment import Environment, load_environment

Resource = dict[str, Any]
# Of one that an operator has.
CERTIFICATE_ARN = "arn:aws:acm:eu-central-1:123456789012:certificate/0b8b2b3c-2f5e-4f7a-9a53-7d1f0e8c1a11"


@dataclass
class Templates:
    """All templates of an environment, by stack id."""

    environment: Environment
    directory: Path
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def resources(self) -> dict[str, dict[str, Resource]]:
        """Resources by stack id and logical id."""
        return {stack: template.get("Resources", {}) for stack, template in self.stacks.items()}

    @property
    def files(self) -> list[Path]:
        """The templates as files."""
        return [self.directory / f"{stack}.template.json" for stack in self.stacks]

    def named(self, stack: str, kind: str) -> dict[str, Resource]:
        """The properties of all resources of a type in a stack, by logical id."""
        found = self.resources[stack].items()
        return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}

    def of(self, stack: str, kind: str) -> list[Resource]:
        """The properties of all resources of a type in a stack."""
        return list(self.named(stack, kind).values())

    def one(self, stack: str, kind: str) -> Resource:
        """The properties of the one resource of a type in a stack."""
        (found,) = self.of(stack, kind)
        return found

    def all(self) -> Iterator[tuple[str, str, Resource]]:
        """(stack id, logical id, resource) of everything."""
        for stack, resources in self.resources.items():
            for name, resource in resources.items():
                yield stack, name, resource

    def statements(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """(stack id, logical id, statement) of every policy of a role, and every managed policy of our own."""
        for stack, name, resource in self.all():
            properties = resource.get("Properties", {})
            documents = [inline["PolicyDocument"] for inline in properties.get("Policies", [])]
            if resource["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
                documents.append(properties["PolicyDocument"])
            for document in documents:
                for statement in document["Statement"]:
                    yield stack, name, statement

    @cached_property
    def report(self) -> dict[str, Any]:
        """What the checks said that run whenever templates are made."""
        report: dict[str, Any] = json.loads((self.directory / "validation-report.json").read_text())
        return report


def read_stack(directory: Path, stack: str) -> dict[str, Any]:
    """One of the templates that `make.py` has left there."""
    template: dict[str, Any] = json.loads((directory / "cdk.out" / f"{stack}.template.json").read_text())
    return template


def read(directory: Path) -> Templates:
    """All templates of an environment that `make.py` has left there."""
    stacks = {stack: read_stack(directory, stack) for stack in STACKS}
    return Templates(load_environment(directory / "tandem.yaml"), directory / "cdk.out", stacks)


def flat(value: Any) -> str:
    """A value of a template as text: what CloudFormation fills in stands there by its name."""
    match value:
        case {"Fn::Join": [glue, parts]}:
            return str(glue).join(flat(part) for part in parts)
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "<").replace("}", ">")
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": name}:
            return f"<{name}>"
        case str():
            return value
    return json.dumps(value)
