"""The search of the top bar: one field for everything that has a name. What is found is what each list would find."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from tandem.accounts.models import Person
from tandem.accounts.queries import matching
from tandem.applications.catalogue import APPLICATIONS
from tandem.clusters.models import Cluster
from tandem.jobs.filters import LONGEST_SEARCH, ListFilters
from tandem.jobs.listing import job_page_of
from tandem.jobs.models import Job, OutsideJob, Spooler
from tandem.jobs.spoolers.listing import SpoolerFilters
from tandem.lists import first_of
from tandem.site.context import ADMIN_NAVIGATION, NAVIGATION

SHORTEST = 2
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found, and what tells it from others of its name."""

    name: str
    address: str
    icon: str
    detail: str = ""
    job: Job | OutsideJob | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Hits of one kind. `all_of_them` is where the others are, when there are more."""

    title: str
    hits: Sequence[Hit]
    all_of_them: str = ""


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """What has these words in its name: a page, or its content alone for the field of the top bar."""
    words = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    groups = list(groups_for(cast(Person, request.user), words)) if len(words) >= SHORTEST else []
    context = {"words": words, "groups": groups, "too_short": len(words) < SHORTEST}
    template = "site/search_hits.html" if request.headers.get("HX-Request") else "site/search.html"
    return render(request, template, context)


def groups_for(person: Person, words: str) -> Iterator[Group]:
    """Everything that this person may see and that is called so, a few of each kind."""
    for group in (_places(person, words), _jobs(person, words), _spoolers(person, words), _people(person, words)):
        if group.hits:
            yield group


def _places(person: Person, words: str) -> Group:
    entries = [*NAVIGATION, *(ADMIN_NAVIGATION if person.is_administrator else ())]
    known = [
        *(Hit(one.word, one.start, one.icon) for one in entries),
        *(Hit(one.name, reverse("submit", args=[one.slug]), one.icon, "application") for one in APPLICATIONS),
        *(
            Hit(name, reverse("cluster", args=[name]), "server-2", f"cluster in {zone}")
            for name, zone in Cluster.objects.filter(present=True).order_by("name").values_list("name", "zone")
        ),
    ]
    return Group("Go to", [hit for hit in known if words.lower() in hit.name.lower()][:SHOWN])


def _jobs(person: Person, words: str) -> Group:
    page = job_page_of(person, ListFilters(search=words), "")
    hits = [
        Hit(
            row.name or "without a name",
            reverse("outside-job" if row.is_outside else "job", args=[row.pk]),
            "stack-2",
            _whose(person, row),
            row,
        )
        for row in page.rows[:SHOWN]
    ]
    return Group("Jobs", hits, _all("jobs", words) if len(page.rows) > SHOWN else "")


def _spoolers(person: Person, words: str) -> Group:
    rows = first_of(SpoolerFilters(search=words).of_spoolers(person), SHOWN + 1)
    hits = [Hit(row.name, reverse("spooler", args=[row.pk]), "folders", _whose(person, row)) for row in rows[:SHOWN]]
    return Group("Spoolers", hits, _all("spoolers", words) if len(rows) > SHOWN else "")


def _whose(person: Person, row: Job | OutsideJob | Spooler) -> str:
    """For administrators, who see everybody's."""
    return row.owner.username if person.is_administrator else ""


def _people(person: Person, words: str) -> Group:
    if not person.is_administrator:
        return Group("People", ())
    rows = matching(words).order_by("username")[: SHOWN + 1]
    hits = [Hit(row.username, reverse("person", args=[row.username]), "user-circle", row.full_name) for row in rows]
    return Group("People", hits[:SHOWN], _all("people", words) if len(hits) > SHOWN else "")


def _all(view: str, words: str) -> str:
    return f"{reverse(view)}?{urlencode({'search': words})}"
