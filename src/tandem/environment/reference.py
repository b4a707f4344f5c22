"""The environment file's JSON Schema, and the reference page that is made from it."""

from collections.abc import Iterator
from typing import Any

from tandem.environment.durations import duration_text
from tandem.environment.instances import INSTANCE_TYPES
from tandem.environment.model import Environment

Schema = dict[str, Any]

HEAD = """# The environment file

`tandem.yaml` is the one description of an environment, on this machine and on AWS. `tandem check` checks it and tells
everything that is wrong with it at once, each with file, line, key, the value found and what is allowed.

This page is made from the file's JSON Schema (`tandem schema`); `make docs` makes it again. An editor that knows JSON
Schema can use it to complete and check the file while you write:
`tandem schema > tandem.schema.json`, and as the first line of `tandem.yaml`
`# yaml-language-server: $schema=tandem.schema.json`.

A *duration* is a number of seconds, or a number with `s`, `m`, `h` or `d`: `90s`, `24h`. Words are read as YAML 1.2
reads them: only `true` and `false` are truth values. The key `a.b[].c` below is the key `c` of each item of the list
`b` in `a`.
"""

RULES = """## What must hold between the parts

- Names are unique: zones, clusters, the queues of a cluster, people. So are uids.
- Every cluster is in one of the zones, and every zone has a cluster. A zone's name begins with the region's.
- Every queue has at least one node, fixed or elastic, and an instance type that Tandem knows or `cpus` and
  `memory_gib`. At most one queue of a cluster is the default.
- No mount lies on, in or around another or in a directory of the system (`/usr`, `/home` …).
- Nobody has the name of a system account or group, or a uid from 60000 to 65535; no group has a person's name.
- `poll_interval` < `suspect_after` < `down_after`; `heartbeat` < `self_fence`; and `self_fence` + `kill_time` +
  `visibility` + `poll_interval` < `take_over`: a job that lost touch has stopped before another run of it starts.
- `min_acu` is not above `max_acu`.
- A Lustre file system has 1200 GiB or a multiple of 2400, a disk at most 16384.
- A certificate or a hosted zone needs the `host_name` that it is for. The network on AWS is a /16 to /20.
"""


def environment_schema() -> Schema:
    """The JSON Schema (2020-12) of the environment file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tandem.yaml",
        **{key: value for key, value in Environment.model_json_schema().items() if key != "title"},
    }


def reference_page() -> str:
    """The reference page, in Markdown."""
    schema = environment_schema()
    parts = [HEAD, *_sections(schema), RULES, _instance_types()]
    return "\n".join(parts)


def _sections(schema: Schema) -> Iterator[str]:
    """A section for the file and one for each part, in the order in which they come up."""
    yield _section(schema, schema, "The file")
    for path, part in _parts(schema, schema, ""):
        yield _section(schema, part, f"`{path}`")


def _parts(root: Schema, schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    for name, value in schema["properties"].items():
        where = f"{path}.{name}".lstrip(".")
        part, suffix = _part_of(root, value)
        if part is not None:
            yield where + suffix, part
            yield from _parts(root, part, where + suffix)


def _part_of(root: Schema, schema: Schema) -> tuple[Schema | None, str]:
    """The part that a value is, or is a list or a mapping of; and how that is written in a key."""
    for value, suffix in (
        (schema, ""),
        (schema.get("items", {}), "[]"),
        (schema.get("additionalProperties") or {}, ".<name>"),
    ):
        if isinstance(value, dict) and "$ref" in value:
            found: Schema = root["$defs"][value["$ref"].rpartition("/")[2]]
            return found, suffix
    return None, ""


def _section(root: Schema, schema: Schema, title: str) -> str:
    lines = [f"## {title}", "", schema["description"], "", "| key | value | default | |", "|---|---|---|---|"]
    required = schema.get("required", [])
    for name, value in schema["properties"].items():
        default = "required" if name in required else _default(value)
        lines.append(f"| `{name}` | {_kind(root, value)} | {default} | {_description(root, value)} |")
    return "\n".join(lines) + "\n"


def _description(root: Schema, schema: Schema) -> str:
    part, _ = _part_of(root, schema)
    return str(schema.get("description") or (part or {}).get("description", ""))


def _default(schema: Schema) -> str:
    default = schema.get("default")
    if default is None or default in ({}, [], ""):
        return ""
    if isinstance(default, dict):
        return "see below"
    if _is_duration(schema):
        return f"`{duration_text(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _is_duration(schema: Schema) -> bool:
    return {kind.get("type") for kind in schema.get("anyOf", [])} == {"integer", "string"}


def _kind(root: Schema, schema: Schema) -> str:
    """What a value may be, in words."""
    part, suffix = _part_of(root, schema)
    if part is not None:
        return {"": "mapping", "[]": "list of mappings", ".<name>": "mapping of mappings"}[suffix] + _length(schema)
    if _is_duration(schema):
        return f"duration, {duration_text(schema['minimum'])} to {duration_text(schema['maximum'])}"
    if "anyOf" in schema:
        return _kind(root, next(kind for kind in schema["anyOf"] if kind.get("type") != "null"))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    match schema["type"]:
        case "array":
            return f"list of: {_kind(root, schema['items'])}" + _length(schema)
        case "string":
            return str(schema.get("$comment", "text"))
        case "boolean":
            return "`true` or `false`"
        case "object":
            return "mapping"
        case kind:
            return {"integer": "whole number", "number": "number"}[kind] + _bounds(schema)


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return ""
    return f", {low} to {high}" if high is not None else f", from {low}"


def _length(schema: Schema) -> str:
    low, high = schema.get("minItems"), schema.get("maxItems")
    words = [f"at least {low}" if low else "", f"at most {high}" if high else ""]
    return "".join(f", {word}" for word in words if word)


def _instance_types() -> str:
    lines = [
        "## Instance types",
        "",
        "What they stand for. Any other type needs `cpus` and `memory_gib` beside it.",
        "",
    ]
    lines += ["| instance type | CPUs | GiB |", "|---|--:|--:|"]
    lines += [f"| `{name}` | {cpus} | {memory:g} |" for name, (cpus, memory) in INSTANCE_TYPES.items()]
    return "\n".join(lines) + "\n"
