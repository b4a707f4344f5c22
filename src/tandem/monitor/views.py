"""Pages of what the clusters are doing: all of them, and one with its nodes. They read the database alone."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tandem.clusters.models import Cluster
from tandem.clusters.scheduler import NodeCondition
from tandem.lists import Filter, Toolbar
from tandem.monitor.picture import MOST_NODES, node_lines, picture_of, zones

LONGEST_NAME = 80


@require_GET
def clusters(request: HttpRequest) -> HttpResponse:
    """Zones, their clusters, and the queues of these. Asked for by htmx, every few seconds: what changes alone."""
    context = {"zones": zones(Cluster.objects.filter(present=True), timezone.now())}
    template = "zones" if request.headers.get("HX-Request") else "clusters"
    return render(request, f"monitor/{template}.html", context)


@require_GET
def cluster(request: HttpRequest, name: str) -> HttpResponse:
    """One cluster: queues and nodes. What the nodes are narrowed to is in the address."""
    asked = get_object_or_404(Cluster, name=name, present=True)
    queue, condition = (request.GET.get(field, "")[:LONGEST_NAME] for field in ("queue", "condition"))
    nodes = node_lines(asked, queue, condition)
    picture = picture_of(asked, timezone.now())
    toolbar = Toolbar(
        [
            Filter(
                "queue", "Queue", value=queue, choices=[(one.name, one.name) for one in picture.queues], is_first=True
            ),
            Filter(
                "condition", "Node is", value=condition, choices=[(one, one) for one in NodeCondition], is_first=True
            ),
        ]
    )
    context = {
        "picture": picture,
        "cluster": asked,
        "toolbar": toolbar,
        "nodes": nodes[:MOST_NODES],
        "left_out": max(len(nodes) - MOST_NODES, 0),
    }
    # The page looks again every few seconds: that is for what changes, and not for the frame.
    is_poll = request.headers.get("HX-Trigger") == "cluster"
    return render(request, f"monitor/{'cluster_parts' if is_poll else 'cluster'}.html", context)
