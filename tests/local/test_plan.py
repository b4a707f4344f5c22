"""What a changed file restarts, and that it is named first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.environment import Environment
from tandem.local import plan as plan_module
from tandem.local.layout import Layout
from tandem.local.plan import Plan, make_plan, remember_people
from tandem.local.prepare import prepare_state
from tandem.local.processes import Init
from tandem.local.secrets import Secrets
from tandem.local.state import State, write_file
from tandem.local.zone import ORDER, core_order, zone_order

RELEASE = "0123456789abcdef"


class Running:
    """An environment that `up` believes to run."""

    def __init__(self, environment: Environment, parent: Path) -> None:
        self.state = State(environment.name, parent)
        self.state.root.mkdir(exist_ok=True)
        layout = Layout(environment)
        for tree in prepare_state(layout, self.state).values():
            tree.write()
        write_file(self.state.core / ORDER, core_order(self.state).fingerprint())
        for zone in layout.zones:
            order = zone_order(self.state, zone, environment)
            write_file(self.state.zone(zone.name) / ORDER, order.fingerprint())
        (self.state.releases).mkdir()
        (self.state.releases / "current").symlink_to(RELEASE)
        remember_people(layout, self.state)
        self.places = ["core", *(zone.name for zone in layout.zones)]

    def plan(self, environment: Environment, release: str = RELEASE) -> Plan:
        layout = Layout(environment)
        return make_plan(layout, self.state, prepare_state(layout, self.state), release)


@pytest.fixture
def running(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    found = Running(environment, tmp_path)
    monkeypatch.setattr(plan_module, "inits", lambda name: [Init(name, place, 1) for place in found.places])
    return found


def test_nothing_changed_means_nothing_to_do(running: Running, environment: Environment) -> None:
    plan = running.plan(environment)
    assert plan.changes_nothing
    assert plan.notices() == []


def test_a_comment_changes_nothing(running: Running, edited: Callable[..., Environment]) -> None:
    assert running.plan(edited(("zones:", "# our zones\nzones:"))).changes_nothing


def test_new_people_restart_nothing(running: Running, edited: Callable[..., Environment]) -> None:
    plan = running.plan(edited(("  - name: bob\n", "  - name: carol\n    uid: 2002\n  - name: bob\n")))
    assert plan.people
    assert plan.notices() == []
    # The portal is told of them from the zone's copy of the environment.
    assert all(changes.files and not changes.portal for changes in plan.zones.values())


def test_people_who_are_taken_out_are_named_first(running: Running, edited: Callable[..., Environment]) -> None:
    fewer = edited(("  - name: bob\n    uid: 2001\n    full_name: Bob\n    groups: [research]\n", ""))
    plan = running.plan(fewer)
    assert plan.people
    (notice,) = plan.notices()
    assert notice.startswith("bob is no longer in the file: the account is disabled")
    remember_people(Layout(fewer), running.state)
    assert running.plan(fewer).notices() == []


def test_a_changed_limit_is_read_again_without_a_restart(running: Running, edited: Callable[..., Environment]) -> None:
    plan = running.plan(edited(("time_limit: 24h", "time_limit: 12h")))
    assert [plan.zones[zone].restart for zone in plan.zones] == [[], []]
    assert [plan.zones[zone].reconfigure for zone in plan.zones] == [["cluster1"], ["cluster2"]]


def test_more_nodes_restart_the_controller_and_no_node(running: Running, edited: Callable[..., Environment]) -> None:
    plan = running.plan(edited(("elastic_nodes: 4", "elastic_nodes: 6")))
    assert plan.zones["eu-central-1a"].restart == ["slurmctld-cluster1"]
    assert "slurmctld-cluster1 in eu-central-1a restarts: jobs go on" in plan.notices()


def test_another_authority_restarts_nothing(running: Running, environment: Environment) -> None:
    secrets = Secrets(running.state.secrets)
    secrets.introduce_authority()
    secrets.replace_authority()
    plan = running.plan(environment)
    assert all(changes.files and not changes.restart and not changes.portal for changes in plan.zones.values())
    assert plan.notices() == []


def test_a_zone_that_is_gone_is_stopped_and_named(running: Running, environment: Environment) -> None:
    running.places.append("eu-central-1c")
    plan = running.plan(environment)
    assert plan.stop_zones == ["eu-central-1c"]
    assert any("eu-central-1c" in notice and "running jobs end" in notice for notice in plan.notices())


def test_a_new_release_restarts_the_portal_nodes_only(running: Running, environment: Environment) -> None:
    plan = running.plan(environment, "another")
    assert all(changes.portal and not changes.restart for changes in plan.zones.values())
    (notice,) = plan.notices()
    assert "one after the other" in notice


def test_another_port_restarts_the_load_balancer(running: Running, edited: Callable[..., Environment]) -> None:
    plan = running.plan(edited(("port: 8443", "port: 8543")))
    assert plan.core.restart == ["balancer"]


def test_zones_are_plugged_into_a_new_core(running: Running, environment: Environment) -> None:
    running.places.remove("core")
    plan = running.plan(environment)
    assert plan.start_core
    assert plan.reconnect == ["eu-central-1a", "eu-central-1b"]
    assert plan.restart_zones == []


def test_from_nothing_everything_starts(running: Running, environment: Environment) -> None:
    running.places.clear()
    plan = running.plan(environment)
    assert plan.from_nothing
    assert plan.start_zones == ["eu-central-1a", "eu-central-1b"]
    assert plan.notices() == []
