"""A payload writes down what happens to it, in every place where it will be looked for."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tandem.drills.evidence import Evidence, read_runs
from tandem.environment import load_environment

REFERENCE = Path(__file__).parents[2] / "tandem.yaml"


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    made = [tmp_path / "shared", tmp_path / "scratch"]
    for place in made:
        place.mkdir()
    return made


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(places: list[Path]) -> Iterator[Start]:
    """Starts payloads, and ends them with all that they left: on clusters the wrapper does that."""
    started = []

    def one(seconds: float, code: int, task: int = 0) -> subprocess.Popen[bytes]:
        evidence = Evidence(load_environment(REFERENCE), "mark")
        text = evidence.payload(seconds, code)
        for inside, here in zip(("/efs/home/ec2-user/mark", "/fsx_cluster1/ec2-user/mark"), places, strict=True):
            assert inside in text
            text = text.replace(inside, str(here))
        variables = {**os.environ, "TANDEM_CLUSTER": "cluster1", "TANDEM_JOB_ID": "job", "TANDEM_ATTEMPT": "2"}
        environment = {**variables, "TANDEM_TASK": str(task)}
        started.append(subprocess.Popen(["/bin/bash", "-c", text], env=environment, start_new_session=True))
        return started[-1]

    yield one
    for payload in started:
        with suppress(ProcessLookupError):
            os.killpg(payload.pid, signal.SIGKILL)


def test_start_life_and_end_are_told(places: list[Path], start: Start) -> None:
    payload = start(1.2, 7)
    assert payload.wait(timeout=60) == 7
    (run,) = read_runs(places)["job", 0]
    assert (run.cluster, run.attempt, run.code) == ("cluster1", 2, 7)
    assert run.started is not None
    assert run.ended is not None
    assert run.ended - run.started >= 1.2
    assert len(run.times) > 2
    assert read_runs(places[:1])["job", 0][0].code == 7, "the shared file system alone tells of start and end"


def test_every_start_is_a_run_of_its_own(places: list[Path], start: Start) -> None:
    for _ in range(2):
        assert start(0.0, 0, task=5).wait(timeout=60) == 0
    assert len(read_runs(places)["job", 5]) == 2


def test_one_that_was_killed_has_no_end(places: list[Path], start: Start) -> None:
    payload = start(600.0, 0)
    while not read_runs(places):
        assert payload.poll() is None
    os.killpg(payload.pid, 9)
    payload.wait(timeout=60)
    (run,) = read_runs(places)["job", 0]
    assert (run.code, run.ended) == (None, None)
