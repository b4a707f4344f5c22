"""Secrets are made once, and only their reader can open them."""

from pathlib import Path

from cryptography import x509

from tandem.accounts.passwords import PasswordValidator
from tandem.local.secrets import Secrets, ensure_certificates, generate_password


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


def test_the_portal_certificate_is_by_the_environments_own_authority(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    bundle = ensure_certificates(tmp_path / "secrets", tmp_path / "ca.pem", ["localhost", "lab"])
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    certificate = x509.load_pem_x509_certificate(bundle.read_bytes())
    certificate.verify_directly_issued_by(authority)
    assert b"PRIVATE KEY" not in (tmp_path / "ca.pem").read_bytes()
    assert bundle.stat().st_mode & 0o777 == 0o600
    before = bundle.read_bytes()
    assert ensure_certificates(tmp_path / "secrets", tmp_path / "ca.pem", ["localhost"]).read_bytes() == before
