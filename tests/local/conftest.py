"""Environments to lay out, without starting anything."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.environment import Environment, load_environment

REFERENCE = Path(__file__).parents[2] / "tandem.yaml"


@pytest.fixture
def environment() -> Environment:
    """The reference environment."""
    return load_environment(REFERENCE)


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Environment]:
    """The reference environment with pieces of its text replaced."""

    def edit(*replacements: tuple[str, str]) -> Environment:
        text = REFERENCE.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "edited.yaml"
        file.write_text(text)
        return load_environment(file)

    return edit
