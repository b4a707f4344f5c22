"""An environment that AWS cannot have is refused before anything is made, with what to do about it."""

from pathlib import Path

import pytest

from tandem.aws.suitable import NotForAws, is_graviton, require_suitable
from tandem.environment import Environment, load_environment

ROOT = Path(__file__).parents[2]


def changed(tmp_path: Path, old: str, new: str) -> Environment:
    text = (ROOT / "tandem.yaml").read_text()
    assert old in text
    (tmp_path / "tandem.yaml").write_text(text.replace(old, new, 1))
    return load_environment(tmp_path / "tandem.yaml")


def test_the_environment_that_comes_with_tandem_can_be_on_aws() -> None:
    require_suitable(load_environment(ROOT / "tandem.yaml"))


def test_one_zone_is_not_enough() -> None:
    with pytest.raises(NotForAws, match="needs two zones"):
        require_suitable(load_environment(ROOT / "examples" / "one-zone.yaml"))


def test_nodes_are_of_a_type(tmp_path: Path) -> None:
    environment = changed(tmp_path, "instance_type: c5.xlarge\n", "cpus: 4\n        memory_gib: 8\n")
    with pytest.raises(NotForAws, match=r"Queue compute of cluster1 .* give it an instance_type"):
        require_suitable(environment)


def test_a_cluster_has_one_kind_of_processor(tmp_path: Path) -> None:
    environment = changed(tmp_path, "instance_type: c5.xlarge\n", "instance_type: c7g.xlarge\n")
    with pytest.raises(NotForAws, match=r"c7g\.xlarge, and the head node is a c5\.large"):
        require_suitable(environment)


@pytest.mark.parametrize("kind", ["t4g.small", "c7g.xlarge", "c7gn.16xlarge", "m6gd.medium", "x2gd.large", "a1.large"])
def test_graviton_is_known_by_its_name(kind: str) -> None:
    assert is_graviton(kind)


@pytest.mark.parametrize("kind", ["c5.large", "g5.xlarge", "g4dn.xlarge", "hpc7a.96xlarge", "m7i-flex.large"])
def test_other_processors_are_not_graviton(kind: str) -> None:
    assert not is_graviton(kind)
