"""Bringing a database up to date, where several portal nodes begin it at once."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tandem.accounts.models import Person
from tandem.operations.management.commands import prepare_database

FILE = """\
name: demo
region: eu-central-1
zones: [{name: eu-central-1a}]
clusters:
  - {name: cluster1, zone: eu-central-1a, queues: [{name: compute, instance_type: c5.xlarge, elastic_nodes: 2}]}
"""


@pytest.mark.django_db
def test_it_takes_the_files_people_and_the_administrators_password(tmp_path: Path) -> None:
    (tmp_path / "tandem.yaml").write_text(FILE)
    (tmp_path / "password").write_text("the-First-Passw0rd\n")
    options = [f"--environment={tmp_path}/tandem.yaml", f"--administrator-password-file={tmp_path}/password"]
    for _ in range(2):
        call_command("prepare_database", *options, "--administrator-password-since=2026-11-22T10:00:00+00:00")
    assert Person.objects.get().check_password("the-First-Passw0rd")


class Server:
    """A cursor of a server's that has one lock."""

    def __init__(self, free: bool) -> None:
        self.free, self.said = free, list[str]()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def execute(self, statement: str, _: list[object]) -> None:
        self.said.append(statement.partition("(")[0])

    def fetchone(self) -> tuple[int]:
        return (1 if self.free else 0,)


@pytest.mark.parametrize("free", [True, False])
def test_one_node_at_a_time_does_it(monkeypatch: pytest.MonkeyPatch, free: bool) -> None:
    server, done = Server(free), list[Any]()
    monkeypatch.setattr(connection, "vendor", "mysql")
    monkeypatch.setattr(connection, "cursor", lambda: server)
    if free:
        with prepare_database.only_one():
            done.append(list(server.said))
        assert (done, server.said) == ([["SELECT GET_LOCK"]], ["SELECT GET_LOCK", "SELECT RELEASE_LOCK"])
    else:
        with pytest.raises(CommandError), prepare_database.only_one():
            done.append("others were doing it")
        assert done == []
