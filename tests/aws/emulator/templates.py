"""Templates as CloudFormation reads them before it does anything: complete, and without circles."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

Template = dict[str, Any]

PSEUDO = {
    f"AWS::{name}" for name in ["AccountId", "NoValue", "Partition", "Region", "StackId", "StackName", "URLSuffix"]
}
SUBSTITUTION = re.compile(r"\$\{(?!!)([^}]+)\}")


class TemplateError(Exception):
    """The template can never be deployed."""


class _Loader(yaml.CSafeLoader):
    """YAML in which dates are text."""

    yaml_implicit_resolvers = {
        letter: [(tag, expression) for tag, expression in found if tag != "tag:yaml.org,2002:timestamp"]
        for letter, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def parse(text: str) -> Template:
    """The template in `text`. Raises TemplateError."""
    try:
        data = json.loads(text)
    except ValueError:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    if not isinstance(data, dict) or not data.get("Resources"):
        raise TemplateError("Template format error: At least one Resources member must be defined.")
    return data


def references(node: Any) -> Iterator[tuple[str, str]]:
    """(name, attribute) of everything that a part of a template refers to; the attribute is empty for a Ref."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "Ref":
            yield str(value), ""
        elif key == "Fn::GetAtt":
            name, _, attribute = value.partition(".") if isinstance(value, str) else (value[0], "", str(value[1]))
            yield name, attribute
        elif key == "Fn::Sub":
            text, values = (value, {}) if isinstance(value, str) else value
            yield from references(values)
            for found in SUBSTITUTION.findall(text):
                name, _, attribute = found.strip().partition(".")
                if name not in values:
                    yield name, attribute
        else:
            yield from references(value)


def depends_on(resource: dict[str, Any]) -> list[str]:
    """What the resource says it depends on."""
    names = resource.get("DependsOn", [])
    return [names] if isinstance(names, str) else list(names)


def in_order(template: Template) -> list[str]:
    """The resources, each after what it needs. Raises TemplateError: what it needs is not there, or is a circle."""
    resources = template["Resources"]
    known = PSEUDO | set(resources) | set(template.get("Parameters", {}))
    for name, output in template.get("Outputs", {}).items():
        _must_be_known(f"output {name}", output, known)
    needs: dict[str, list[str]] = {}
    for name, resource in resources.items():
        _must_be_known(f"resource {name}", resource.get("Properties", {}), known)
        wanted = [*depends_on(resource), *(one for one, _ in references(resource.get("Properties", {})))]
        for other in depends_on(resource):
            if other not in resources:
                raise TemplateError(f"Template format error: Unresolved resource dependencies [{other}] in {name}")
        if name in wanted:
            raise TemplateError(f"Circular dependency between resources: [{name}]")
        needs[name] = [one for one in dict.fromkeys(wanted) if one in resources]
    order: list[str] = []
    open_: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in open_:
            circle = open_[open_.index(name) :]
            raise TemplateError(f"Circular dependency between resources: [{', '.join(circle)}]")
        open_.append(name)
        for other in needs[name]:
            visit(other)
        open_.pop()
        order.append(name)

    for name in needs:
        visit(name)
    return order


def _must_be_known(where: str, part: Any, known: set[str]) -> None:
    for name, _ in references(part):
        if name not in known:
            raise TemplateError(f"Template format error: Unresolved resource dependencies [{name}] in {where}")
