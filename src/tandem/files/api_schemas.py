"""How files look in the API."""

from datetime import datetime
from typing import Literal

from ninja import Schema

KINDS: dict[str, Literal["folder", "file", "link", "other"]] = {
    "d": "folder",
    "D": "link",
    "l": "link",
    "f": "file",
    "o": "other",
}


class EntryOut(Schema):
    """Something in a folder. `name` is for people: what is not text in it is replaced. `address` is exact.

    `address` is the path as it stands in the addresses of this API, each byte in its place (`%FF`). A link's size and
    time are its own; `target` is where it leads, `leads_to_folder` whether that is a folder.
    """

    name: str
    address: str
    kind: Literal["folder", "file", "link", "other"]
    size: int
    modified_at: datetime
    target: str
    leads_to_folder: bool

    @staticmethod
    def resolve_kind(entry: object) -> str:
        """The kind in a word."""
        return KINDS[getattr(entry, "kind", "o")]

    @staticmethod
    def resolve_leads_to_folder(entry: object) -> bool:
        """Whether it is a link to a folder."""
        return getattr(entry, "kind", "") == "D"


class FolderOut(Schema):
    """A page of a folder. `path` is its real one; `total` counts all entries, `found` those that were looked for."""

    path: str
    address: str
    cluster: str
    total: int
    found: int
    results: list[EntryOut]
    next: str | None


class PlaceOut(Schema):
    """A place to begin at. `cluster`: the one that alone has it. `available`: whether a cluster that has it answers."""

    name: str
    address: str
    cluster: str | None
    available: bool


class PathOut(Schema):
    """Where something is now."""

    path: str
    address: str


class DeletedOut(Schema):
    """What was deleted. `entries`: how many there were in a folder, all the way down."""

    path: str
    entries: int | None
