"""Makes the templates of an environment, and answers what is in them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

# Before the CDK is imported: it says at length which versions of Node.js it likes better.
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "18,20"
# There may be no Node.js on PATH: `make build/cdk/cdk` has found one.
os.environ.setdefault("JSII_NODE", str(Path(__file__).parents[3] / "build" / "cdk" / "nodejs"))

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from tandem.aws.app import compose
from tandem.aws.packages import Packages
from tandem.environment import Environment, load_environment

Resource = dict[str, Any]


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


def synthesize(text: str, directory: Path) -> Templates:
    """The templates of the environment that `text` describes."""
    file = directory / "tandem.yaml"
    file.write_text(text)
    environment = load_environment(file)
    output = directory / "cdk.out"
    app = compose(environment, file, packages(directory), outdir=output)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    assembly = app.synth()
    stacks = {stack.id: json.loads(Path(stack.template_full_path).read_text()) for stack in assembly.stacks}
    return Templates(environment, output, stacks)


def packages(directory: Path) -> Packages:
    """Stand-ins for what takes long to gather: templates only carry the addresses of these."""
    made = {}
    for name in ("portal", "database", "certificate", "authority", "node_content"):
        made[name] = directory / name
        made[name].mkdir()
        (made[name] / "what").write_text(name)
    return Packages(**made)


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
