"""`python -m django prepare_database`: the tables as this release needs them, and the environment file's people.

Portal nodes that start at the same time all run it. Only one does at a time; the next finds nothing left to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

LOCK = "tandem-prepare-database"
PATIENCE = 300


@contextmanager
def only_one(patience: int = PATIENCE) -> Iterator[None]:
    """Hold a lock of the database server's own, which ends with the connection. Raises CommandError.

    SQLite has none, and no second node.
    """
    if connection.vendor != "mysql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", [LOCK, patience])
        if cursor.fetchone() != (1,):
            raise CommandError("another node has been preparing the database for too long")
        try:
            yield
        finally:
            cursor.execute("SELECT RELEASE_LOCK(%s)", [LOCK])


class Command(BaseCommand):
    """Takes the options of `sync_people`."""

    help = "Bring the database to what this release and the environment file say."

    def add_arguments(self, parser: CommandParser) -> None:
        """Handed on as they are."""
        parser.add_argument("--environment")
        parser.add_argument("--administrator-password-file")
        parser.add_argument("--administrator-password-since")

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then people, with other nodes kept waiting."""
        wanted = ("environment", "administrator_password_file", "administrator_password_since")
        handed_on = [f"--{name.replace('_', '-')}={options[name]}" for name in wanted if options[name] is not None]
        with only_one():
            call_command("migrate", interactive=False, stdout=self.stdout)
            call_command("sync_people", *handed_on, stdout=self.stdout)
