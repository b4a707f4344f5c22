"""The list of spoolers, and the small fragments that keep it up to date."""

import uuid

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tandem.jobs.event_reader import newest_event_id
from tandem.jobs.job_page import span
from tandem.jobs.spoolers.listing import SpoolerFilters, toolbar
from tandem.jobs.spoolers.queries import visible_spoolers
from tandem.jobs.spoolers.reaper import expire_after
from tandem.jobs.spoolers.words import outlook
from tandem.jobs.views import person_of, stream_address
from tandem.lists import ROWS_A_PAGE, page_of
from tandem.node import this_environment


@require_GET
def spoolers(request: HttpRequest) -> HttpResponse:
    """Own spoolers, newest first; an administrator's everybody's. What they are narrowed to is in the address."""
    since, person, filters = newest_event_id(), person_of(request), SpoolerFilters.of(request.GET)
    page = page_of(filters.of_spoolers(person), request.GET.get("cursor", ""))
    tools = toolbar(person, filters)
    is_empty = not (page.rows or page.cursor or tools.is_narrowing)
    context = {
        "page": page,
        "only_removed": is_empty and visible_spoolers(person).exists(),
        "rows": [(spooler, outlook(spooler)) for spooler in page.rows],
        "toolbar": tools,
        "everybody": person.is_administrator,
        "expire_after": span(expire_after(this_environment())),
        "events": stream_address("events", f"?since={since}"),
    }
    return render(request, "jobs/spoolers/list.html", context)


@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """The rows of these jobs' spoolers as they are now, each of which htmx puts in its place."""
    person = person_of(request)
    try:
        wanted = [uuid.UUID(text) for text in request.GET.getlist("id")]
    except ValueError:
        raise BadRequest("`id` must be a job's id") from None
    if len(wanted) > ROWS_A_PAGE:
        raise BadRequest(f"at most {ROWS_A_PAGE} at once")
    found = visible_spoolers(person).filter(jobs__in=wanted).distinct()
    shown = [(spooler, outlook(spooler)) for spooler in found]
    return render(
        request, "jobs/spoolers/rows.html", {"rows": shown, "everybody": person.is_administrator, "oob": True}
    )
