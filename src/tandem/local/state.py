"""Where an environment keeps its things on this machine."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tandem.local.names import SERVICE_IDS

STATE = Path(os.environ.get("TANDEM_STATE", "/var/lib/tandem"))
LOCKS = Path("/run/tandem")


class BusyError(Exception):
    """Another command is changing this environment."""


class State:
    """The state directory of the environment `name`."""

    def __init__(self, name: str, parent: Path = STATE) -> None:
        self.name = name
        self.root = parent / name
        self.secrets = self.root / "secrets"
        self.authority = self.root / "ca.pem"
        self.releases = self.root / "releases"
        # Users of the environment have numbers that this machine's own may have too: nobody of here passes this one.
        self.storage = self.root / "storage"
        self.efs = self.storage / "efs"
        self.people = self.root / "people"
        self.database = self.root / "database"
        self.core = self.root / "core"

    def zone(self, name: str) -> Path:
        """The directory of one zone: what survives the zone's loss."""
        return self.root / "zones" / name

    def scratch(self, cluster: str) -> Path:
        """A cluster's scratch file system."""
        return self.storage / "scratch" / cluster

    def logs(self) -> dict[str, Path]:
        """The log directory of the core and of each zone."""
        zones = self.root / "zones"
        found = {"core": self.core / "log"}
        if zones.is_dir():
            found |= {zone.name: zone / "log" for zone in sorted(zones.iterdir())}
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the environment against other commands that change it. Raises BusyError."""
        LOCKS.mkdir(exist_ok=True)
        # Not in the state directory: removing that does not remove the lock under another's feet.
        with open(LOCKS / f"{self.name}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BusyError(f"another command is changing the environment {self.name!r}") from None
            yield

    def remove(self) -> None:
        """Forget everything; nothing is left when it was the only environment."""
        shutil.rmtree(self.root)
        with suppress(OSError):
            self.root.parent.rmdir()


def ensure_directory(path: Path, mode: int = 0o755, uid: int = 0, gid: int | None = None) -> Path:
    """Make `path` with this mode and owner, whatever it was before and whatever the umask is."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    os.chown(path, uid, uid if gid is None else gid)
    return path


def ensure_people_directory(state: State) -> Path:
    """Where the people file is: the portal's own services replace it there, and nobody else does."""
    return ensure_directory(state.people, 0o775, SERVICE_IDS["tandem-worker"], SERVICE_IDS["tandem"])


def ensure_storage(state: State) -> None:
    """Where the environment's file systems are: root shows them in the zones, and they are reached there only."""
    ensure_directory(state.storage, 0o700)


def outside_storage(state: State) -> list[Path]:
    """File systems where earlier releases kept them: open to whoever of this machine has their users' numbers."""
    return [path for path in (state.root / "efs", state.root / "scratch") if path.exists()]


def move_into_storage(state: State) -> None:
    """Bring them to their place. No zone may run: it would go on with the old ones."""
    ensure_storage(state)
    for path in outside_storage(state):
        path.rename(state.storage / path.name)


def write_file(path: Path, content: str | bytes, mode: int = 0o644, uid: int = 0) -> bool:
    """Write `content` in one step, with this mode and owner from the first moment. Returns whether anything changed."""
    data = content.encode() if isinstance(content, str) else content
    if is_written(path, data, mode):
        return False
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(data)
        os.fchown(descriptor, uid, uid)
        os.fchmod(descriptor, mode)
    aside.rename(path)
    return True


def is_written(path: Path, content: bytes, mode: int) -> bool:
    """Whether a file is there with this content and mode."""
    return path.is_file() and path.read_bytes() == content and path.stat().st_mode & 0o777 == mode
