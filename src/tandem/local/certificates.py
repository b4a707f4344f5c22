"""The TLS certificate of the portal on this machine, by an authority of the environment's own.

The authority is what browsers and programs were told to trust, so it stays. Its key is kept, for root alone, to renew
the portal's certificate; should it get into wrong hands, it signs for this machine's loopback names only.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tandem.local.state import write_file

# As long as browsers accept from anybody; and how long before its end `up` makes a new one.
GOOD_FOR = timedelta(days=397)
RENEWED_BEFORE = timedelta(days=60)
AUTHORITY_GOOD_FOR = timedelta(days=3650)
LOOPBACK = ("127.0.0.1", "::1")
BUNDLE, KEY = "portal.pem", "portal-authority.key"


def ensure_certificates(directory: Path, authority: Path, names: list[str]) -> Path:
    """A certificate of the portal that is good for a while, by the authority at `authority`. The file for the server.

    Both are made where they are missing. A certificate that nears its end is made anew; the authority only if it does
    too, or if its key is not there: earlier releases did not keep it.
    """
    bundle, kept = directory / BUNDLE, directory / KEY
    now = datetime.now(UTC)
    if bundle.exists() and authority.exists() and _end(bundle) > now + RENEWED_BEFORE:
        return bundle
    root_key = _key_of(authority, kept) if authority.exists() and _end(authority) > now + GOOD_FOR else None
    if root_key is None:
        root_key = _make_authority(kept, authority, directory.parent.name, names, now)
    root = x509.load_pem_x509_certificate(authority.read_bytes())
    write_file(bundle, _signed(root, root_key, names, now), 0o600)
    return bundle


def certificate_end(directory: Path) -> datetime | None:
    """Until when the portal's certificate is good; None when there is none yet."""
    bundle = directory / BUNDLE
    return _end(bundle) if bundle.exists() else None


def _end(file: Path) -> datetime:
    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc


def _key_of(authority: Path, kept: Path) -> ec.EllipticCurvePrivateKey | None:
    """The key in `kept`, if it is the authority's: writing the two may have been interrupted."""
    if not kept.exists():
        return None
    key = serialization.load_pem_private_key(kept.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    certificate = x509.load_pem_x509_certificate(authority.read_bytes())
    return key if key.public_key() == certificate.public_key() else None


def _make_authority(
    kept: Path, authority: Path, environment: str, names: list[str], now: datetime
) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Tandem authority of {environment}")])
    allowed = [
        *(x509.DNSName(one) for one in names),
        *(x509.IPAddress(network) for network in (IPv4Network("127.0.0.1/32"), IPv6Network("::1/128"))),
    ]
    certificate = (
        _certificate(name, name, key.public_key(), now, AUTHORITY_GOOD_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=allowed, excluded_subtrees=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_file(kept, _private(key), 0o600)
    write_file(authority, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return key


def _signed(root: x509.Certificate, root_key: ec.EllipticCurvePrivateKey, names: list[str], now: datetime) -> bytes:
    """A new key and its certificate, as HAProxy reads them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    addresses = [x509.IPAddress(ip_address(address)) for address in LOOPBACK]
    certificate = (
        _certificate(subject, root.subject, key.public_key(), now, GOOD_FOR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([*(x509.DNSName(name) for name in names), *addresses]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + _private(key)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, good_for: timedelta
) -> x509.CertificateBuilder:
    start = now - timedelta(minutes=5)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=start + good_for,
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
