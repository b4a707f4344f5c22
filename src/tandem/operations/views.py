"""The status page, for administrators."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tandem.accounts.models import Person
from tandem.node import this_node
from tandem.operations.status import read_status


@require_GET
def status(request: HttpRequest) -> HttpResponse:
    """How the environment is doing. Asked for by htmx, every few seconds: what changes alone."""
    if not isinstance(request.user, Person) or not request.user.is_administrator:
        raise PermissionDenied
    node = this_node()
    context = {"status": read_status(), "node": node.node if node else "a development server"}
    template = "parts" if request.headers.get("HX-Request") else "status"
    return render(request, f"operations/{template}.html", context)
