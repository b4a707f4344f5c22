"""Where the emulator listens: on the loopback interface alone."""

import os

ACCOUNT = "123456789012"


def port() -> int:
    """Its port."""
    return int(os.environ["MOTO_PORT"])


def endpoint() -> str:
    """Its address."""
    return f"http://127.0.0.1:{port()}"
