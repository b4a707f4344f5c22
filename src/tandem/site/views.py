"""Home, and what of the top bar changes: the cluster pills."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster, ClusterState
from tandem.jobs.event_reader import newest_event_id
from tandem.jobs.listing import UNSHOWN
from tandem.jobs.models import FINAL_STATES, OPEN_OUTSIDE, Job, OutsideJob, Spooler
from tandem.jobs.notifications import number_of_new
from tandem.jobs.queries import with_last_sight
from tandem.lists import first_of

SHOWN_ON_HOME = 8
SPOOLERS_ON_HOME = 5


@dataclass(frozen=True, slots=True)
class Pill:
    """A cluster's state, as the top bar shows it."""

    name: str
    word: str
    style: str
    last_answer_at: datetime | None
    explanation: str


_PILLS = {
    ClusterState.UP: ("up", "good", "The cluster answers."),
    ClusterState.SUSPECT: ("no answer", "warn", "The cluster missed its last polls. Its jobs run on, unseen."),
    ClusterState.DOWN: ("down", "bad", "The cluster does not answer. Jobs for any cluster go to another, or wait."),
    ClusterState.RECOVERING: ("recovering", "warn", "The cluster answers again; what happened meanwhile is read."),
}


def pill(cluster: Cluster, now: datetime) -> Pill:
    """How a cluster is shown: its state, and amber where nobody has looked for a while."""
    word, style, explanation = _PILLS[ClusterState(cluster.state)]
    if style == "good" and cluster.is_stale(now):
        word, style, explanation = "last seen up", "warn", "Nobody has polled the cluster for a while."
    return Pill(cluster.name, word, style, cluster.last_answer_at, f"{cluster.zone}: {explanation}")


@require_GET
def cluster_pills(request: HttpRequest) -> HttpResponse:
    """A fragment, asked for every few seconds by every open page: reads the database only. With it comes how many
    notifications are new.
    """
    now = timezone.now()
    # Not what all their nodes do: it may be long, and each open page asks again every few seconds.
    known = Cluster.objects.filter(present=True).only("name", "zone", "state", "last_answer_at").order_by("name")
    clusters = [pill(cluster, now) for cluster in known]
    new = number_of_new(cast(Person, request.user))
    return render(request, "site/cluster_pills.html", {"clusters": clusters, "new": new})


@dataclass(frozen=True, slots=True)
class ClusterCard:
    """A cluster as home shows it: how it does, and how much of it is in use as of its last answer."""

    cluster: Cluster
    cores: int
    cores_used: int
    queues: str


def cluster_card(cluster: Cluster) -> ClusterCard:
    """What the cluster's last answer says, in a few numbers."""
    return ClusterCard(
        cluster,
        cores=sum(node["cpus"] for node in cluster.nodes),
        cores_used=sum(node["cpus_used"] for node in cluster.nodes),
        queues=", ".join(queue["name"] for queue in cluster.queues),
    )


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What is running and waiting, what ended lately, recent spoolers, the clusters; for a newcomer the first step."""
    # Before the jobs are read, so that what changes meanwhile is told.
    since = newest_event_id()
    mine = with_last_sight(Job.objects.filter(owner=request.user.pk).defer(*UNSHOWN))
    outside = with_last_sight(OutsideJob.objects.filter(OPEN_OUTSIDE, owner=request.user.pk))
    going_on: list[Job | OutsideJob] = [
        *first_of(mine.exclude(state__in=FINAL_STATES).order_by("-created_at", "-id"), SHOWN_ON_HOME),
        *first_of(outside.order_by("-created_at", "-id"), SHOWN_ON_HOME),
    ]
    spoolers = Spooler.objects.filter(owner=request.user.pk, removed_at=None)
    context = {
        "active": sorted(going_on, key=lambda job: job.created_at, reverse=True)[:SHOWN_ON_HOME],
        "ended": mine.filter(ended_at__isnull=False).order_by("-ended_at")[:SHOWN_ON_HOME],
        "spoolers": first_of(spoolers.order_by("-created_at", "-id"), SPOOLERS_ON_HOME),
        "clusters": [cluster_card(one) for one in Cluster.objects.filter(present=True).order_by("name")],
    }
    if request.headers.get("HX-Request"):
        return render(request, "site/home_lists.html", context)
    events = f"{reverse('events', urlconf='tandem.site.stream_urls')}?since={since}"
    return render(request, "site/home.html", {**context, "events": events})
