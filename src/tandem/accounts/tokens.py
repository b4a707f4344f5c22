"""Secrets that are shown once: API tokens and one-time links. Only their SHA-256 is kept.

A plain hash is enough here: unlike a password, such a secret has 256 random bits, which nobody guesses.
"""

import hashlib
import secrets

TOKEN_START = "tandem_"  # noqa: S105


def digest(secret: str) -> str:
    """What is kept of a secret, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token() -> str:
    """A new API token. Its start lets secret scanners recognise one that was published by mistake."""
    return TOKEN_START + secrets.token_urlsafe(32)


def new_link_secret() -> str:
    """The secret of a one-time link."""
    return secrets.token_urlsafe(32)
