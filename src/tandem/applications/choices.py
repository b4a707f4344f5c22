"""What a form can offer: clusters, their queues, a queue's hosts. Read from what the watchers last saw, never asked."""

from collections.abc import Iterable
from dataclasses import dataclass

from tandem.clusters.models import Cluster
from tandem.jobs.submission import ANY_CLUSTER

Choice = tuple[str, str]
MOST_HOSTS = 500


@dataclass(frozen=True, slots=True)
class Host:
    """A node that may be named in the list of hosts."""

    name: str
    state: str
    cpus: int


def known_clusters() -> list[Cluster]:
    """Every cluster of the environment, up or not: a submission may wait for one that is down."""
    return list(Cluster.objects.filter(present=True).order_by("name"))


def cluster_choices(clusters: Iterable[Cluster]) -> list[Choice]:
    """`any` first: it is what most people need."""
    return [(ANY_CLUSTER, "any"), *((cluster.name, cluster.name) for cluster in clusters)]


def queue_choices(clusters: Iterable[Cluster], wanted: str) -> list[Choice]:
    """The queues of one cluster, or of all of them with where they are; the default queue needs no name."""
    chosen = [cluster for cluster in clusters if wanted in (ANY_CLUSTER, "", cluster.name)]
    places: dict[str, list[str]] = {}
    defaults: list[str] = []
    for cluster in chosen:
        for queue in cluster.queues:
            places.setdefault(queue["name"], []).append(cluster.name)
            if queue["is_default"]:
                defaults.append(queue["name"])
    same_default = len(set(defaults)) == 1 and len(defaults) == len(chosen)
    first = f"default ({defaults[0]})" if same_default else "default of the cluster"
    choices = [("", first)]
    for name, where in sorted(places.items()):
        everywhere = len(where) == len(chosen)
        choices.append((name, name if everywhere else f"{name} (on {', '.join(where)} only)"))
    return choices


def hosts_of(clusters: Iterable[Cluster], wanted: str, queue: str) -> list[Host]:
    """The nodes of a queue (without one: of the default queue) of one cluster; none for `any`."""
    cluster = next((cluster for cluster in clusters if cluster.name == wanted), None)
    if cluster is None:
        return []
    queue = queue or next((known["name"] for known in cluster.queues if known["is_default"]), "")
    return [
        Host(node["name"], node["state"], node["cpus"])
        for node in sorted(cluster.nodes, key=lambda node: _natural(node["name"]))
        if not queue or queue in node["queues"]
    ][:MOST_HOSTS]


def _natural(name: str) -> tuple[str, int]:
    """`n2` before `n10`."""
    head = name.rstrip("0123456789")
    return head, int(name[len(head) :] or 0)
