"""What a balancer asks: whether this portal node can serve. A node that cannot reach the database cannot."""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse

from tandem.site.errors import drop_connections


def _answer() -> HttpResponse:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except (DatabaseError, InterfaceError):
        drop_connections()
        return HttpResponse("the database does not answer\n", status=503, content_type="text/plain; charset=utf-8")
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 when this process and its database work, else 503."""
    return _answer()
