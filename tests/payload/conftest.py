"""A place of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.payload.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, tmp_path / "tools")
    yield made
    made.clean_up()
