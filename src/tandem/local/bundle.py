"""The front-end bundle: built when the checkout has none, or an older one than its sources."""

from pathlib import Path

from tandem.local.commands import run_logged
from tandem.local.progress import StepError
from tandem.local.zone import SOURCE

SITE = SOURCE / "tandem" / "site"
MANIFEST = SITE / "static" / "dist" / "manifest.json"


def bundle_is_fresh(manifest: Path = MANIFEST, sources: Path = SITE / "frontend") -> bool:
    """Whether the bundle is newer than all it is made from."""
    if not manifest.is_file():
        return False
    if not sources.is_dir():
        return True  # an installed package: it came with its bundle
    made = manifest.stat().st_mtime
    return all(path.stat().st_mtime <= made for path in sources.rglob("*") if path.is_file())


def build_bundle(log: Path) -> None:
    """Build the bundle with the machine's Node.js, or with one from a locked wheel. Raises StepError."""
    if run_logged([str(SITE / "frontend" / "build.sh"), str(SOURCE.parent / "build" / "frontend")], log) != 0:
        raise StepError("the front-end bundle could not be built", log)
