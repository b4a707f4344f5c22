"""The Lambda that makes databases in Aurora, and an account for each that may do what it needs there and no more.

A custom resource (`Custom::TandemDatabase`) is one database with its one account. Properties: `Host`, `Port`,
`MasterSecretArn` (RDS's own JSON), `Database`, `User`, `PasswordSecretArn` (plain text), `Privileges` (`portal` or
`accounting`), and `PasswordVersion`, any text: a change sets the password anew.

Every step may be repeated. Delete takes the account away and never the data: a snapshot that is made of the database
when the stack goes has to hold it.
"""

import json
import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pymysql  # type: ignore[import-untyped]
from botocore.exceptions import ClientError
from pymysql.constants import CR  # type: ignore[import-untyped]
from pymysql.err import OperationalError  # type: ignore[import-untyped]

from tandem.aws.answering import NOTHING_MADE, Context, Event, Result, answered, log

# Amazon's authorities for database servers, of all regions (see tests/aws/runtime/test_authorities.py).
AUTHORITIES = Path(__file__).with_name("rds-authorities.pem")

# The portal changes its own tables when it is upgraded. Slurm's are made by slurmdbd, some by procedures of its own.
_TABLES = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES")
PRIVILEGES = {
    "portal": _TABLES,
    "accounting": (
        *_TABLES,
        *("CREATE TEMPORARY TABLES", "LOCK TABLES", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE"),
    ),
}
# What cannot be a name is refused before it comes near a statement; MySQL gives accounts 32 characters.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")

CONNECT_FOR = 120.0  # seconds; a serverless database that slept, or is failing over, needs some
CONNECT_TIME = 10
STATEMENT_TIME = 30
_AWAY = {CR.CR_CONN_HOST_ERROR, CR.CR_CONNECTION_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST}


class DatabaseAway(Exception):
    """The database server does not answer."""


def handler(raw: dict[str, Any], context: Context | None) -> None:
    """What Lambda calls."""
    answered(raw, context, _work)


def _work(event: Event) -> Result:
    if event.request == "Delete":
        return _delete(event)
    database, user = _name(event, "Database"), _name(event, "User")
    privileges = PRIVILEGES[event.text("Privileges")]
    password = _secret(event.text("PasswordSecretArn"))
    with closing(_connect(event)) as connection, connection.cursor() as cursor:
        make_database(cursor, database)
        make_account(cursor, user, password, database, privileges)
    return Result(f"{database}/{user}")


def _delete(event: Event) -> Result:
    """Take the account away. Where the server is gone, or who may do that, it is gone with it."""
    _, _, user = event.physical_id.partition("/")
    if event.physical_id.startswith(f"{NOTHING_MADE}:") or not _NAME.fullmatch(user):
        return Result(event.physical_id)
    try:
        with closing(_connect(event)) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP USER IF EXISTS `{user}`@`%`")
    except DatabaseAway as problem:
        log.warning("the account %s was not removed: %s", user, problem)
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        log.warning("the account %s was not removed: there is no master secret", user)
    return Result(event.physical_id)


def make_database(cursor: Any, database: str) -> None:
    """The database, with the collation that the portal and Slurm's own tables expect of names and paths."""
    cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")


def make_account(cursor: Any, user: str, password: str, database: str, privileges: tuple[str, ...]) -> None:
    """The account with this password and exactly these rights, through TLS only."""
    cursor.execute(f"CREATE USER IF NOT EXISTS `{user}`@`%%` IDENTIFIED BY %s REQUIRE SSL", [password])
    cursor.execute(f"ALTER USER `{user}`@`%%` IDENTIFIED BY %s REQUIRE SSL", [password])
    # Rights on a database are looked up when a connection chooses it: those that are open do not notice.
    cursor.execute(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM `{user}`@`%`")
    # In a grant, _ stands for any letter: slurm_a would open slurmxa as well.
    only = database.replace("_", r"\_")
    cursor.execute(f"GRANT {', '.join(privileges)} ON `{only}`.* TO `{user}`@`%`")


def _name(event: Event, key: str) -> str:
    name = event.text(key)
    if not _NAME.fullmatch(name):
        raise ValueError(f"{key} must be lower-case letters, digits and underscores, at most 32")
    return name


def _secret(arn: str) -> str:
    value = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return str(value).strip()


def _connect(event: Event) -> Any:
    """A connection of the master account's, by TLS and to nobody but the server of that name. Raises DatabaseAway."""
    master = json.loads(_secret(event.text("MasterSecretArn")))
    until = time.monotonic() + CONNECT_FOR
    while True:
        try:
            return pymysql.connect(
                host=event.text("Host"),
                port=int(event.text("Port", "3306")),
                user=master["username"],
                password=master["password"],
                ssl={"ca": str(AUTHORITIES), "verify_mode": "required", "check_hostname": True},
                connect_timeout=CONNECT_TIME,
                read_timeout=STATEMENT_TIME,
                write_timeout=STATEMENT_TIME,
                autocommit=True,
            )
        except OperationalError as problem:
            if problem.args[0] not in _AWAY:
                raise
            if time.monotonic() > until:
                raise DatabaseAway(str(problem.args[-1])) from problem
            log.info("waiting for the database: %s", problem.args[-1])
            time.sleep(1)
