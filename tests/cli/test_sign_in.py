"""`tandem login` and `logout`: what is kept, how safely, and what is never done with a password."""

import json
import os
import stat
import subprocess
import sys

import pytest
from django.utils import timezone
from tests.region import write_environment

from tandem.accounts.models import Token
from tandem.cli.credentials import credentials_path
from tandem.environment import load_environment
from tandem.local.certificates import ensure_certificates

PASSWORD = "a-Good-Passw0rd!"


def test_login_keeps_a_token_that_only_its_owner_can_read_and_never_the_password(portal, tandem, signed_in):
    path = credentials_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kept = path.read_text()
    assert PASSWORD not in kept
    assert json.loads(kept)["url"] == portal
    assert tandem("job", "list").status == 0


def test_login_again_replaces_what_was_kept_and_ends_it(sign_in):
    sign_in("mia")
    sign_in("chief")
    assert json.loads(credentials_path().read_text())["user"] == "chief"
    assert [file.name for file in credentials_path().parent.iterdir()] == ["credentials.json"]
    assert [token.person.username for token in Token.objects.usable()] == ["chief"], "nobody could revoke the other"


def test_a_wrong_password_keeps_nothing(portal, tandem):
    outcome = tandem("login", portal, "--user", "mia", "--password-stdin", typed="wrong\n")
    assert outcome.status == 77
    assert "do not belong together" in outcome.stderr
    assert not credentials_path().exists()


def test_a_password_is_not_sent_unencrypted_to_another_machine(tandem):
    outcome = tandem("login", "http://portal.example.org", "--user", "mia", "--password-stdin", typed="x\n")
    assert outcome.status == 2
    assert "https" in outcome.stderr


def test_without_a_terminal_the_password_must_come_from_standard_input(portal, tandem):
    outcome = tandem("login", portal, "--user", "mia", typed="x\n")
    assert outcome.status == 2
    assert "--password-stdin" in outcome.stderr


def test_without_an_address_and_an_environment_here_login_says_what_it_needs(tandem):
    outcome = tandem("login", "--user", "mia", "--password-stdin", typed="x\n")
    assert outcome.status == 2
    assert "address" in outcome.stderr


def test_login_finds_file_and_state_where_all_commands_do(home):
    file = write_environment(home, name="elsewhere")
    state = home / "state"
    (state / "elsewhere" / "secrets").mkdir(parents=True)
    ensure_certificates(state / "elsewhere" / "secrets", state / "elsewhere" / "ca.pem", ["elsewhere"])
    known = {"TANDEM_FILE": str(file), "TANDEM_STATE": str(state)}
    # A process of its own: the state directory is settled when the command starts.
    done = subprocess.run(
        [sys.executable, "-m", "tandem", "login", "--user", "mia", "--password-stdin"],
        input="x\n",
        env={**os.environ, **known},
        capture_output=True,
        text=True,
    )
    assert f"https://127.0.0.1:{load_environment(file).portal.port}" in done.stderr
    assert done.returncode == 69


def test_an_authority_that_is_none_is_named(home, tandem):
    (home / "ca.pem").write_text("nothing")
    outcome = tandem("login", "https://127.0.0.1:1", "--ca", "ca.pem", "--user", "mia", "--password-stdin", typed="x\n")
    assert outcome.status == 2
    assert "ca.pem" in outcome.stderr


def test_logout_revokes_the_token_and_forgets_it(tandem, signed_in):
    assert tandem("logout", "--json").json == {"revoked": True, "forgotten": True}
    assert not credentials_path().exists()
    assert Token.objects.get().revoked_at is not None
    assert tandem("job", "list").status == 77
    assert tandem("logout").status == 0


def test_logout_ends_what_login_kept_also_beside_a_token_of_the_process_environment(tandem, signed_in, monkeypatch):
    monkeypatch.setenv("TANDEM_URL", "https://127.0.0.1:1")
    monkeypatch.setenv("TANDEM_TOKEN", "another")
    assert tandem("logout", "--json").json == {"revoked": True, "forgotten": True}
    assert Token.objects.get().revoked_at is not None


def test_logout_with_a_token_that_is_good_no_more_still_forgets_it(tandem, signed_in):
    Token.objects.update(revoked_at=timezone.now())
    assert tandem("logout").status == 0
    assert not credentials_path().exists()


@pytest.mark.parametrize("command", [["job", "list"], ["job", "show", "0" * 8], ["user", "list"]])
def test_who_is_not_signed_in_is_told_how_to(tandem, command):
    outcome = tandem(*command)
    assert outcome.status == 77
    assert "tandem login" in outcome.stderr


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_told_in_a_line(tandem, home, monkeypatch, content):
    if content:
        (home / "ca.pem").write_text(content)
    for name, value in {"TANDEM_URL": "https://127.0.0.1:1", "TANDEM_TOKEN": "t", "TANDEM_CA": "ca.pem"}.items():
        monkeypatch.setenv(name, value)
    outcome = tandem("job", "list")
    assert outcome.status == 1
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"url": 1}', '{"nonsense": 1}'])
def test_credentials_that_were_damaged_ask_for_a_new_login(tandem, signed_in, damage):
    credentials_path().write_text(damage)
    outcome = tandem("job", "list")
    assert outcome.status == 77
    assert "tandem login" in outcome.stderr


def test_a_token_can_come_from_the_process_environment(portal, tandem, signed_in, monkeypatch):
    token = json.loads(credentials_path().read_text())["token"]
    credentials_path().unlink()
    monkeypatch.setenv("TANDEM_URL", portal)
    monkeypatch.setenv("TANDEM_TOKEN", token)
    assert tandem("job", "list").status == 0
