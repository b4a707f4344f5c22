"""What AWS needs of an environment file beside what every environment needs. Asks nobody."""

import re
from collections.abc import Iterator

from tandem.environment import Environment

_GRAVITON = re.compile(r"(?:a1|[a-z]+[0-9]+g[a-z]*)\.")


class NotForAws(Exception):
    """An environment that can be on one machine only; the text says why."""


def is_graviton(instance_type: str) -> bool:
    """Whether instances of this type have an ARM processor."""
    return _GRAVITON.match(instance_type) is not None


def problems(environment: Environment) -> Iterator[str]:
    """Why the environment cannot be on AWS, and what to do about it."""
    if len(environment.zones) < 2:
        yield "AWS needs two zones: its load balancer and its database take no fewer. Add one with a cluster in it."
    for cluster in environment.clusters:
        for queue in cluster.queues:
            where = f"Queue {queue.name} of {cluster.name}"
            if queue.instance_type is None:
                yield f"{where} says how large its nodes are, but not which: give it an instance_type."
            elif is_graviton(queue.instance_type) != is_graviton(cluster.instance_type):
                yield (
                    f"{where} has nodes of the type {queue.instance_type}, and the head node is a "
                    f"{cluster.instance_type}: ParallelCluster wants one kind of processor in a cluster."
                )


def require_suitable(environment: Environment) -> None:
    """Raise NotForAws with all problems, if there are any."""
    if found := list(problems(environment)):
        raise NotForAws("\n".join(found))
