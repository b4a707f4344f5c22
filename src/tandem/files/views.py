"""Pages of the files room, and the one listing of a folder that other rooms use as well.

`files-folder` answers with the listing as a fragment. A page that wants one puts this where it should stand, and
includes `files/dialog.html` once; the listing's links lead into the files room:

    <div data-folder hx-get="{% url "files-folder" %}?path={{ path|urlencode }}" hx-trigger="load">Reading…</div>

For a field that holds a path, `files/picker.html` is included once in the page and `files/pick_button.html` beside the
field.
"""

import json
import re
from typing import cast
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.files import actions
from tandem.files.folder import SORTS, Folder, show_entry, show_folder, which_exist
from tandem.files.paths import HOME, as_text, asked, checked, checked_name, inside, quoted, split, steps, typed
from tandem.files.places import roots
from tandem.files.streams import content_address
from tandem.files.trouble import FilesAway, FileTrouble
from tandem.jobs.file_names import name_of, text_of

PICKED = ("file", "directory")
FIELD = re.compile(r"[a-z_]{1,40}")
MOST_NAMES = 1000
HEADS = (("name", "Name"), ("size", "Size"), ("modified", "Changed"))


def username_of(request: HttpRequest) -> str:
    """Who is signed in: every page here asks for that."""
    return cast(Person, request.user).username


@require_GET
def files(request: HttpRequest) -> HttpResponse:
    """A folder's page: its frame at once, the listing as soon as the cluster has given it."""
    path = asked(request, "path") or HOME
    sort = request.GET.get("sort", "name")
    context = {"roots": roots(username_of(request), path), "path": as_text(path), "query": query_of(path, sort)}
    return render(request, "files/files.html", context)


@require_GET
def folder(request: HttpRequest) -> HttpResponse:
    """A folder: the way to it, and its first entries. `pick`: for a field of a form, which takes a file or a folder."""
    context = asked_listing(request)
    return render(request, "files/folder.html", context)


@require_GET
def more(request: HttpRequest) -> HttpResponse:
    """The entries that follow; when they cannot be read now, a word about it and a way to try again."""
    return render(request, "files/rows.html", asked_listing(request))


def asked_listing(request: HttpRequest) -> dict[str, object]:
    """What the templates of a listing need, for the path, sort, cursor and part of a name in the address."""
    pick, field = request.GET.get("pick", ""), request.GET.get("field", "")
    if pick and (pick not in PICKED or not FIELD.fullmatch(field)):
        raise BadRequest("no such field")
    path = asked(request, "path")
    if path is None:  # the field's own text, which may be anything
        path = asked(request, field) or b"" if field else b""
    if pick and not path.startswith((b"/", b"~/")):
        path = HOME
    sort, wanted, after = (request.GET.get(name, "") for name in ("sort", "wanted", "after"))
    context: dict[str, object] = {"pick": pick, "field": field, "wanted": wanted}
    context["content_address"] = content_address()
    context["roots"] = roots(username_of(request), path) if pick else []
    context |= {"query": query_of(path, sort), "again": request.get_full_path()}
    try:
        shown = show_folder(
            username_of(request), path or HOME, sort=sort or "name", after=after, wanted=wanted, near=bool(pick)
        )
    except FileTrouble as failed:
        return context | failure(failed)
    return context | listing(shown, sort or "name", wanted)


def listing(shown: Folder, sort: str, wanted: str) -> dict[str, object]:
    """A folder, ready to be shown."""
    by, backwards = sort.removeprefix("-"), sort.startswith("-")
    heads = []
    for name, word in HEADS:
        # Names begin with a; what is large or new is looked for first.
        turned = f"-{name}" if (name == by and not backwards) or (name != by and name != "name") else name
        order = ("descending" if backwards else "ascending") if name == by else ""
        heads.append((name, word, query_of(shown.path, turned), order))
    return {
        "folder": shown,
        "path": as_text(shown.path),
        "query": query_of(shown.path, sort),
        "address": quoted(shown.path),
        "steps": [(name, query_of(path, sort)) for name, path in steps(shown.path)],
        "heads": heads,
        "sort": "" if sort == "name" else sort,
        "next": f"{query_of(shown.path, sort)}&{urlencode({'after': shown.after, 'wanted': wanted})}",
        "typed": typed(shown.path),
    }


def failure(failed: FileTrouble) -> dict[str, object]:
    """What went wrong, ready to be shown; with how long the clusters have been silent, if that is it."""
    away = failed.clusters if isinstance(failed, FilesAway) else []
    return {
        "failed": failed,
        "path": as_text(failed.path),
        "at_home": failed.path == HOME,
        "failed_query": query_of(failed.path, "name"),
        "away": Cluster.objects.filter(name__in=away).order_by("name"),
    }


def query_of(path: bytes, sort: str) -> str:
    """The part of an address that says which folder, and how it is sorted."""
    known = f"&sort={sort}" if sort != "name" and sort.removeprefix("-") in SORTS else ""
    return f"path={quoted(path)}{known}"


@require_POST
def taken(request: HttpRequest) -> HttpResponse:
    """Which of the names (`name`, repeated) there are in the folder already: asked before files are sent."""
    names = [name_of(name) for name in request.POST.getlist("name")[:MOST_NAMES]]
    path = asked(request, "path") or b""
    try:
        found = which_exist(username_of(request), path, [checked_name(name, path) for name in names])
    except FileTrouble as failed:
        return JsonResponse({"failed": str(failed)})
    return JsonResponse({"taken": [text_of(name) for name in found]})


@require_http_methods(["GET", "POST"])
def new_folder(request: HttpRequest) -> HttpResponse:
    """Ask for a name, and make a folder of that name."""
    path = asked(request, "path") or b""
    wanted = request.POST.get("name", "").strip()
    context = {"address": quoted(path), "path": as_text(path), "wanted": wanted}
    if request.method == "POST":
        try:
            actions.make_folder(username_of(request), inside(checked(path), checked_name(name_of(wanted), path)))
        except FileTrouble as failed:
            return render(request, "files/new_folder.html", context | {"failed": failed})
        return done(request, "A folder was made:", wanted)
    return render(request, "files/new_folder.html", context)


@require_http_methods(["GET", "POST"])
def rename(request: HttpRequest) -> HttpResponse:
    """Ask for another name, and give it."""
    path = asked(request, "path") or b""
    name = as_text(path.rpartition(b"/")[2])
    wanted = request.POST.get("name", "").strip() if request.method == "POST" else name
    context = {"address": quoted(path), "name": name, "wanted": wanted}
    if request.method == "POST":
        try:
            where, _ = split(checked(path))
            actions.rename(username_of(request), path, inside(where, checked_name(name_of(wanted), path)))
        except FileTrouble as failed:
            return render(request, "files/rename.html", context | {"failed": failed})
        return done(request, f"{name} has another name now:", wanted)
    return render(request, "files/rename.html", context)


@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """Say what would be deleted, and delete it."""
    path = asked(request, "path") or b""
    context: dict[str, object] = {"address": quoted(path), "name": as_text(path.rpartition(b"/")[2])}
    try:
        if request.method == "POST":
            actions.delete(username_of(request), path, with_content=True)
            return done(request, "It was deleted:", context["name"])
        context["entry"] = show_entry(username_of(request), path)
        context["count"] = actions.count_entries(username_of(request), path)
    except FileTrouble as failed:
        context["failed"] = failed
    return render(request, "files/delete.html", context)


def done(request: HttpRequest, words: str, name: object) -> HttpResponse:
    """A message; the dialog closes and the listing is read again."""
    answer = render(request, "files/done.html", {"words": words, "name": name})
    answer["HX-Trigger-After-Settle"] = json.dumps({"files-changed": {}})
    return answer
