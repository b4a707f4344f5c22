"""The portal's certificate is by the environment's own authority, and is renewed before it ends."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tandem.local import certificates
from tandem.local.certificates import certificate_end, ensure_certificates
from tandem.local.layout import Layout
from tandem.local.prepare import prepare_state
from tandem.local.state import State
from tandem.local.status import environment_status

NAMES = ["localhost", "lab"]


class Files:
    def __init__(self, root: Path) -> None:
        self.secrets, self.authority = root / "secrets", root / "ca.pem"
        self.secrets.mkdir(mode=0o700)

    def ensure(self) -> bytes:
        return ensure_certificates(self.secrets, self.authority, NAMES).read_bytes()

    def accepted(self, name: str) -> bool:
        """Whether a client that trusts the authority alone is content with the server at this name or address."""
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=self.authority)
        server.load_cert_chain(self.secrets / "portal.pem")
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = server.wrap_bio(to_server, to_client, server_side=True)
        theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
        for _ in range(4):
            for side in (theirs, ours):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                except ssl.SSLCertVerificationError:
                    return False
        return True


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made now nears its end at once."""
    monkeypatch.setattr(certificates, "GOOD_FOR", certificates.RENEWED_BEFORE - timedelta(days=1))


def test_it_is_by_the_environments_own_authority_and_only_root_can_read_its_key(files: Files) -> None:
    files.ensure()
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    x509.load_pem_x509_certificate(files.ensure()).verify_directly_issued_by(authority)
    assert b"PRIVATE KEY" not in files.authority.read_bytes()
    assert {path.stat().st_mode & 0o777 for path in files.secrets.iterdir()} == {0o600}
    assert all(files.accepted(name) for name in (*NAMES, "127.0.0.1", "::1"))
    assert not files.accepted("elsewhere")


def test_it_is_good_for_as_long_as_browsers_accept_and_made_once(files: Files) -> None:
    before = files.ensure()
    assert files.ensure() == before
    end = certificate_end(files.secrets)
    assert end
    assert timedelta(days=390) < end - datetime.now(UTC) < timedelta(days=398)


@pytest.mark.usefixtures("ends_soon")
def test_it_is_renewed_before_it_ends_and_the_authority_stays(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    before, authority = files.ensure(), files.authority.read_bytes()
    monkeypatch.undo()
    after = files.ensure()
    assert after != before
    assert files.authority.read_bytes() == authority
    assert files.accepted("127.0.0.1")
    assert files.ensure() == after


@pytest.mark.parametrize("left", ["nothing", "another key"])
@pytest.mark.usefixtures("ends_soon")
def test_without_the_authoritys_key_both_are_made_anew(files: Files, left: str) -> None:
    """As of an earlier release, which threw it away; or after an interruption, where another lies there."""
    files.ensure()
    authority, key = files.authority.read_bytes(), files.secrets / "portal-authority.key"
    key.unlink()
    if left == "another key":
        other = Files(files.secrets)
        other.ensure()
        (other.secrets / key.name).rename(key)
    files.ensure()
    assert files.authority.read_bytes() != authority
    assert files.accepted("localhost")


def test_the_authority_can_sign_for_nothing_but_this_machine(files: Files) -> None:
    ensure_certificates(files.secrets, files.authority, NAMES)
    (files.secrets / "portal.pem").unlink()
    ensure_certificates(files.secrets, files.authority, ["bank.example"])
    assert not files.accepted("bank.example")


def test_status_says_when_it_nears_its_end(environment, tmp_path, monkeypatch) -> None:
    state = State(environment.name, tmp_path)
    monkeypatch.setattr("tandem.local.status.State", lambda _: state)
    state.root.mkdir()
    prepare_state(Layout(environment), state)
    assert environment_status(environment).notices == []
    (state.secrets / "portal.pem").unlink()
    monkeypatch.setattr(certificates, "GOOD_FOR", timedelta(days=30))
    prepare_state(Layout(environment), state)
    (notice,) = environment_status(environment).notices
    assert "`tandem up` renews it" in notice
