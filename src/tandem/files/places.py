"""Where files are, and through which cluster they are reached.

Every cluster serves the homes and what is shared; the scratch of a cluster is on that cluster alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.clusters.door import Answer, AnswerLost, ClusterRefused, ClusterUnreachable, Lane, get_door
from tandem.clusters.models import Cluster, ClusterState
from tandem.files.paths import HOME, is_below, quoted
from tandem.files.trouble import UNSURE, FilesAway, FileTrouble, trouble
from tandem.jobs.page_seats import NoSeat, seat_to_read
from tandem.node import this_environment

DEADLINE = 20.0
SHARED = "/efs"
# The better ones first; one that is down is not asked.
ORDER = {ClusterState.UP: 0, ClusterState.RECOVERING: 1, ClusterState.SUSPECT: 2}

# What every script begins with. `at`: the path that is meant, without `$(…)`, which no name's last line end survives.
RESOLVE = r"""
resolve() {
    case $1 in
        "~") at=$HOME ;;
        "~/"*) at=$HOME/${1#"~/"} ;;
        *) at=$1 ;;
    esac
}
no() { printf %s "$1"; exit 3; }
enter() {
    cd -- "$1" 2>/dev/null && return
    stat -L -- "$1/." >/dev/null || exit 4
    no forbidden
}
"""


@dataclass(frozen=True, slots=True)
class Root:
    """A place to begin at. `cluster` is the one that alone has it; `away` are those that would be needed."""

    name: str
    path: bytes
    cluster: Cluster | None
    away: list[Cluster]
    is_current: bool

    @property
    def address(self) -> str:
        """The path, as it stands in an address."""
        return quoted(self.path)

    @property
    def is_home(self) -> bool:
        """The person's own."""
        return self.path == HOME


def scratch_paths(clusters: list[Cluster]) -> dict[str, str]:
    """Where each cluster's scratch is."""
    environment = this_environment()
    if environment is None:
        return {cluster.name: f"/fsx_{cluster.name}" for cluster in clusters}
    return {name: scratch.path for name, scratch in environment.storage.scratch.items()}


def known_clusters() -> list[Cluster]:
    """All of the environment, those that answer first."""
    clusters = Cluster.objects.filter(present=True).only("name", "state", "state_since", "last_answer_at", "present")
    return sorted(clusters, key=lambda cluster: (ORDER.get(ClusterState(cluster.state), 9), cluster.name))


def answers(cluster: Cluster) -> bool:
    """Whether it is worth asking."""
    return cluster.state in ORDER


def roots(username: str, current: bytes) -> list[Root]:
    """Home, what is shared, and each cluster's scratch; with what keeps it from being used now."""
    clusters = known_clusters()
    silent = [] if any(answers(cluster) for cluster in clusters) else clusters
    at_home = current == HOME or current.startswith(b"~/") or is_below(current, f"{SHARED}/home/{username}")
    found = [
        Root("Home", HOME, None, silent, at_home),
        Root(SHARED, SHARED.encode(), None, silent, not at_home and is_below(current, SHARED)),
    ]
    places = scratch_paths(clusters)
    for cluster in sorted(clusters, key=lambda cluster: cluster.name):
        if path := places.get(cluster.name):
            away = [] if answers(cluster) else [cluster]
            found.append(Root(path, path.encode(), cluster, away, is_below(current, path)))
    return found


def clusters_for(path: bytes) -> list[str]:
    """The clusters through which a path is reached, the best first. Raises FilesAway when none of them answers."""
    clusters = known_clusters()
    for name, scratch in scratch_paths(clusters).items():
        if is_below(path, scratch):
            clusters = [cluster for cluster in clusters if cluster.name == name]
    able = [cluster.name for cluster in clusters if answers(cluster)]
    if not able:
        names = [cluster.name for cluster in clusters]
        who = f"{names[0]}, which alone has this path, is down" if len(names) == 1 else "No cluster answers"
        raise FilesAway(f"{who} at the moment; the files are where they were.", path, names)
    return able


def look(
    username: str,
    path: bytes,
    script: str,
    args: tuple[str | bytes, ...],
    data: bytes = b"",
    clusters: Sequence[str] = (),
) -> tuple[Answer, str]:
    """What a script that changes nothing answers, and the cluster that did: the first that does. Raises FileTrouble."""
    clusters = clusters or clusters_for(path)
    for cluster in clusters:
        try:
            return _run(username, cluster, path, script, args, data, DEADLINE), cluster
        except ClusterRefused as refused:
            away = FilesAway(f"{cluster} refused: {refused}.", path, [cluster])
        except (ClusterUnreachable, AnswerLost):
            away = FilesAway(f"{cluster} does not answer; the files are where they were.", path, [cluster])
    raise away


def change(
    username: str, path: bytes, script: str, args: tuple[str | bytes, ...], deadline: float = DEADLINE
) -> Answer:
    """What a script that changes something answers; the next cluster is asked if none ran it. Raises FileTrouble."""
    for cluster in clusters_for(path):
        try:
            answer = _run(username, cluster, path, script, args, b"", deadline)
        except ClusterRefused as refused:
            away = FilesAway(f"{cluster} refused: {refused}.", path, [cluster])
        except ClusterUnreachable:
            away = FilesAway(f"{cluster} does not answer; nothing was changed.", path, [cluster])
        except AnswerLost:
            raise FilesAway(f"{cluster} does not answer any more. {UNSURE}", path, [cluster]) from None
        else:
            if answer.status:
                raise trouble(answer.stdout, answer.stderr, path)
            return answer
    raise away


def _run(
    username: str,
    cluster: str,
    path: bytes,
    script: str,
    args: tuple[str | bytes, ...],
    data: bytes,
    deadline: float,
) -> Answer:
    try:
        with seat_to_read():
            return get_door().run(
                username, cluster, RESOLVE + script, args, data=data, deadline=deadline, lane=Lane.PAGE
            )
    except NoSeat as full:
        raise FileTrouble(503, str(full), path) from full
