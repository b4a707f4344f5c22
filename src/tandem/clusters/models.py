"""What the portal knows of a cluster from outside: written by its watch loop alone, read by every page."""

from datetime import datetime, timedelta

from django.db import models

# A watcher polls every few seconds: what is older than this is shown as old, whatever the state says.
STALE_AFTER = timedelta(seconds=30)


class ClusterState(models.TextChoices):
    UP = "UP"
    SUSPECT = "SUSPECT"
    DOWN = "DOWN"
    RECOVERING = "RECOVERING"


ANSWERING = (ClusterState.UP, ClusterState.RECOVERING)
Shortages = dict[str, dict[str, str]]


def answering_clusters() -> list[str]:
    """The names of those that answer at present, sorted."""
    return list(Cluster.objects.filter(state__in=ANSWERING).order_by("name").values_list("name", flat=True))


def silent_clusters() -> frozenset[str]:
    """The names of those that do not."""
    return frozenset(Cluster.objects.exclude(state__in=ANSWERING).values_list("name", flat=True))


class Cluster(models.Model):
    """One Slurm cluster. `poll_number` is taken when a poll *starts*: what it saw is never newer than its number."""

    name = models.CharField(max_length=40, primary_key=True)
    zone = models.CharField(max_length=40)
    state = models.CharField(max_length=12, choices=ClusterState, default=ClusterState.DOWN)
    state_since = models.DateTimeField(null=True)
    last_answer_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True, help_text="when it was first asked in vain since its last answer")
    poll_number = models.PositiveBigIntegerField(default=0)
    answered_poll = models.PositiveBigIntegerField(default=0, help_text="number of the latest poll that was answered")
    recovering_poll = models.PositiveBigIntegerField(default=0, help_text="the one that ended the last silence")
    error = models.TextField(blank=True, help_text="why the last poll failed, or empty")
    queues = models.JSONField(default=list, help_text="of the last answer: see clusters.scheduler.Queue")
    nodes = models.JSONField(default=list, help_text="of the last answer: see clusters.scheduler.Node")
    shortages = models.JSONField(default=dict, help_text="queues that lack nodes: see clusters.watch.shortages_after")
    accounts = models.JSONField(default=list, help_text="names of the scheduler's accounts")
    present = models.BooleanField(default=True, help_text="still in the environment file")

    def __str__(self) -> str:
        return self.name

    def is_stale(self, now: datetime) -> bool:
        """Whether what is known of queues and nodes may be long out of date."""
        silent = self.state in (ClusterState.SUSPECT, ClusterState.DOWN)
        return silent or self.last_answer_at is None or now - self.last_answer_at > STALE_AFTER
