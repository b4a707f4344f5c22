"""`pip install .` takes everything that the program needs."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from setuptools import find_namespace_packages

from tandem.local.firstjob import EXAMPLE

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The project's own description."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def left_out(project: dict[str, Any]) -> set[str]:
    """Files below `src` that the package does not take."""
    setuptools = project["tool"]["setuptools"]
    packages = set(find_namespace_packages(str(SOURCE), exclude=setuptools["packages"]["find"]["exclude"]))
    data = setuptools["package-data"]

    def is_taken(file: Path) -> bool:
        package = ".".join(file.parent.relative_to(SOURCE).parts)
        patterns = ["*.py", *data.get("*", []), *data.get(package, [])]
        return package in packages and any(fnmatch(file.name, pattern) for pattern in patterns)

    files = (file for file in (SOURCE / "tandem").rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {str(file.relative_to(SOURCE)) for file in files if not is_taken(file)}


def test_nothing_is_left_out_but_what_the_bundle_is_made_from(left_out: set[str]) -> None:
    for_the_bundle = {file for file in left_out if file.startswith("tandem/site/frontend/")}
    assert left_out - for_the_bundle == set()
    assert for_the_bundle, "it would be built where it is installed"


def test_the_first_jobs_program_comes_along(project: dict[str, Any]) -> None:
    assert EXAMPLE.resolve() == ROOT / "examples" / "heat"
    packages = find_namespace_packages(
        str(SOURCE), exclude=project["tool"]["setuptools"]["packages"]["find"]["exclude"]
    )
    assert ".".join(EXAMPLE.relative_to(SOURCE).parts) in packages
    assert {path.name for path in EXAMPLE.iterdir()} >= {"Makefile", "heat.c", "heat.in"}


def test_what_it_depends_on_is_said_once(project: dict[str, Any]) -> None:
    assert "dependencies" in project["project"]["dynamic"]
    (file,) = project["tool"]["setuptools"]["dynamic"]["dependencies"]["file"]
    needed = {Requirement(line).name for line in (ROOT / file).read_text().splitlines()}
    locked = {line.partition("==")[0] for line in (ROOT / "requirements/runtime.txt").read_text().splitlines()}
    assert {"django", "typer", "asyncssh"} <= needed <= locked
