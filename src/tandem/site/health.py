"""What a balancer asks: whether this portal node can do its work. Without the database or its signer it cannot.

It says so with 404, upon which a balancer sends nobody new here, and leaves what is under way to be answered: by us,
with words. A node that is dead or hung says nothing, and what is under way there is cut off.

A balancer asks every second and gives up after another: while one answer takes long, the next ones are no at once.
"""

import threading

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse

from tandem.clusters import signer
from tandem.node import this_node
from tandem.site.errors import drop_connections

ASKING_AT_ONCE = 2
PATIENCE = 0.5

_asking = threading.BoundedSemaphore(ASKING_AT_ONCE)


def _trouble() -> str:
    node = this_node()
    if node is not None and not signer.answers(node.signer_socket):
        return "the signer does not answer"
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except (DatabaseError, InterfaceError):
        drop_connections()
        return "the database does not answer"
    return ""


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 when this process, its database and its node's signer work, else 404."""
    if _asking.acquire(timeout=PATIENCE):
        try:
            trouble = _trouble()
        finally:
            _asking.release()
    else:
        trouble = "the database or the signer is slow to answer"
    return HttpResponse(
        f"{trouble or 'ok'}\n", status=404 if trouble else 200, content_type="text/plain; charset=utf-8"
    )
