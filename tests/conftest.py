"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.region import KEPT, Region, bring_up, forget_dead_runs, kept_region, take_down, write_environment

# No test is about time: the machine's processors may be wanted by others.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


# Tests that mostly wait, the longest first: beside them, the others use the processors. All that start real clusters
# come next, by their marker.
WAITING = (
    "drills/test_region.py",
    "local/test_up_and_down.py",
    "browser/test_failures.py",
    "local/test_examples.py",
    "jobs/test_region.py",
    "operations/test_region.py",
    "browser/test_jobs.py",
    "local/test_drills.py",
    "aws/test_deployment.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files in the order in which processes shall take them."""

    def rank(item: pytest.Item) -> int:
        place = "/".join(item.path.parts[-2:])
        if place in WAITING:
            return WAITING.index(place)
        return len(WAITING) + (item.get_closest_marker("region") is None)

    items.sort(key=rank)
    _early.update(item.path for item in items if rank(item) <= len(WAITING))


# The files that come early, the last of which needs the region; and what describes the one that this process runs.
_early: set[Path] = set()
_running: list[Path] = []


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The region is stopped before the first file that comes late: a process that is given one needs it no more."""
    if item.path not in _early:
        _stop_region()


def _stop_region() -> None:
    while _running:
        take_down(_running.pop())


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """Real clusters: started once for all tests of a process that ask for them, beside a person's own environment."""
    if os.geteuid() != 0:
        pytest.skip("real clusters need root")
    if KEPT:
        yield kept_region()
        return
    directory = tmp_path_factory.mktemp("region")
    forget_dead_runs(directory)
    file = write_environment(directory)
    _running.append(file)
    try:
        yield bring_up(file)
    finally:
        _stop_region()
