"""The reference pages say what the code does."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "make_reference.py"
spec = importlib.util.spec_from_file_location("make_reference", SCRIPT)
assert spec
assert spec.loader
make_reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_reference)


@pytest.mark.parametrize("name", make_reference.PAGES)
def test_a_reference_page_is_not_stale(name: str) -> None:
    assert (SCRIPT.parent / "reference" / name).read_text() == make_reference.PAGES[name](), "run `make docs`"
