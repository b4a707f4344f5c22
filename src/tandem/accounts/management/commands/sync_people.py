"""`python -m django sync_people`: the environment file's people into the database."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tandem.accounts.sync import SyncRefused, sync_people
from tandem.environment import EnvironmentFileError, load_environment
from tandem.node import this_node


class Command(BaseCommand):
    """Says what it added and changed. Never prints a password."""

    help = "Take the people of the environment file into the portal."

    def add_arguments(self, parser: CommandParser) -> None:
        """Files only: a password on a command line could be read by everybody on the machine."""
        parser.add_argument("--environment", type=Path, help="the environment file; default: this node's")
        parser.add_argument("--administrator-password-file", type=Path)
        parser.add_argument(
            "--administrator-password-since",
            type=datetime.fromisoformat,
            help="when that password was given out: it replaces one that was chosen before",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, take over, report."""
        node = this_node()
        path: Path | None = options["environment"] or (node.environment if node else None)
        if path is None:
            raise CommandError("Give --environment: this is not a portal node.")
        file: Path | None = options["administrator_password_file"]
        try:
            password = file.read_text().rstrip("\n") if file else None
            done = sync_people(load_environment(path), password, options["administrator_password_since"])
        except (SyncRefused, EnvironmentFileError, OSError) as problem:
            raise CommandError(str(problem)) from problem
        except ValidationError as problem:
            raise CommandError(f"The administrator's password: {' '.join(problem.messages)}") from problem
        for words, names in (("added", done.added), ("changed", done.changed), ("disabled", done.disabled)):
            if names:
                self.stdout.write(f"{words}: {', '.join(names)}")
        if done.administrator_password_set:
            self.stdout.write("the administrator's password is set")
