"""`/api/v1/files`: folders, a page at a time; making, renaming and deleting. Whole files: `streams.py`, `uploads.py`.

Everything is done on a cluster as who asks. Paths and names are told as the texts of `jobs.file_names`.
"""

from typing import Annotated, Any
from urllib.parse import urlencode

from django.http import HttpRequest
from ninja import Query, Router

from tandem.accounts.authentication import person_of
from tandem.files import actions
from tandem.files.api_schemas import DeletedOut, EntryOut, FolderOut, NewFolderIn, PathOut, PlaceOut, RenameIn
from tandem.files.folder import MOST_ON_A_PAGE, PAGE, Entry, show_entry, show_folder
from tandem.files.paths import HOME
from tandem.files.places import roots
from tandem.jobs.file_names import name_of, text_of

router = Router(tags=["files"])

Path = Annotated[str, Query(max_length=4096, description="Absolute, or below `~`, the home directory.")]


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
    username = person_of(request).username
    shown = show_folder(username, name_of(path), sort=sort, after=cursor, wanted=part, size=page_size)
    query = {"path": text_of(shown.path), "sort": sort, "part": part, "page_size": page_size, "cursor": shown.after}
    return {
        "path": text_of(shown.path),
        "cluster": shown.cluster,
        "total": shown.total,
        "found": shown.found,
        "results": shown.entries,
        "next": f"/api/v1/files?{urlencode(query)}" if shown.after else None,
    }


@router.delete("", response=DeletedOut, operation_id="delete_file", summary="Delete a file or a folder")
def delete(
    request: HttpRequest,
    path: Path,
    recursive: Annotated[bool, Query(description="A folder goes with all that is in it.")] = False,
) -> Any:
    """Delete a file, a link itself, or a folder; one that is not empty only if that is said."""
    username = person_of(request).username
    count = actions.count_entries(username, name_of(path))
    actions.delete(username, name_of(path), with_content=recursive)
    return {"path": path, "entries": count.entries if count else None}


@router.get("/places", response=list[PlaceOut], operation_id="list_places", summary="List the places to begin at")
def places(request: HttpRequest) -> Any:
    """Home, what all clusters share, and each cluster's scratch."""
    return [
        {
            "name": root.name,
            "path": text_of(root.path),
            "cluster": root.cluster.name if root.cluster else None,
            "available": not root.away,
        }
        for root in roots(person_of(request).username, HOME)
    ]


@router.get("/entry", response=EntryOut, operation_id="show_file", summary="Show a file or a folder")
def entry(request: HttpRequest, path: Path) -> Entry:
    """What is at a path, without what is in it."""
    return show_entry(person_of(request).username, name_of(path))


@router.post("/folder", response={201: PathOut}, operation_id="make_folder", summary="Make a folder")
def make_folder(request: HttpRequest, wanted: NewFolderIn) -> Any:
    """A new folder, in one that exists."""
    return 201, {"path": text_of(actions.make_folder(person_of(request).username, name_of(wanted.path)))}


@router.post("/rename", response=PathOut, operation_id="rename_file", summary="Rename or move a file or a folder")
def rename(request: HttpRequest, wanted: RenameIn) -> Any:
    """Give it another path on the same file system, in one step."""
    old, new = name_of(wanted.path), name_of(wanted.to)
    return {"path": text_of(actions.rename(person_of(request).username, old, new, overwrite=wanted.overwrite))}
