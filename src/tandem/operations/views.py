"""The status page, for administrators."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tandem.accounts.guards import administrators_only
from tandem.node import this_node
from tandem.operations.status import read_status


@require_GET
@administrators_only
def status(request: HttpRequest) -> HttpResponse:
    """How the environment is doing. Asked for by htmx, every few seconds: what changes alone."""
    node = this_node()
    context = {"status": read_status(), "node": node.node if node else "a development server"}
    template = "parts" if request.headers.get("HX-Request") else "status"
    return render(request, f"operations/{template}.html", context)
