"""The world of made-up clusters."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jobs.protocol.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[World]:
    """Two clusters that do as they are told, and the worker's loops."""
    made = World(tmp_path)
    monkeypatch.setattr("tandem.jobs.follow.database_now", made.now)
    yield made
    for dispatcher in made.dispatchers.values():
        dispatcher.drain(5)
