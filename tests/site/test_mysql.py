"""What the database's backend says to the server: with the driver as it is, and no server."""

from typing import Any

import pymysql
import pytest
from django.db.utils import ConnectionHandler
from pymysql.constants.COMMAND import COM_PING, COM_QUERY
from pymysql.constants.SERVER_STATUS import SERVER_STATUS_AUTOCOMMIT

from tandem.site.mysql.base import TRUSTED_FOR, DatabaseWrapper


class Driver(pymysql.Connection):  # type: ignore[type-arg]
    """Connected, as far as anybody can see; keeps what is sent."""

    def __init__(self) -> None:
        super().__init__(defer_connect=True, autocommit=True)
        self.sent: list[str] = []
        self.server_status = SERVER_STATUS_AUTOCOMMIT
        self._sock: Any = object()

    def _execute_command(self, command: int, sql: Any) -> None:
        self.sent.append("PING" if command == COM_PING else sql)
        assert command in (COM_PING, COM_QUERY)

    def _read_ok_packet(self) -> Any:
        return None


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> DatabaseWrapper:
    described = ConnectionHandler({"default": {"ENGINE": "tandem.site.mysql"}})
    database = described["default"]
    assert isinstance(database, DatabaseWrapper)
    database.connection = Driver()
    monkeypatch.setattr(database, "ensure_connection", lambda: None)
    database.autocommit = True
    return database


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_transaction_costs_one_statement_before_it_and_one_after_it(database: DatabaseWrapper, end: str) -> None:
    database.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    assert not database.get_autocommit()
    getattr(database, end)()
    database.set_autocommit(True)
    assert database.connection.sent == ["BEGIN", end.upper()]


def test_a_lost_connection_is_not_replaced_behind_djangos_back(database: DatabaseWrapper) -> None:
    assert database.is_usable()
    assert database.connection.sent == ["PING"]
    database.connection._sock = None
    assert not database.is_usable()


def test_a_connection_that_lay_idle_within_a_turn_is_tried_before_its_next_use(database: DatabaseWrapper) -> None:
    database.health_check_enabled = True
    database.close_if_health_check_failed()
    database.close_if_health_check_failed()
    assert database.connection.sent == ["PING"]
    database._used_at -= TRUSTED_FOR
    database.close_if_health_check_failed()
    assert database.connection.sent == ["PING", "PING"]


def test_a_connection_is_not_replaced_in_the_middle_of_a_transaction(database: DatabaseWrapper) -> None:
    database.health_check_enabled = True
    database.close_if_health_check_failed()
    database.in_atomic_block = True
    database._used_at -= TRUSTED_FOR
    database.close_if_health_check_failed()
    assert database.connection.sent == ["PING"]
