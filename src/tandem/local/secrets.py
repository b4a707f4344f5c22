"""The environment's secrets: made once, kept in files that only their reader can open."""

import secrets
import string
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tandem.local.state import ensure_directory, write_file

# Special characters that no shell, YAML or URL takes for something else; and nothing that is easily misread.
_SPECIAL = "-_.+="
_LETTERS = "".join(letter for letter in string.ascii_letters if letter not in "lIO")
_DIGITS = "23456789"

# The SSH authority that signs; the one that will; the public half of the one that did.
AUTHORITY, NEW_AUTHORITY, OLD_AUTHORITY = "authority", "authority.new", "authority.old.pub"


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
        for name in [AUTHORITY, *(f"host-{head}" for head in heads)]:
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
        files = (path for path in self.directory.iterdir() if path.is_file() and path.name != OLD_AUTHORITY)
        return {path.name: path.read_bytes().strip() for path in files}

    # The SSH authority, and during a rotation a second one. Each change is one rename or removal.

    def authorities(self) -> dict[str, str | None]:
        """The public halves: of the one that signs, the one that is coming, the one that is leaving."""
        signing = self.public_key(AUTHORITY)
        old = self.directory / OLD_AUTHORITY
        leaving = old.read_text().strip() if old.exists() else None
        return {
            "signing": signing,
            "coming": self.public_key(NEW_AUTHORITY) if (self.directory / NEW_AUTHORITY).exists() else None,
            # Written just before the one that is coming takes its place.
            "leaving": leaving if leaving != signing else None,
        }

    def trusted_authorities(self) -> str:
        """What clusters trust, a line each."""
        return "".join(f"{line}\n" for line in self.authorities().values() if line)

    def introduce_authority(self) -> None:
        """A new one is coming."""
        self._once(NEW_AUTHORITY, new_ssh_key)

    def replace_authority(self) -> None:
        """The one that is coming signs. Of the one that signed, which is leaving, the private half is gone."""
        write_file(self.directory / OLD_AUTHORITY, self.public_key(AUTHORITY) + "\n", 0o600)
        (self.directory / NEW_AUTHORITY).rename(self.directory / AUTHORITY)
        self.note_replaced()

    def note_replaced(self) -> None:
        """From this moment on, the one that is leaving signs no more."""
        (self.directory / OLD_AUTHORITY).touch()

    def replaced_at(self) -> float | None:
        """Since when that is so, in seconds; None when none is leaving."""
        return (self.directory / OLD_AUTHORITY).stat().st_mtime if self.authorities()["leaving"] else None

    def rotation_is_under_way(self) -> bool:
        """Whether there is more than one."""
        return any((self.directory / name).exists() for name in (NEW_AUTHORITY, OLD_AUTHORITY))

    def drop_authority(self) -> None:
        """The one that is leaving is forgotten."""
        (self.directory / OLD_AUTHORITY).unlink()


def new_ssh_key() -> bytes:
    """A private key in OpenSSH's form."""
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def public_line(private_key: bytes) -> str:
    """The public half of `private_key` in OpenSSH's one-line form."""
    key = serialization.load_ssh_private_key(private_key, password=None).public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def fingerprint(public_key: str) -> str:
    """What people tell keys apart by, as `ssh-keygen -l` shows it; `public_key` is in OpenSSH's one-line form."""
    digest = sha256(b64decode(public_key.split()[1])).digest()
    return f"SHA256:{b64encode(digest).decode().rstrip('=')}"
