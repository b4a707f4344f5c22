"""Making the database fail over as Aurora does.

Aurora's old writer becomes read-only and stays so; the cluster's name leads new connections to the new writer. Here one
server plays both. A global privilege counts for connections made after it was granted: read-only for all connections
that there are, while those made later may write.
"""

import subprocess

from tandem.local.enter import command_on, find_host
from tandem.local.layout import Layout
from tandem.local.render import PORTAL_DATABASE

SOCKET = "/run/mysqld/mysqld.sock"


class DatabaseError(Exception):
    """The database server did not do what a drill asked of it."""


class DatabaseDrill:
    """What can be done to the database of an environment. Methods raise DatabaseError."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.accounts = [PORTAL_DATABASE, *(zone.accounting_database for zone in layout.zones)]

    def lose_writer(self) -> None:
        """From now on nobody can write."""
        self._all("REVOKE READ ONLY ADMIN ON *.* FROM {account}")
        self.ask("SET GLOBAL read_only = 1")

    def move_writer(self) -> None:
        """New connections can write; those that there are still cannot."""
        self._all("GRANT READ ONLY ADMIN ON *.* TO {account}")

    def heal(self) -> None:
        """Everybody can write, as ever."""
        self.ask("SET GLOBAL read_only = 0")
        self._all("REVOKE READ ONLY ADMIN ON *.* FROM {account}")

    def is_read_only(self) -> bool:
        """Whether the writer is lost, or has moved."""
        return self.ask("SELECT @@global.read_only").strip() == "1"

    def lease_holder(self, name: str) -> str:
        """Which worker holds a lease, as it calls itself; empty when nobody does."""
        statement = "SELECT name, holder FROM tandem.operations_lease WHERE expires_at > UTC_TIMESTAMP(6)"
        return dict(line.split("\t") for line in self.ask(statement).splitlines()).get(name, "")

    def ask(self, statement: str) -> str:
        """Run a statement as the server's administrator; what it answers, without heads."""
        client = ["mariadb", "--no-defaults", f"--socket={SOCKET}", "--batch", "--skip-column-names"]
        command = command_on(self.layout, find_host(self.layout, "core"), client)
        done = subprocess.run(command, input=statement, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DatabaseError(f"{statement}: {done.stderr.strip()}")
        return done.stdout

    def _all(self, statement: str) -> None:
        self.ask(";".join(statement.format(account=f"`{name}`@`10.77.%`") for name in self.accounts))
