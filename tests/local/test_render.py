"""What the zones are told."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.environment import Environment, load_environment
from tandem.local.layout import Layout
from tandem.local.prepare import prepare_state
from tandem.local.render import ENVIRONMENT_FILE, Tree
from tandem.local.state import State
from tandem.node import PortalNode


@pytest.fixture
def trees(environment: Environment, tmp_path: Path) -> dict[str, Tree]:
    """The files of all places, written."""
    state = State(environment.name, tmp_path)
    state.root.mkdir()
    trees = prepare_state(Layout(environment), state)
    for tree in trees.values():
        tree.write()
    return trees


def text(tree: Tree, name: str) -> str:
    return tree.files[name].content.decode()


def test_a_portal_node_understands_what_it_is_told(trees: dict[str, Tree], environment: Environment) -> None:
    node = PortalNode.model_validate_json(trees["eu-central-1b"].files["node.json"].content)
    assert set(node.clusters) == {"cluster1", "cluster2"}
    assert node.node == "portal-eu-central-1b"
    assert len(set(node.portal_addresses)) == 2


def test_the_database_has_a_name_which_each_zone_can_lead_elsewhere(trees: dict[str, Tree]) -> None:
    node = PortalNode.model_validate_json(trees["eu-central-1a"].files["node.json"].content)
    names = [line.split() for line in text(trees["eu-central-1a"], "hosts").splitlines()]
    assert [line[0] for line in names if node.database.host in line[1:]] == ["10.77.0.2"]


def test_the_environment_file_says_the_same_inside(trees: dict[str, Tree], environment: Environment) -> None:
    assert load_environment(trees["eu-central-1a"].root / ENVIRONMENT_FILE) == environment


def test_zones_share_no_key_and_no_accounting_password(trees: dict[str, Tree]) -> None:
    one, other = trees["eu-central-1a"], trees["eu-central-1b"]
    for name in ("munge/munge.key", "slurm/_accounting/slurmdbd.conf"):
        assert one.files[name].content != other.files[name].content


def test_only_the_signer_has_the_authoritys_key(trees: dict[str, Tree]) -> None:
    tree = trees["eu-central-1a"]
    key = tree.files["secrets/signer/authority"].content.strip()
    holders = [name for name, file in tree.files.items() if key in file.content]
    assert holders == ["secrets/signer/authority"]


def test_a_secret_is_readable_by_its_owner_only(trees: dict[str, Tree]) -> None:
    for tree in trees.values():
        for name, file in tree.files.items():
            secret = name.startswith(("secrets/", "munge/")) or name.endswith(
                ("host_key", "slurmdbd.conf", "portal.pem", "database.sql")
            )
            mode = stat.S_IMODE((tree.root / name).stat().st_mode)
            assert mode == file.mode
            assert bool(mode & 0o077) != secret, name


def test_files_that_are_no_longer_wanted_go(trees: dict[str, Tree]) -> None:
    tree = trees["eu-central-1a"]
    (tree.root / "slurm/old").mkdir()
    (tree.root / "slurm/old/slurm.conf").write_text("ClusterName=old\n")
    assert not tree.changes()
    tree.write()
    assert not (tree.root / "slurm/old/slurm.conf").exists()


def test_slurm_knows_every_node_and_its_default_queue(trees: dict[str, Tree]) -> None:
    conf = text(trees["eu-central-1a"], "slurm/cluster1/slurm.conf")
    assert conf.count("State=CLOUD") == 4
    assert conf.count("State=UNKNOWN") == 1
    assert "PartitionName=compute Nodes=compute-dy-1,compute-dy-2,compute-dy-3,compute-dy-4 Default=YES" in conf
    assert "SuspendExcNodes=always-on-st-1" in conf


def test_without_fixed_nodes_none_is_excepted_from_power_saving(
    edited: Callable[..., Environment], tmp_path: Path
) -> None:
    environment = edited(("fixed_nodes: 1", "elastic_nodes: 1"))
    state = State(environment.name, tmp_path / "state")
    state.root.mkdir(parents=True)
    trees = prepare_state(Layout(environment), state)
    assert "SuspendExcNodes" not in text(trees["eu-central-1a"], "slurm/cluster1/slurm.conf")
