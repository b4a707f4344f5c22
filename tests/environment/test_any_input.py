"""No input, however broken, makes reading an environment file raise anything but EnvironmentFileError."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandem.environment import EnvironmentFileError, load_environment

DEFAULT = (Path(__file__).parents[2] / "tandem.yaml").read_text()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["root", "/", "/efs", "..", "c5.xlarge", "24h", "-1s", "any", "eu-central-1a", "cluster1", "\ud800"]
    ),
)
names = st.one_of(st.text(max_size=8), st.sampled_from(["name", "zone", "queues", "path", "uid", "scratch", "cpus"]))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
patient = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tandem.yaml"
    file.write_bytes(content)
    try:
        load_environment(file)
    except EnvironmentFileError as error:
        told = error
    else:
        return
    assert told.problems
    assert all(problem.found and problem.allowed for problem in told.problems)
    assert all(str(problem).isprintable() for problem in told.problems)


@patient
@given(content=st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    read(tmp_path, content)


@patient
@given(content=st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?~ \n\t\\U0", max_size=80))
def test_any_text_that_looks_like_yaml(tmp_path: Path, content: str) -> None:
    read(tmp_path, content.encode())


@patient
@given(start=st.integers(0, len(DEFAULT)), length=st.integers(0, 40), text=st.text(max_size=10))
def test_the_default_file_with_a_hole_in_it(tmp_path: Path, start: int, length: int, text: str) -> None:
    read(tmp_path, (DEFAULT[:start] + text + DEFAULT[start + length :]).encode(errors="replace"))


@patient
@given(data=st.data())
def test_the_default_file_with_anything_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    content: Any = copy.deepcopy(yaml.safe_load(DEFAULT))
    place = content
    for _ in range(data.draw(st.integers(0, 4))):
        inner = list(place.values()) if isinstance(place, dict) else place
        inner = [value for value in inner if isinstance(value, dict | list) and value]
        if not inner:
            break
        place = data.draw(st.sampled_from(inner))
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    place[key] = data.draw(values)
    read(tmp_path, yaml.safe_dump(content, allow_unicode=False).encode())


@pytest.mark.parametrize("key", ["\ud800", "\x7f", "a" * 5000, "🙂", "[0]", "."])
def test_strange_keys(tmp_path: Path, key: str) -> None:
    read(
        tmp_path, yaml.safe_dump({key: 1, "storage": {"scratch": {key: {"path": key}}}, "users": [{key: key}]}).encode()
    )
