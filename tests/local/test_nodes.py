"""Elastic nodes start when they are asked for, and fail to for want of capacity as ParallelCluster says it."""

from pathlib import Path

import pytest

from tandem.local import nodes
from tandem.local.supervise import Supervisor

DELAY = 1.0


class FakeSupervisor(Supervisor):
    def __init__(self) -> None:
        super().__init__("nowhere")
        self.started: list[str] = []

    def restart(self, *names: str) -> None:
        self.started += names


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What Slurm is told."""
    found: list[tuple[str, ...]] = []

    def slurm(cluster: str, *argv: str) -> str:
        if "show" in argv:
            return (
                "NodeName=on-st-1 State=IDLE+DRAIN\nNodeName=on-st-2 State=MIXED+DRAIN\nNodeName=on-st-3 State=IDLE\n"
            )
        found.append((cluster, *argv))
        return ""

    monkeypatch.setattr(nodes, "_slurm", slurm)
    return found


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Slurm asks for nodes, and where a drill says that there is no capacity."""
    directory = tmp_path / "nodes"
    directory.mkdir()
    monkeypatch.setattr(nodes, "REQUESTS", directory)
    monkeypatch.setattr(nodes, "NO_CAPACITY", tmp_path / "no-capacity")
    return directory


def test_a_node_that_is_asked_for_boots_for_a_while(requests: Path, told: list[tuple[str, ...]]) -> None:
    supervisor = FakeSupervisor()
    found = nodes.Nodes(supervisor)
    (requests / "cluster1.compute-dy-1.up").touch()
    found.take_requests(100.0, DELAY)
    found.finish_boots(100.0)
    assert not supervisor.started
    found.finish_boots(101.0)
    assert supervisor.started == ["node-cluster1-compute-dy-1"]
    assert told == []


def test_without_capacity_it_never_boots_and_is_given_back_later(requests: Path, told: list[tuple[str, ...]]) -> None:
    supervisor = FakeSupervisor()
    found = nodes.Nodes(supervisor)
    nodes.NO_CAPACITY.touch()
    (requests / "cluster1.compute-dy-1.up").touch()
    found.take_requests(100.0, DELAY)
    assert told.pop()[2:] == (
        "update",
        "nodename=compute-dy-1",
        "state=down",
        "reason=(Code:InsufficientInstanceCapacity)Failure when resuming nodes",
    )
    found.give_back_refused(101.0)
    assert told == []
    found.give_back_refused(100.0 + nodes.GIVEN_BACK_AFTER)
    assert told == [("cluster1", "scontrol", "update", "nodename=compute-dy-1", "state=power_down_force")]
    found.finish_boots(1000.0)
    assert not supervisor.started


def test_a_drained_node_is_replaced_when_nothing_runs_there(told: list[tuple[str, ...]]) -> None:
    supervisor = FakeSupervisor()
    fixed = ["on-st-1", "on-st-2", "on-st-3"]
    nodes.Nodes(supervisor).replace_drained({"clusters": {"cluster1": {"fixed": fixed}}})
    assert supervisor.started == ["node-cluster1-on-st-1"]
    assert told == [("cluster1", "scontrol", "update", "nodename=on-st-1", "state=resume")]
