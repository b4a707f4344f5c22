"""What all tests share."""

import os
from collections.abc import Iterator

import pytest
from tests.region import KEPT, Region, bring_up, forget_dead_runs, kept_region, take_down, write_environment


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the two processes that run tests one has all that need real clusters; the other takes the rest meanwhile."""
    for item in items:
        if item.get_closest_marker("region") or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("region"))


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Real clusters: started once for all tests that ask for them, beside a person's own environment."""
    if os.geteuid() != 0:
        pytest.skip("real clusters need root")
    if KEPT:
        yield kept_region()
        return
    directory = tmp_path_factory.mktemp("region")
    forget_dead_runs(directory)
    file = write_environment(directory)
    try:
        yield bring_up(file)
    finally:
        take_down(file)
