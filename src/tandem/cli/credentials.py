"""What `tandem login` keeps: one file, readable by its owner alone, with the portal's address and the token."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path


class NotSignedInError(Exception):
    """There is nothing kept, and nothing given by the process environment."""


@dataclass(frozen=True)
class Credentials:
    """How to reach a portal and who asks. `authority` is the PEM text of the portal's own authority, if it has one."""

    url: str
    token: str
    user: str = ""
    token_id: int | None = None
    expires_at: str = ""
    authority: str = ""


def credentials_path() -> Path:
    """`~/.config/tandem/credentials.json`, or below `XDG_CONFIG_HOME`."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "tandem" / "credentials.json"


def load_credentials() -> Credentials:
    """What `TANDEM_URL`, `TANDEM_TOKEN` and `TANDEM_CA` (a file) say; otherwise what was kept.

    Raises NotSignedInError, and OSError when the file cannot be read.
    """
    url, token, authority = (os.environ.get(name, "") for name in ("TANDEM_URL", "TANDEM_TOKEN", "TANDEM_CA"))
    if url and token:
        pem = Path(authority).read_text() if authority else ""
        return Credentials(url=url.rstrip("/"), token=token, authority=pem)
    return kept_credentials()


def kept_credentials() -> Credentials:
    """What `tandem login` kept. Raises NotSignedInError."""
    try:
        kept = Credentials(**json.loads(credentials_path().read_bytes()))
        if not (isinstance(kept.url, str) and isinstance(kept.token, str)):
            raise TypeError
        return kept
    except FileNotFoundError:
        raise NotSignedInError("You are not signed in: run `tandem login`.") from None
    except (ValueError, TypeError):
        raise NotSignedInError(f"{credentials_path()} is damaged: run `tandem login`.") from None


def keep_credentials(credentials: Credentials) -> Path:
    """Write them, mode 0600 from the first byte on, in one step. Returns where."""
    path = credentials_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".credentials")  # mkstemp: 0600 whatever the umask
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(credentials), file)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def forget_credentials() -> bool:
    """Remove what was kept. Returns whether there was something."""
    try:
        credentials_path().unlink()
    except FileNotFoundError:
        return False
    return True
