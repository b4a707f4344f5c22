"""The kinds of resources that our templates have, a file for each family of services."""

from importlib import import_module
from pathlib import Path


def load() -> None:
    """Import them all: each is known from then on."""
    for file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        import_module(f"{__name__}.{file.stem}")
