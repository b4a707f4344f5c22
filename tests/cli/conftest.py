"""A portal that answers over HTTP, and the command line in front of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tandem.accounts.actions import add_person
from tandem.cli.main import app

PASSWORD = "a-Good-Passw0rd!"


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own, with nothing kept in it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TANDEM_URL", "TANDEM_TOKEN", "TANDEM_CA", "TANDEM_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tandem(home: Path) -> Callable[..., Outcome]:
    """The `tandem` command."""

    def run(*words: str, typed: str | bytes | None = None) -> Outcome:
        result = CliRunner().invoke(app, list(words), input=typed)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def portal(live_server: Any, settings: Any) -> str:
    """The address of a portal with mia, and chief, who is an administrator."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for name, administrator in (("mia", False), ("chief", True)):
        person = add_person(name, administrator=administrator)
        person.set_password(PASSWORD)
        person.save()
    url: str = live_server.url
    return url


@pytest.fixture
def sign_in(portal: str, tandem: Callable[..., Outcome]) -> Callable[[str], None]:
    """Sign in with `tandem login`."""

    def run(name: str) -> None:
        outcome = tandem("login", portal, "--user", name, "--password-stdin", typed=PASSWORD + "\n")
        assert outcome.status == 0, outcome.stderr

    return run


@pytest.fixture
def signed_in(sign_in: Callable[[str], None]) -> None:
    """mia is signed in."""
    sign_in("mia")
