"""What a balancer asks: whether this portal node can do its work. Without the database or its signer it cannot.

It says so with 404, upon which a balancer sends nobody new here, and leaves what is under way to be answered: by us,
with words. A node that is dead or hung says nothing, and what is under way there is cut off. So an answer must come
within the second that a balancer waits, also while the database hangs.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from tandem.clusters import ask_signer
from tandem.node import this_node
from tandem.site.errors import drop_connections

PATIENCE = 0.6


def find_trouble() -> str:
    """What keeps this node from working, in words; empty when nothing does."""
    node = this_node()
    if node is not None and not ask_signer.answers(node.signer_socket):
        return "the signer does not answer"
    close_old_connections()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except (DatabaseError, InterfaceError):
        drop_connections()
        return "the database does not answer"
    return ""


class Probe:
    """Looks on a thread of its own, one look at a time: whoever asks meanwhile waits for the same one."""

    def __init__(self, look: Callable[[], str]) -> None:
        self._look = look
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="health")
        self._lock = threading.Lock()
        self._under_way: Future[str] | None = None

    def trouble(self, patience: float = PATIENCE) -> str:
        """What is wrong, as far as that can be said in time."""
        with self._lock:
            if self._under_way is None or self._under_way.done():
                self._under_way = self._threads.submit(self._look)
            under_way = self._under_way
        try:
            return under_way.result(timeout=patience)
        except TimeoutError:
            return "the database or the signer is slow to answer"


_probe = Probe(find_trouble)


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 when this process, its database and its node's signer work, else 404."""
    trouble = _probe.trouble()
    return HttpResponse(
        f"{trouble or 'ok'}\n", status=404 if trouble else 200, content_type="text/plain; charset=utf-8"
    )
