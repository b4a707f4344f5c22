"""The Lambda that makes databases and accounts, against a real MariaDB that takes TLS."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import boto3
import pymysql
import pytest
from tests.aws.runtime.conftest import CloudFormation, DatabaseServer

from tandem.aws.aurora.runtime import handler as databases
from tandem.aws.aurora.runtime.handler import handler

PASSWORD = "pass'word\\1%"
Send = Callable[..., dict[str, Any]]


@pytest.fixture
def send(
    aws: None, cloudformation: CloudFormation, database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> Send:
    """Sends an event of one of the databases."""
    secrets = boto3.client("secretsmanager")
    master = json.dumps({"username": "master", "password": "masters-password"})
    secrets.create_secret(Name="master", SecretString=master)
    monkeypatch.setattr(databases, "AUTHORITIES", database_server.authorities)
    monkeypatch.setattr(databases, "CONNECT_FOR", 0)

    def go(request: str, name: str = "slurm_a", password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        try:
            secrets.create_secret(Name=f"of-{name}", SecretString=password)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=f"of-{name}", SecretString=password)
        properties = {"Host": "localhost", "Port": str(database_server.port), "MasterSecretArn": "master"}
        properties |= {"Database": name, "User": name, "PasswordSecretArn": f"of-{name}", "Privileges": "accounting"}
        physical = "" if request == "Create" else f"{name}/{name}"
        event = cloudformation.event(request, properties | more, more.pop("physical_id", physical))
        return cloudformation.send(handler, event)

    return go


@pytest.fixture(autouse=True)
def clean(database_server: DatabaseServer) -> None:
    for (name,) in database_server.rows("SHOW DATABASES LIKE 'slurm%'"):
        database_server.rows(f"DROP DATABASE {name}")
    for (name,) in database_server.rows("SELECT user FROM mysql.user WHERE user LIKE 'slurm%'"):
        database_server.rows(f"DROP USER {name}")


def can(server: DatabaseServer, statement: str, name: str = "slurm_a", password: str = PASSWORD) -> bool:
    with closing(server.connect(name, password)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except pymysql.MySQLError:
            return False
        return True


def test_an_account_can_use_its_own_database_and_no_other(send: Send, database_server: DatabaseServer) -> None:
    assert send("Create")["Status"] == "SUCCESS"
    # In a grant, an underscore stands for any letter.
    assert send("Create", "slurmxa")["Status"] == "SUCCESS"
    assert can(database_server, "CREATE TABLE slurm_a.t (n INT)")
    assert can(database_server, "INSERT INTO slurm_a.t VALUES (1)")
    assert not can(database_server, "CREATE TABLE slurmxa.t (n INT)")
    assert not can(database_server, "SELECT * FROM mysql.user")
    assert not can(database_server, "CREATE DATABASE slurm_b")
    assert not can(database_server, "GRANT SELECT ON slurm_a.* TO slurmxa@'%'")


def test_the_portals_account_has_no_procedures(send: Send, database_server: DatabaseServer) -> None:
    procedure = "CREATE PROCEDURE slurm_a.p() SELECT 1"
    send("Create")
    assert can(database_server, procedure)
    database_server.rows("DROP PROCEDURE slurm_a.p")
    send("Update", Privileges="portal")
    assert not can(database_server, procedure)
    assert can(database_server, "CREATE TABLE slurm_a.t (n INT)")


def test_nobody_enters_without_tls(send: Send, database_server: DatabaseServer) -> None:
    send("Create")
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        database_server.connect("slurm_a", PASSWORD, tls=False)


def test_the_lambda_itself_talks_to_the_right_server_only(
    send: Send, monkeypatch: pytest.MonkeyPatch, database_server: DatabaseServer
) -> None:
    # By a name that the certificate does not have.
    answer = send("Create", Host="127.0.0.1")
    assert answer["Status"] == "FAILED"
    assert "certificate" in answer["Reason"].lower()
    monkeypatch.undo()


def test_text_in_it_is_that_of_the_portals_names(send: Send, database_server: DatabaseServer) -> None:
    send("Create")
    ((_, statement),) = database_server.rows("SHOW CREATE DATABASE slurm_a")
    assert "utf8mb4_bin" in statement


def test_what_is_delivered_again_changes_nothing(send: Send, database_server: DatabaseServer) -> None:
    first = send("Create")
    assert can(database_server, "CREATE TABLE slurm_a.t (n INT)")
    again = send("Create")
    assert (first["Status"], first["PhysicalResourceId"]) == (again["Status"], again["PhysicalResourceId"])
    assert can(database_server, "INSERT INTO slurm_a.t VALUES (1)")


def test_an_update_sets_the_password_anew(send: Send, database_server: DatabaseServer) -> None:
    send("Create")
    send("Update", password="another-one", PasswordVersion="2")
    assert can(database_server, "CREATE TABLE slurm_a.t (n INT)", password="another-one")
    with pytest.raises(pymysql.OperationalError):
        database_server.connect("slurm_a", PASSWORD)


def test_another_name_is_another_resource(send: Send, database_server: DatabaseServer) -> None:
    send("Create")
    # CloudFormation deletes the old one afterwards, because the id is another.
    assert send("Update", "slurm_b", physical_id="slurm_a/slurm_a")["PhysicalResourceId"] == "slurm_b/slurm_b"


def test_delete_takes_the_account_and_leaves_the_data(send: Send, database_server: DatabaseServer) -> None:
    send("Create")
    assert can(database_server, "CREATE TABLE slurm_a.t (n INT)")
    for _ in range(2):
        assert send("Delete")["Status"] == "SUCCESS"
    assert database_server.rows("SHOW TABLES FROM slurm_a") == [("t",)]
    with pytest.raises(pymysql.OperationalError):
        database_server.connect("slurm_a", PASSWORD)


def test_delete_does_not_hold_a_stack_up_when_the_server_is_gone(send: Send) -> None:
    assert send("Delete", Port="1")["Status"] == "SUCCESS"
    assert send("Delete", MasterSecretArn="gone")["Status"] == "SUCCESS"


def test_delete_of_what_never_was_asks_nobody(send: Send, database_server: DatabaseServer) -> None:
    answer = send("Delete", physical_id="nothing-made:Thing", MasterSecretArn="unknown")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "nothing-made:Thing")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"Port": "1"}, "DatabaseAway"),
        ({"Database": "a`; DROP DATABASE mysql"}, "Database must be"),
        ({"User": "x" * 33}, "User must be"),
        ({"PasswordSecretArn": "unknown"}, "ResourceNotFound"),
        ({"Privileges": "all"}, "all"),
    ],
)
def test_what_fails_is_answered_and_shows_no_password(send: Send, wrong: dict[str, str], said: str) -> None:
    answer = send("Create", **wrong)
    assert answer["Status"] == "FAILED"
    assert said in answer["Reason"]
    assert "password" not in answer["Reason"].lower().replace("passwordsecretarn", "")
