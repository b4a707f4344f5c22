"""What an environment costs, from a dated table."""

from decimal import Decimal
from pathlib import Path

import pytest

from tandem.aws.cost import Estimate, cost_of, defaults_of_2021
from tandem.aws.prices import PriceError, Prices, read_prices
from tandem.environment import INSTANCE_TYPES, Environment, load_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def prices() -> Prices:
    return read_prices()


def estimate(environment: Environment, prices: Prices) -> Estimate:
    return cost_of(environment, prices)


def changed(file: Path, old: str, new: str, tmp_path: Path) -> Environment:
    text = file.read_text()
    assert old in text
    (tmp_path / "changed.yaml").write_text(text.replace(old, new))
    return load_environment(tmp_path / "changed.yaml")


def test_the_lean_example_idles_below_a_quarter_of_what_the_defaults_of_2021_do(prices: Prices) -> None:
    lean = cost_of(load_environment(ROOT / "examples" / "lean.yaml"), prices)
    assert lean.monthly < defaults_of_2021(prices).monthly / 4


def test_the_defaults_of_2021_cost_what_they_were_found_to(prices: Prices) -> None:
    assert 1200 < defaults_of_2021(prices).monthly < 1260


def test_the_default_file_keeps_a_fast_file_system_in_each_zone(prices: Prices) -> None:
    parts = cost_of(load_environment(ROOT / "tandem.yaml"), prices).by_part()
    assert parts["FSX"] == prices.lustre_scratch_gib * 2400


def test_parts_are_the_stacks_and_sum_to_the_whole(prices: Prices) -> None:
    found = cost_of(load_environment(ROOT / "tandem.yaml"), prices)
    assert list(found.by_part()) == ["VPC", "AuroraServerless", "EFS", "FSX", "ALB", "Clusters", "Portal"]
    assert sum(found.by_part().values()) == found.monthly


def test_one_gateway_costs_half_of_two(prices: Prices, tmp_path: Path) -> None:
    file = ROOT / "examples" / "lean.yaml"
    one = changed(file, "portal:\n", "aws:\n  nat_gateways: one\nportal:\n", tmp_path)
    two = load_environment(file)
    assert cost_of(one, prices).by_part()["VPC"] * 2 == cost_of(two, prices).by_part()["VPC"]


def test_nodes_that_are_always_on_are_paid_while_idle(prices: Prices, tmp_path: Path) -> None:
    file = ROOT / "examples" / "lean.yaml"
    more = changed(file, "elastic_nodes: 4\n  - name: cluster2", "fixed_nodes: 1\n  - name: cluster2", tmp_path)
    extra = cost_of(more, prices).monthly - cost_of(load_environment(file), prices).monthly
    assert extra >= prices.month(prices.instance("c5.xlarge"))


def test_a_node_hour_has_its_instance_and_its_disk(prices: Prices) -> None:
    hours = cost_of(load_environment(ROOT / "tandem.yaml"), prices).node_hours
    assert {(hour.cluster, hour.queue) for hour in hours} == {
        (cluster, queue) for cluster in ("cluster1", "cluster2") for queue in ("compute", "always-on")
    }
    assert all(hour.instance == Decimal("0.17") and hour.together > hour.instance for hour in hours)


@pytest.mark.parametrize(
    ("kind", "price"),
    [("t4g.small", "0.0168"), ("c5.large", "0.085"), ("c5n.18xlarge", "3.888"), ("g5.xlarge", "1.006")],
)
def test_sizes_cost_in_proportion_but_for_those_that_are_named(prices: Prices, kind: str, price: str) -> None:
    assert prices.instance(kind) == Decimal(price)


def test_every_type_that_the_file_knows_has_a_price_or_says_how_to_give_one(prices: Prices) -> None:
    # Their prices were cut more than once: an old one would mislead.
    unknown = {"p4d.24xlarge", "p5.48xlarge"}
    assert all(prices.instance(kind) > 0 for kind in INSTANCE_TYPES if kind not in unknown)
    for kind in unknown:
        with pytest.raises(PriceError, match="--prices"):
            prices.instance(kind)


@pytest.mark.parametrize("text", ["", "- a", "as_of: [", "as_of: yesterday\n", "region: us-east-1\n"])
def test_a_table_that_is_none_is_an_error_and_not_a_price_of_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(PriceError, match=r"prices\.yaml"):
        read_prices(tmp_path / "prices.yaml")
