"""The page of a spooler, and what can be done to it there. Their list is in `list_views.py`."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from tandem.jobs.actions import ActionRefused
from tandem.jobs.event_reader import newest_event_id
from tandem.jobs.job_page import span
from tandem.jobs.models import Spooler
from tandem.jobs.spoolers import actions
from tandem.jobs.spoolers.page import spooler_page
from tandem.jobs.spoolers.queries import visible_spoolers
from tandem.jobs.spoolers.reaper import expire_after
from tandem.jobs.views import person_of, stream_address
from tandem.node import this_environment

CHOICES = ((7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year"))


def spooler_or_404(request: HttpRequest, spooler_id: uuid.UUID) -> Spooler:
    """The spooler, if this person may see it."""
    return get_object_or_404(visible_spoolers(person_of(request)), pk=spooler_id)


@require_GET
def spooler(request: HttpRequest, spooler_id: uuid.UUID) -> HttpResponse:
    """A spooler: its jobs, its files, how long they stay."""
    since = newest_event_id()
    context = shown(request, spooler_id)
    jobs = context["page"].jobs
    # Its files are read again when something changes: not for everything that happens elsewhere.
    job = f"job={jobs[0].pk}&" if len(jobs) == 1 else ""
    return render(
        request,
        "jobs/spoolers/spooler.html",
        {**context, "choices": CHOICES, "events": stream_address("events", f"?{job}since={since}")},
    )


@require_GET
def status(request: HttpRequest, spooler_id: uuid.UUID) -> HttpResponse:
    """The parts of a spooler's page that change, each of which htmx puts in its place; nothing while nothing did."""
    context = shown(request, spooler_id)
    if request.GET.get("seen") == context["page"].mark:
        return HttpResponse(status=204)
    return render(request, "jobs/spoolers/status.html", {**context, "oob": True})


def shown(request: HttpRequest, spooler_id: uuid.UUID) -> dict[str, Any]:
    """What every part of a spooler's page needs."""
    found = spooler_or_404(request, spooler_id)
    return {
        "page": spooler_page(found, person_of(request)),
        "spooler": found,
        "expire_after": span(expire_after(this_environment())),
        "zip": stream_address("spooler-zip", spooler_id=spooler_id),
    }


def act(verb: Callable[[HttpRequest, Spooler], str]) -> Callable[[HttpRequest, uuid.UUID], HttpResponse]:
    """A view that does `verb` to a spooler, and goes back to its page with the words that it answers."""

    @require_POST
    def view(request: HttpRequest, spooler_id: uuid.UUID) -> HttpResponse:
        found = spooler_or_404(request, spooler_id)
        try:
            messages.success(request, verb(request, found))
        except (ActionRefused, actions.SpoolerNameInvalid) as refused:
            messages.warning(request, f"Nothing was done: {refused}.")
        return redirect("spooler", spooler_id)

    return view


@act
def rename(request: HttpRequest, found: Spooler) -> str:
    """Another name."""
    actions.rename_spooler(found, person_of(request), request.POST.get("name", ""))
    return "Renamed."


@act
def expiry(request: HttpRequest, found: Spooler) -> str:
    """`days` from now, or `ever`."""
    choice = request.POST.get("days", "")
    if choice == "ever":
        actions.keep_spooler(found, person_of(request))
        return "The files are kept for ever."
    if choice not in {str(days) for days, _ in CHOICES}:
        raise BadRequest("no such time")
    days = int(choice)
    actions.extend_spooler(found, person_of(request), timezone.now() + timedelta(days=days))
    return f"The files are kept for {dict(CHOICES)[days]} from now."


@act
def delete(request: HttpRequest, found: Spooler) -> str:
    """All its files."""
    actions.delete_spooler(found, person_of(request))
    return "The files are being deleted."
