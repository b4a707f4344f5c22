"""CloudFormation's stacks of an environment: where they are, how far, and what failed first."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import yaml
from botocore.exceptions import ClientError

from tandem.aws.account import Account, code_of
from tandem.aws.names import STACKS, Names

GONE = ""
NESTED = "AWS::CloudFormation::Stack"
# What others were told because one failed.
_CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled", "The following resource(s) failed")


@dataclass(frozen=True)
class Stack:
    """One stack as it is. `status` is empty when there is none."""

    stack: str
    name: str
    id: str = ""
    status: str = GONE
    outputs: tuple[tuple[str, str, str], ...] = ()

    @property
    def busy(self) -> bool:
        """Whether CloudFormation works on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def there(self) -> bool:
        """Whether it has, or may have, resources."""
        return self.status not in (GONE, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE")


@dataclass(frozen=True)
class Failure:
    """What failed first, and why."""

    stack: str
    resource: str
    type: str
    reason: str
    physical_id: str = ""


@dataclass(frozen=True)
class Step:
    """How far a stack is: so many resources done, and what is worked on now."""

    status: str
    done: int
    working_on: str


@dataclass
class Watch:
    """Follows the stacks from the moment it is made."""

    account: Account
    names: Names
    seen: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for stack in read_stacks(self.account, self.names):
            if stack.there:
                self.seen[stack.id] = {event["EventId"] for event in self._events(stack.id)}

    def _events(self, stack_id: str) -> list[dict[str, Any]]:
        """Newest first: those since the last time that are not known, and some that are."""
        pages = self.account.client("cloudformation").get_paginator("describe_stack_events")
        known = self.seen.get(stack_id, set())
        found: list[dict[str, Any]] = []
        for page in pages.paginate(StackName=stack_id):
            found += page["StackEvents"]
            if any(event["EventId"] in known for event in page["StackEvents"]):
                break
        return found

    def new_events(self, stack_id: str) -> list[dict[str, Any]]:
        """What happened to a stack since the watch began, oldest first."""
        known = self.seen.get(stack_id, set())
        return [event for event in reversed(self._events(stack_id)) if event["EventId"] not in known]

    def step(self, stack: Stack) -> Step:
        """How far `stack` is."""
        states: dict[str, str] = {}
        for event in self.new_events(stack.id):
            if event["LogicalResourceId"] != stack.name:
                states[event["LogicalResourceId"]] = event["ResourceStatus"]
        done = sum(state.endswith(("_COMPLETE", "_SKIPPED")) for state in states.values())
        working = [name for name, state in states.items() if state.endswith("_IN_PROGRESS")]
        return Step(stack.status, done, working[-1] if working else "")

    def first_failure(self, stacks: Iterable[Stack]) -> Failure | None:
        """Of all that failed since the watch began, what did so first; inside a nested stack, what did there."""
        failed: list[tuple[datetime, str, dict[str, Any]]] = [
            (event["Timestamp"], stack.stack, event)
            for stack in stacks
            if stack.id
            for event in self.new_events(stack.id)
            if _is_cause(event)
        ]
        if not failed:
            return None
        _, name, event = min(failed, key=lambda one: one[0])
        return self._inside(name, event)

    def _inside(self, stack: str, event: dict[str, Any]) -> Failure:
        physical = event.get("PhysicalResourceId", "")
        if event["ResourceType"] == NESTED and physical.startswith("arn:") and physical != event["StackId"]:
            inner = [one for one in self.new_events(physical) if _is_cause(one)]
            if inner:
                return self._inside(stack, inner[0])
        reason = " ".join(event.get("ResourceStatusReason", "no reason was given").split())
        return Failure(stack, event["LogicalResourceId"], event["ResourceType"], reason, physical)


def _is_cause(event: dict[str, Any]) -> bool:
    reason = event.get("ResourceStatusReason", "")
    return event["ResourceStatus"].endswith("_FAILED") and not reason.startswith(_CONSEQUENCES)


def read_stacks(account: Account, names: Names) -> list[Stack]:
    """All stacks of the environment, in the order in which they are made; also those that are not there."""
    return [read_stack(account, stack, names.stack(stack)) for stack in STACKS]


def read_stack(account: Account, stack: str, name_or_id: str) -> Stack:
    """One stack."""
    try:
        found = account.client("cloudformation").describe_stacks(StackName=name_or_id)["Stacks"][0]
    except ClientError as error:
        if code_of(error) != "ValidationError":
            raise
        return Stack(stack, name_or_id)
    outputs = tuple(
        (one["OutputKey"], one["OutputValue"], one.get("Description", ""))
        for one in found.get("Outputs", [])
        # What stacks tell each other is not for people.
        if not one.get("ExportName")
    )
    return Stack(stack, found["StackName"], found["StackId"], found["StackStatus"], outputs)


def read_template(account: Account, stack: Stack) -> dict[str, Any]:
    """The template that a stack was made from; empty when it is not there."""
    if not stack.there:
        return {}
    answer = account.client("cloudformation").get_template(StackName=stack.name, TemplateStage="Original")
    body = answer["TemplateBody"]
    if isinstance(body, dict):
        return body
    loaded: dict[str, Any] = yaml.safe_load(body)
    return loaded
