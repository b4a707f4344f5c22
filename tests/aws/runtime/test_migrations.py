"""The tables can be made in what Aurora is, and in what stands in for it here.

Django renders migrations differently for MySQL and MariaDB, and asks the server which it is. Here it is told.
"""

from typing import Any

import pymysql
import pytest
from django.db.migrations.loader import MigrationLoader
from django.db.utils import ConnectionHandler

from tandem.site.mysql.base import DatabaseWrapper

FLAVOURS = {"Aurora MySQL 3": ("8.0.42", False), "MariaDB": ("10.11.11-MariaDB", True)}


class Silent:
    """A cursor of a server that has nothing yet."""

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def execute(self, *_: object) -> None:
        """Nothing is asked that has an answer."""

    def fetchall(self) -> list[Any]:
        return []

    def fetchone(self) -> tuple[Any, ...]:
        return ("utf8mb4_bin",)


@pytest.fixture(params=FLAVOURS.items(), ids=FLAVOURS)
def flavour(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A connection that is never opened: what Django would ask the server is answered beforehand."""
    version, is_mariadb = request.param[1]
    connection = ConnectionHandler({"default": {"ENGINE": "tandem.site.mysql", "NAME": "tandem"}})["default"]
    assert isinstance(connection, DatabaseWrapper)
    connection.__dict__["mysql_server_data"] = {
        "version": version,
        "sql_mode": "STRICT_TRANS_TABLES",
        "default_storage_engine": "InnoDB",
        "sql_auto_is_null": False,
        "lower_case_table_names": 0,
        "has_zoneinfo_database": False,
    }
    assert connection.mysql_is_mariadb is is_mariadb
    monkeypatch.setattr(connection, "cursor", Silent)
    monkeypatch.setattr(connection, "ensure_connection", lambda: None)
    # For quoting, the driver need not be connected.
    connection.connection = pymysql.Connection(defer_connect=True)
    connection.connection.server_status = 0
    monkeypatch.setattr(connection.introspection, "get_storage_engine", lambda *_: "InnoDB")
    # Which keys a table has already: an index is made once more than it would be.
    monkeypatch.setattr(connection.introspection, "get_constraints", lambda *_: {})
    return connection


def test_migrations_render(flavour: Any) -> None:
    loader = MigrationLoader(None)
    targets = loader.graph.leaf_nodes()
    plan = [(loader.graph.nodes[node], False) for node in loader.graph._generate_plan(targets, True)]
    statements = loader_sql(flavour, plan)
    (jobs,) = [statement for statement in statements if statement.startswith("CREATE TABLE `jobs_job` ")]
    # What only one of the two has.
    assert ("`id` uuid " if flavour.mysql_is_mariadb else "`id` char(32) ") in jobs


def loader_sql(connection: Any, plan: list[Any]) -> list[str]:
    """The statements of a whole plan."""
    state, statements = None, []
    loader = MigrationLoader(None)
    for migration, _ in plan:
        state = state or loader.project_state((migration.app_label, migration.name), at_end=False)
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            state = migration.apply(state, editor, collect_sql=True)
        statements += editor.collected_sql
    return statements
