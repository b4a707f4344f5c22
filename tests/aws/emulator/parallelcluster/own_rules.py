"""ParallelCluster's own judgement of configurations: run by the Python of its own environment, not by ours.

Reads {"name", "old", "new"} from stdin. Without `old`, only whether `new` keeps to the schema; with it, also whether
ParallelCluster would change a cluster with a running fleet from the one to the other.
"""

import json
import sys
from types import SimpleNamespace


def judge(name, old, new):
    """{"allowed": …, "why": […]}."""
    from marshmallow import ValidationError
    from pcluster.config.config_patch import ConfigPatch
    from pcluster.schemas.cluster_schema import ClusterSchema

    try:
        ClusterSchema(cluster_name=name).load(new)
    except ValidationError as error:
        return {"allowed": False, "why": [json.dumps(error.normalized_messages(), default=str)]}
    if old is None:
        return {"allowed": True, "why": []}
    cluster = SimpleNamespace(
        name=name,
        stack_name=name,
        has_running_capacity=lambda *_, **__: True,
        has_running_login_nodes=lambda *_, **__: False,
        head_node_instance=SimpleNamespace(state="running"),
    )
    allowed, rows = ConfigPatch(cluster=cluster, base_config=old, target_config=new).check()
    names = rows[0]
    changes = [dict(zip(names, row, strict=True)) for row in rows[1:]]
    why = [
        f"{'.'.join([*change['param_path'], change['parameter']])}: {change['reason']} ({change['update_policy']})"
        for change in changes
        if change["check"] != "SUCCEEDED"
    ]
    return {"allowed": allowed, "why": why, "changes": [".".join([*c["param_path"], c["parameter"]]) for c in changes]}


if __name__ == "__main__":
    json.dump(judge(**json.load(sys.stdin)), sys.stdout)
