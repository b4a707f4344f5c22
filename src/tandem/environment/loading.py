"""Reads an environment file: everything that is wrong with it at once, each with its line."""

import difflib
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tandem.environment.checks import contradictions
from tandem.environment.marked import Key, Marked, read_marked
from tandem.environment.model import Environment
from tandem.environment.problems import EnvironmentFileError, Problem, shown

_TYPES = {
    "string_type": "text",
    "string_unicode": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def load_environment(path: Path | str) -> Environment:
    """The environment that the file describes.

    Raises EnvironmentFileError, and nothing else, with all that is wrong with the file.
    """
    marked = read_marked(Path(path))
    problems = list(marked.problems)
    if not isinstance(marked.data, dict):
        raise EnvironmentFileError([*problems, marked.problem((), "a mapping with name, region, zones, clusters …")])
    environment = None
    try:
        environment = Environment.model_validate(marked.data)
    except ValidationError as error:
        problems += [_problem(marked, detail) for detail in error.errors() if not _told_elsewhere(marked, detail)]
    problems += contradictions(marked)
    if problems or environment is None:
        raise EnvironmentFileError(problems)
    return environment


def _told_elsewhere(marked: Marked, detail: ErrorDetails) -> bool:
    """Missing CPUs or memory of a queue are told with its instance type, by `checks`."""
    return detail["type"] == "missing" and detail["loc"][-1] in ("cpus", "memory_gib")


def _problem(marked: Marked, detail: ErrorDetails) -> Problem:
    key: Key = detail["loc"]
    if detail["type"] == "extra_forbidden":
        return marked.problem(key, _known_keys(key), f"the unknown key {shown(str(key[-1]))}")
    return marked.problem(key, _allowed(key, detail))


def _allowed(key: Key, detail: ErrorDetails) -> str:
    """What is allowed at `key`, in words."""
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    match kind:
        case "missing":
            return f"'{key[-1]}' is required"
        case "literal_error":
            return str(context["expected"])
        case "greater_than_equal":
            return f"at least {context['ge']:g}"
        case "less_than_equal":
            return f"at most {context['le']:g}"
        case "multiple_of":
            return f"a multiple of {context['multiple_of']:g}"
        case "too_short":
            return f"at least {context['min_length']} of them"
        case "too_long":
            return f"at most {context['max_length']} of them"
        case _:
            return detail["msg"]


def _known_keys(key: Key) -> str:
    """The keys that could stand beside `key`, with the one that was probably meant."""
    names = list(_model_at(key[:-1]).model_fields)
    near = difflib.get_close_matches(str(key[-1]), names, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"{', '.join(names)}{hint}"


def _model_at(key: Key) -> type[BaseModel]:
    """The model of the mapping at `key`; numbers and names of map entries lead to the items' model."""
    model: type[BaseModel] = Environment
    items: Any = None
    for part in key:
        if items is not None:
            model, items = items, None
            continue
        annotation = model.model_fields[str(part)].annotation
        if get_origin(annotation) in (list, dict):
            items = get_args(annotation)[-1]
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return model
