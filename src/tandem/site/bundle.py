"""The front-end bundle as `frontend/build.mjs` left it: which file, its name carrying a hash, stands for which name."""

import json
from functools import lru_cache
from pathlib import Path

from django.templatetags.static import static

DIST = Path(__file__).parent / "static" / "dist"


@lru_cache(maxsize=1)
def _manifest(_changed: float) -> dict[str, str]:
    manifest: dict[str, str] = json.loads((DIST / "manifest.json").read_text())
    return manifest


@lru_cache(maxsize=256)
def _address(name: str, changed: float) -> str:
    """Kept, because a page has many icons and each asks."""
    manifest = _manifest(changed) if changed else {}
    return static(f"dist/{manifest.get(name, name)}")


def asset_url(name: str) -> str:
    """The address of the bundle's `name`. Without a bundle, the name itself: a page without its looks, not an error."""
    try:
        return _address(name, (DIST / "manifest.json").stat().st_mtime)
    except FileNotFoundError:
        return _address(name, 0.0)
