"""What a deployment does to nodes that may be running jobs."""

from typing import Any

from tandem.aws.node_changes import clusters_that_go, impossible_changes, node_changes


def template(name: str = "lab-one", head: str = "c5.large", **queues: Any) -> dict[str, Any]:
    configuration = {
        "HeadNode": {"InstanceType": head},
        "Scheduling": {"SlurmQueues": [{"Name": queue, **settings} for queue, settings in queues.items()]},
    }
    properties = {"ClusterName": name, "ClusterConfiguration": configuration}
    return {"Resources": {"Cluster": {"Type": "Custom::PclusterCluster", "Properties": properties}}}


def nodes(kind: str, most: int = 4) -> dict[str, Any]:
    return {"ComputeResources": [{"Name": kind.replace(".", "-"), "InstanceType": kind, "MaxCount": most}]}


def test_another_type_takes_the_old_nodes_away() -> None:
    old, new = template(compute=nodes("c5.xlarge")), template(compute=nodes("c6i.xlarge"))
    assert [str(change) for change in node_changes(old, new)] == [
        "lab-one, queue compute: nodes of c5.xlarge go, c6i.xlarge instead"
    ]


def test_a_queue_that_goes_takes_its_nodes_along() -> None:
    old = template(compute=nodes("c5.xlarge"), large=nodes("c5.9xlarge"))
    assert [change.queue for change in node_changes(old, template(compute=nodes("c5.xlarge")))] == ["large"]


def test_fewer_nodes_are_said_and_more_are_not() -> None:
    few, many = template(compute=nodes("c5.xlarge", 2)), template(compute=nodes("c5.xlarge", 8))
    assert node_changes(few, many) == []
    assert len(node_changes(many, few)) == 1


def test_a_setting_of_the_whole_queue_replaces_its_nodes() -> None:
    old, new = nodes("c5.xlarge"), nodes("c5.xlarge") | {"Networking": {"SubnetIds": ["other"]}}
    assert len(node_changes(template(compute=old), template(compute=new))) == 1


def test_nothing_is_said_of_what_stays_or_is_not_there_yet() -> None:
    there = template(compute=nodes("c5.xlarge"))
    assert node_changes(there, there) == []
    assert node_changes({}, there) == []


def test_a_head_node_cannot_change() -> None:
    old, new = template(compute=nodes("c5.xlarge")), template(head="c5.xlarge", compute=nodes("c5.xlarge"))
    assert "c5.large to c5.xlarge" in impossible_changes(old, new)[0].what


def test_a_cluster_that_goes_is_named() -> None:
    assert clusters_that_go(template("lab-one"), template("lab-two")) == ["lab-one"]
