"""The package's templates."""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"


def template(file: str, **values: object) -> str:
    """A template with its `{{names}}` filled in."""
    text = (TEMPLATES / file).read_text()
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", str(value))
    return text
