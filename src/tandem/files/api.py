"""`/api/v1/files`: folders, a page at a time; making, renaming and deleting. Whole files: `streams.py`, `uploads.py`.

Everything is done on a cluster as who asks. Paths are parameters of the address, where each byte keeps its value.
"""

from typing import Annotated, Any
from urllib.parse import urlencode

from django.http import HttpRequest
from ninja import Query, Router

from tandem.accounts.authentication import person_of
from tandem.files import actions
from tandem.files.api_schemas import DeletedOut, EntryOut, FolderOut, PathOut, PlaceOut
from tandem.files.folder import MOST_ON_A_PAGE, PAGE, Entry, show_entry, show_folder
from tandem.files.paths import HOME, as_text, asked, quoted
from tandem.files.places import roots

router = Router(tags=["files"])

Path = Annotated[str, Query(max_length=12_300, description="Absolute, or below `~`, the home directory.")]


@router.get("", response=FolderOut, operation_id="list_folder", summary="List a folder")
def list_folder(
    request: HttpRequest,
    path: Path = "~",
    sort: Annotated[str, Query(description="`name`, `size` or `modified`; `-` in front: backwards.")] = "name",
    part: Annotated[str, Query(max_length=255, description="Only names that have this in them.")] = "",
    cursor: Annotated[str, Query(max_length=2000)] = "",
    page_size: Annotated[int, Query(ge=1, le=MOST_ON_A_PAGE)] = PAGE,
) -> Any:
    """A folder's entries, its folders first. `next` is the address of the next page."""
    shown = show_folder(
        person_of(request).username, _path(request), sort=sort, after=cursor, wanted=part, size=page_size
    )
    query = {"sort": sort, "part": part, "page_size": page_size, "cursor": shown.after}
    address = f"/api/v1/files?path={quoted(shown.path)}&{urlencode(query)}"
    return {
        "path": as_text(shown.path),
        "address": quoted(shown.path),
        "cluster": shown.cluster,
        "total": shown.total,
        "found": shown.found,
        "results": shown.entries,
        "next": address if shown.after else None,
    }


@router.delete("", response=DeletedOut, operation_id="delete_file", summary="Delete a file or a folder")
def delete(
    request: HttpRequest,
    path: Path,
    recursive: Annotated[bool, Query(description="A folder goes with all that is in it.")] = False,
) -> Any:
    """Delete a file, a link itself, or a folder; one that is not empty only if that is said."""
    username, wanted = person_of(request).username, _path(request)
    entries = actions.count_entries(username, wanted)
    actions.delete(username, wanted, with_content=recursive)
    return {"path": as_text(wanted), "entries": entries}


@router.get("/places", response=list[PlaceOut], operation_id="list_places", summary="List the places to begin at")
def places(request: HttpRequest) -> Any:
    """Home, what all clusters share, and each cluster's scratch."""
    return [
        {
            "name": root.name,
            "address": root.address,
            "cluster": root.cluster.name if root.cluster else None,
            "available": not root.away,
        }
        for root in roots(person_of(request).username, HOME)
    ]


@router.get("/entry", response=EntryOut, operation_id="show_file", summary="Show a file or a folder")
def entry(request: HttpRequest, path: Path) -> Entry:
    """What is at a path, without what is in it."""
    return show_entry(person_of(request).username, _path(request))


@router.post("/folder", response={201: PathOut}, operation_id="make_folder", summary="Make a folder")
def make_folder(request: HttpRequest, path: Path) -> Any:
    """A new folder, in one that exists."""
    return 201, _where(actions.make_folder(person_of(request).username, _path(request)))


@router.post("/rename", response=PathOut, operation_id="rename_file", summary="Rename or move a file or a folder")
def rename(
    request: HttpRequest,
    path: Path,
    to: Path,
    overwrite: Annotated[bool, Query(description="Replace a file that has this name already.")] = False,
) -> Any:
    """Give it another path on the same file system, in one step."""
    return _where(
        actions.rename(person_of(request).username, _path(request), _path(request, "to"), overwrite=overwrite)
    )


def _path(request: HttpRequest, name: str = "path") -> bytes:
    """The bytes that were sent: the parameter as text may have lost some."""
    return asked(request, name) or HOME


def _where(path: bytes) -> dict[str, str]:
    return {"path": as_text(path), "address": quoted(path)}
