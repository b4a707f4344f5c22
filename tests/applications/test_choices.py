"""What a form offers: from what watchers last saw, never asked."""

from tandem.applications.choices import cluster_choices, hosts_of, known_clusters, queue_choices
from tandem.clusters.models import Cluster


def test_any_is_offered_first(two_clusters: list[Cluster]) -> None:
    assert cluster_choices(two_clusters) == [("any", "any"), ("cluster1", "cluster1"), ("cluster2", "cluster2")]


def test_a_cluster_that_is_down_is_offered_and_one_that_left_the_environment_is_not(
    two_clusters: list[Cluster],
) -> None:
    Cluster.objects.filter(name="cluster1").update(state="DOWN")
    Cluster.objects.filter(name="cluster2").update(present=False)
    assert [cluster.name for cluster in known_clusters()] == ["cluster1"]


def test_a_cluster_has_its_own_queues(two_clusters: list[Cluster]) -> None:
    assert queue_choices(two_clusters, "cluster2") == [
        ("", "default (compute)"),
        ("compute", "compute"),
        ("gpu", "gpu"),
    ]


def test_any_has_all_queues_and_says_which_are_not_everywhere(two_clusters: list[Cluster]) -> None:
    assert queue_choices(two_clusters, "any") == [
        ("", "default (compute)"),
        ("always-on", "always-on (on cluster1 only)"),
        ("compute", "compute"),
        ("gpu", "gpu (on cluster2 only)"),
    ]


def test_defaults_that_differ_are_not_named(two_clusters: list[Cluster]) -> None:
    two_clusters[1].queues[0]["is_default"], two_clusters[1].queues[1]["is_default"] = False, True
    assert queue_choices(two_clusters, "any")[0] == ("", "default of the cluster")


def test_clusters_that_never_answered_have_no_queues_to_offer() -> None:
    assert queue_choices([Cluster(name="new")], "any") == [("", "default of the cluster")]


def test_hosts_are_those_of_the_queue_in_their_order(two_clusters: list[Cluster]) -> None:
    assert [host.name for host in hosts_of(two_clusters, "cluster1", "compute")] == ["n2", "n10"]
    assert [host.name for host in hosts_of(two_clusters, "cluster2", "gpu")] == ["g1"]


def test_without_a_queue_they_are_the_default_queues(two_clusters: list[Cluster]) -> None:
    assert [host.name for host in hosts_of(two_clusters, "cluster1", "")] == ["n2", "n10"]


def test_any_cluster_has_no_hosts_to_choose_from(two_clusters: list[Cluster]) -> None:
    assert hosts_of(two_clusters, "any", "compute") == []
