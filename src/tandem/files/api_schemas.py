"""How files look in the API."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from tandem.files.folder import Entry
from tandem.jobs.file_names import text_of

KINDS: dict[str, Literal["folder", "file", "link", "other"]] = {
    "d": "folder",
    "D": "link",
    "l": "link",
    "f": "file",
    "o": "other",
}


class EntryOut(Schema):
    """Something in a folder. `path` is how to ask for it; in it and in `name`, bytes that are no text have stand-ins.

    A link's size and time are its own; `target` is where it leads, `leads_to_folder` whether that is a folder.
    """

    name: str
    path: str
    kind: Literal["folder", "file", "link", "other"]
    size: int
    modified_at: datetime
    target: str
    leads_to_folder: bool

    @staticmethod
    def resolve_name(entry: Entry) -> str:
        """Exact, other than what pages show."""
        return text_of(entry.raw_name)

    @staticmethod
    def resolve_path(entry: Entry) -> str:
        """Exact, other than what pages show."""
        return text_of(entry.raw_path)

    @staticmethod
    def resolve_kind(entry: Entry) -> str:
        """The kind in a word."""
        return KINDS[entry.kind]

    @staticmethod
    def resolve_leads_to_folder(entry: Entry) -> bool:
        """Whether it is a link to a folder."""
        return entry.kind == "D"


class FolderOut(Schema):
    """A page of a folder. `path` is its real one; `total` counts all entries, `found` those that were looked for."""

    path: str
    cluster: str
    total: int
    found: int
    results: list[EntryOut]
    next: str | None


class PlaceOut(Schema):
    """A place to begin at. `cluster`: the one that alone has it. `available`: whether a cluster that has it answers."""

    name: str
    path: str
    cluster: str | None
    available: bool


class NewFolderIn(Schema):
    """A folder to be made."""

    path: str = Field(max_length=4096)


class RenameIn(Schema):
    """Another path for something. `overwrite`: replace a file that has it already."""

    path: str = Field(max_length=4096)
    to: str = Field(max_length=4096)
    overwrite: bool = False


class PathOut(Schema):
    """Where something is now."""

    path: str


class DeletedOut(Schema):
    """What was deleted. `entries`: how many there were in a folder, all the way down."""

    path: str
    entries: int | None
