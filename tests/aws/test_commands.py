"""`tandem cost` and `tandem preflight`, as people and programs call them."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem.aws.prices import TABLE
from tandem.cli.main import app

ROOT = Path(__file__).parents[2]
LEAN = str(ROOT / "examples" / "lean.yaml")


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "140"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_cost_shows_every_part_beside_2021_and_each_queues_node() -> None:
    status, stdout, stderr = run("cost", "--file", LEAN)
    assert status == 0
    for word in ("AuroraServerless", "Portal", "2021", "head node of cluster1", "cluster2", "c5.xlarge", "an hour"):
        assert word in stdout
    assert "2026" in stderr
    assert "us-east-1" in stderr


def test_cost_for_programs_has_numbers() -> None:
    status, stdout, _ = run("cost", "--json", "--file", LEAN)
    answer = json.loads(stdout)
    assert status == 0
    assert answer["percent_of_2021"] < 25
    assert answer["idle"]["monthly"] == pytest.approx(sum(answer["idle"]["parts"].values()), abs=0.05)
    hour = answer["node_hours"][0]
    assert hour["together"] == pytest.approx(sum(hour["parts"].values()))


def test_another_table_can_be_given_and_a_wrong_one_is_a_problem(tmp_path: Path) -> None:
    dearer = tmp_path / "prices.yaml"
    shutil.copy(TABLE, dearer)
    dearer.write_text(dearer.read_text().replace("nat_gateway: 0.045", "nat_gateway: 0.090"))
    parts = [
        json.loads(run("cost", "--json", "-f", LEAN, *more)[1])["idle"]["parts"]
        for more in ((), ("--prices", str(dearer)))
    ]
    assert parts[1]["VPC"] > parts[0]["VPC"]
    dearer.write_text("nothing: 1\n")
    status, stdout, _ = run("cost", "--json", "-f", LEAN, "--prices", str(dearer))
    assert status == 1
    assert "families" in json.loads(stdout)["detail"]


def test_an_account_that_nobody_is_signed_in_to_fails_preflight_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    status, stdout, _ = run("preflight", "--json", "--file", LEAN)
    answer = json.loads(stdout)
    assert (status, answer["ok"]) == (1, False)
    assert [one["check"] for one in answer["findings"] if one["outcome"] == "failed"] == ["credentials"]
    status, stdout, _ = run("preflight", "--file", LEAN)
    assert status == 1
    assert "aws configure" in " ".join(stdout.split())
