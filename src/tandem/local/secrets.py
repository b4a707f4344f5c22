"""The environment's secrets: made once, kept in files that only their reader can open."""

import secrets
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tandem.local.state import ensure_directory, write_file

# Special characters that no shell, YAML or URL takes for something else; and nothing that is easily misread.
_SPECIAL = "-_.+="
_LETTERS = "".join(letter for letter in string.ascii_letters if letter not in "lIO")
_DIGITS = "23456789"

TEN_YEARS = timedelta(days=3650)


def generate_password(length: int = 20) -> str:
    """A random password that keeps the portal's rule: a letter, a digit and a special character are in it."""
    kinds = (_LETTERS, _DIGITS, _SPECIAL)
    while True:
        password = "".join(secrets.choice("".join(kinds)) for _ in range(length))
        # A special character at an end is easily lost when the password is copied.
        if all(set(password) & set(kind) for kind in kinds) and not {password[0], password[-1]} & set(_SPECIAL):
            return password


class Secrets:
    """The directory of one environment's secrets."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def prepare(self, accounting: list[str], heads: list[str]) -> None:
        """Make all that is missing: for these accounting databases, and these head nodes."""
        ensure_directory(self.directory, 0o700)
        self._once("administrator", lambda: generate_password().encode())
        for name in ["database", "django", *accounting]:
            self._once(name, lambda: secrets.token_urlsafe(32).encode())
        for name in ["authority", *(f"host-{head}" for head in heads)]:
            self._once(name, new_ssh_key)
        for name in accounting:
            self._once(f"munge-{name}", lambda: secrets.token_bytes(128))

    def _once(self, name: str, make: Callable[[], bytes]) -> None:
        if not (self.directory / name).exists():
            write_file(self.directory / name, make(), 0o600)

    def text(self, name: str) -> str:
        """A secret that is text."""
        return (self.directory / name).read_text().strip()

    def data(self, name: str) -> bytes:
        """A secret as it is."""
        return (self.directory / name).read_bytes()

    def public_key(self, name: str) -> str:
        """The public half of an SSH key, on one line."""
        return public_line(self.data(name))

    def all_texts(self) -> dict[str, bytes]:
        """Every secret by name, for the test that looks for them where they must not be."""
        return {path.name: path.read_bytes().strip() for path in self.directory.iterdir() if path.is_file()}


def new_ssh_key() -> bytes:
    """A private key in OpenSSH's form."""
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def public_line(private_key: bytes) -> str:
    """The public half of `private_key` in OpenSSH's one-line form."""
    key = serialization.load_ssh_private_key(private_key, password=None).public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def ensure_certificates(directory: Path, authority: Path, names: list[str]) -> Path:
    """A TLS authority of the environment's own, and the portal's certificate by it. Returns the file for the server.

    The authority's key is thrown away: it signs one certificate, for this machine, and can never sign another.
    """
    bundle = directory / "portal.pem"
    if bundle.exists() and authority.exists():
        return bundle
    now = datetime.now(UTC) - timedelta(minutes=5)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Tandem authority of {directory.parent.name}")])
    root = (
        _certificate(root_name, root_name, root_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    loopback = [x509.IPAddress(ip_address(address)) for address in ("127.0.0.1", "::1")]
    certificate = (
        _certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]), root_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([*(x509.DNSName(name) for name in names), *loopback]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_file(bundle, certificate.public_bytes(serialization.Encoding.PEM) + private, 0o600)
    write_file(authority, root.public_bytes(serialization.Encoding.PEM), 0o644)
    return bundle


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=start + TEN_YEARS,
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
