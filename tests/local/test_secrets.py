"""Secrets are made once, and only their reader can open them."""

from pathlib import Path

import asyncssh

from tandem.accounts.passwords import PasswordValidator
from tandem.local.secrets import (
    Secrets,
    fingerprint,
    generate_password,
    new_ssh_key,
    public_line,
)


def test_generated_passwords_keep_the_portals_rule_and_survive_being_copied() -> None:
    passwords = {generate_password() for _ in range(200)}
    assert len(passwords) == 200
    for password in passwords:
        PasswordValidator().validate(password)
        assert len(password) == 20
        assert (password[0] + password[-1]).isalnum()


def test_secrets_are_made_once(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    secrets.prepare(["slurm_a"], ["cluster1"])
    before = secrets.all_texts()
    secrets.prepare(["slurm_a", "slurm_b"], ["cluster1", "cluster2"])
    after = secrets.all_texts()
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after)


def test_only_root_can_open_them(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    secrets.prepare(["slurm_a"], ["cluster1"])
    assert secrets.directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in secrets.directory.iterdir()} == {0o600}


def test_an_authority_is_replaced_by_one_that_was_trusted_before_and_its_key_is_gone(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    secrets.prepare([], [])
    key, first = secrets.data("authority"), secrets.public_key("authority")
    assert (secrets.trusted_authorities(), secrets.replaced_at()) == (f"{first}\n", None)
    secrets.introduce_authority()
    coming = secrets.authorities()["coming"]
    secrets.introduce_authority()
    assert secrets.authorities() == {"signing": first, "coming": coming, "leaving": None}
    assert secrets.trusted_authorities() == f"{first}\n{coming}\n"
    # Interrupted between its two steps, nothing has been replaced.
    (secrets.directory / "authority.old.pub").write_text(first)
    assert secrets.authorities() == {"signing": first, "coming": coming, "leaving": None}
    secrets.replace_authority()
    assert secrets.authorities() == {"signing": coming, "coming": None, "leaving": first}
    assert secrets.replaced_at()
    assert not [path for path in secrets.directory.iterdir() if path.read_bytes() == key]
    secrets.drop_authority()
    assert secrets.trusted_authorities() == f"{coming}\n"


def test_a_fingerprint_is_the_one_that_openssh_shows() -> None:
    key = new_ssh_key()
    assert fingerprint(public_line(key)) == asyncssh.import_private_key(key).get_fingerprint()
