"""`tandem check` and `tandem schema` say what people and programs need to hear."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app

ROOT = Path(__file__).parents[2]
BROKEN = "name: lab\nregion: eu-central-1\nzones: []\nclusters: 3\n"


def run(*words: str, **variables: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words), env=variables)
    return result.exit_code, result.stdout, result.stderr


def test_check_summarises_a_sound_file() -> None:
    status, stdout, stderr = run("check", "--file", str(ROOT / "tandem.yaml"))
    assert status == 0
    for word in ("tandem", "eu-central-1b", "cluster2", "always-on", "c5.xlarge", "/fsx_cluster1", "ec2-user"):
        assert word in stdout
    assert "in order" in stderr


def test_check_finds_the_file_by_variable_and_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("check", TANDEM_FILE=str(ROOT / "examples/one-zone.yaml"))[0] == 0
    monkeypatch.chdir(tmp_path)
    status, _, stderr = run("check")
    assert status == 1
    assert "tandem.yaml: found no such file" in stderr


def test_check_tells_every_problem_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    status, stdout, stderr = run("check", "-f", str(file))
    assert status == 1
    assert stdout == ""
    assert [line.partition(": ")[0] for line in stderr.splitlines()] == [f"{file}:3", f"{file}:4"]


def test_check_prints_json_for_programs(tmp_path: Path) -> None:
    status, stdout, _ = run("check", "--json", "-f", str(ROOT / "tandem.yaml"))
    answer = json.loads(stdout)
    assert (status, answer["ok"], answer["problems"]) == (0, True, [])
    assert answer["environment"]["clusters"][0]["queues"][0]["cpus"] == 4
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    status, stdout, _ = run("check", "--json", "-f", str(file))
    answer = json.loads(stdout)
    assert (status, answer["ok"]) == (1, False)
    assert answer["problems"][0] == {
        "file": str(file),
        "line": 3,
        "key": "zones",
        "found": "a list",
        "allowed": "at least 1 of them",
    }


def test_schema_describes_every_key() -> None:
    schema = json.loads(run("schema")[1])
    assert schema["required"] == ["name", "region", "zones", "clusters"]
    queue = schema["$defs"]["Queue"]
    assert queue["anyOf"] == [{"required": ["instance_type"]}, {"required": ["cpus", "memory_gib"]}]
    for part in [schema, *schema["$defs"].values()]:
        assert part["additionalProperties"] is False
        assert part["description"]
        for name, value in part["properties"].items():
            assert "description" in value or "$ref" in value, name


def test_help_lists_every_command_without_loading_any() -> None:
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tandem", "--help"], capture_output=True, text=True, check=True
    )
    for name in ("check", "schema", "up", "status", "logs", "down", "zone", "shell", "login", "job", "user"):
        assert f" {name} " in listed.stdout
    imported = {line.rpartition("|")[2].strip() for line in listed.stderr.splitlines()}
    assert not imported & {"django", "httpx", "asyncssh", "pydantic", "tandem.cli.jobs", "tandem.cli.local"}


def test_a_wrong_command_is_a_usage_error_with_a_hint() -> None:
    status, _, stderr = run("chekc")
    assert status == 2
    assert "Did you mean 'check'" in stderr


def test_the_wrapper_finds_its_checkout_through_links_and_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "tandem").symlink_to(ROOT / "bin" / "tandem")
    answer = subprocess.run(
        [str(tmp_path / "tandem"), "--version"], capture_output=True, text=True, cwd="/", env={"PATH": os.defpath}
    )
    assert (answer.returncode, answer.stdout.split()[0]) == (0, "tandem")


def test_the_wrapper_says_what_to_do_when_nothing_is_installed_yet(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tandem").write_bytes((ROOT / "bin" / "tandem").read_bytes())
    answer = subprocess.run(["sh", str(tmp_path / "bin" / "tandem")], capture_output=True, text=True)
    assert answer.returncode == 1
    assert "make up" in answer.stderr
