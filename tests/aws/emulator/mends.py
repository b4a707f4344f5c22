"""Where what moto answers is not what AWS would."""

import json
from typing import Any

from moto.cloudtrail.responses import CloudTrailResponse
from moto.ec2.models.instances import Instance
from moto.fsx.models import FileSystem
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

# Of clients that do not come by TLS. Ours stand for some that do.
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}
# Of FSx, beside the prefix; moto's ids have eight digits.
DIGITS_OF_FILE_SYSTEMS = 17


def permission(bucket: Any, action: str, resource: str) -> PermissionResult:
    """What the bucket's policy says to that. moto looks at what a statement denies, and not at its condition."""
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    holding = [statement for statement in statements if statement.get("Condition") != WITHOUT_TLS]
    return IAMPolicy(json.dumps(policy | {"Statement": holding})).is_action_permitted(action, resource)


def _lengthen(system: Any, short: str) -> None:
    system.__dict__["file_system_id"] = short.ljust(len("fs-") + DIGITS_OF_FILE_SYSTEMS, "0")


_terminate = Instance.terminate


def terminate(instance: Instance) -> Any:
    """The interface that an instance came with goes with it."""
    for interface in instance.nics.values():
        if interface.description == "Primary network interface":
            interface.delete_on_termination = True
    return _terminate(instance)


def install() -> None:
    """Let moto do as AWS does."""
    FakeBucket.get_permission = permission
    # Nothing was refused that a trail could tell of. The CDK asks when something fails, and again for half a minute.
    CloudTrailResponse.lookup_events = lambda _: json.dumps({"Events": []})
    Instance.terminate = terminate
    kind: Any = FileSystem
    kind.file_system_id = property(lambda system: system.__dict__["file_system_id"], _lengthen)
