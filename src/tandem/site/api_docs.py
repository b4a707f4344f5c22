"""The API's page for people: made from the same schema that `openapi.json` gives to programs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tandem.site.api import api


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body."""

    name: str
    where: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back with a status; `model` names one of the page's own tables, if it is one of them."""

    status: str
    description: str
    type: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    fields: tuple[Field, ...]
    answers: tuple[Answer, ...]
    needs_sign_in: bool


@dataclass(frozen=True, slots=True)
class Model:
    """The form of something that is sent or comes back."""

    name: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """All that the page shows."""

    description: str
    groups: dict[str, list[Operation]]
    models: list[Model]


@login_not_required
@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "site/api_docs.html", {"reference": reference()})


@cache
def reference() -> Reference:
    """The operations by tag, and the models that they name."""
    schema = api.get_openapi_schema()
    models = schema["components"]["schemas"]
    groups: dict[str, list[Operation]] = {}
    for path, methods in schema["paths"].items():
        for method, details in methods.items():
            groups.setdefault(details["tags"][0], []).append(_operation(method, path, details, models))
    return Reference(
        description=schema["info"]["description"],
        groups=groups,
        models=[
            Model(name, details.get("description", ""), tuple(_fields(details, "")))
            for name, details in sorted(models.items())
            if "properties" in details
        ],
    )


def _operation(method: str, path: str, details: Mapping[str, Any], models: Mapping[str, Any]) -> Operation:
    fields = [
        Field(
            parameter["name"],
            parameter["in"],
            _type(parameter["schema"]),
            parameter["required"],
            parameter.get("description", ""),
        )
        for parameter in details["parameters"]
    ]
    for content in details.get("requestBody", {}).get("content", {}).values():
        body = content["schema"]
        if "$ref" in body:
            body = models[body["$ref"].rsplit("/", 1)[-1]]
        fields += _fields(body, "body")
    return Operation(
        anchor=details["operationId"],
        method=method.upper(),
        path=path,
        summary=details["summary"],
        description=details.get("description", ""),
        fields=tuple(fields),
        answers=tuple(
            Answer(str(status), answer["description"], _type_of_content(answer))
            for status, answer in details["responses"].items()
        ),
        needs_sign_in="security" in details,
    )


def _fields(schema: Mapping[str, Any], where: str) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    for name, details in schema.get("properties", {}).items():
        yield Field(name, where, _type(details), name in required, details.get("description", ""))


def _type_of_content(answer: Mapping[str, Any]) -> str:
    return next((_type(content.get("schema", {})) for content in answer.get("content", {}).values()), "")


def _type(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words: `array of JobOut`, `string (uuid) or null`."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[several]))
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind
