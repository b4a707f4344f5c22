"""Puts our stacks behind moto's CloudFormation API: requests and answers stay moto's, what they do is `engine`'s."""

import json
import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from moto.cloudformation import responses
from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, Event, Export, Stack
from moto.cloudformation.utils import generate_stack_id
from moto.core.utils import utcnow
from tests.aws.emulator import addresses
from tests.aws.emulator.engine import LiveStack, World
from tests.aws.emulator.kinds import Context, client
from tests.aws.emulator.templates import TemplateError, in_order, parse

_worlds: dict[tuple[str, str], World] = {}
_log_lock = threading.Lock()


class ChangeSetNotFound(CloudFormationError):
    """What AWS says of a change set that a stack does not have."""

    code = "ChangeSetNotFoundException"


def log(entry: dict[str, Any]) -> None:
    """Write down what the emulator did: a line of JSON in `EMULATOR_LOG`."""
    if path := os.environ.get("EMULATOR_LOG"):
        with _log_lock, Path(path).open("a") as file:
            file.write(json.dumps(entry) + "\n")


def resolve(region: str, service: str, reference: str) -> str:
    """What `{{resolve:service:reference}}` stands for."""
    if service == "ssm":
        answer = client(addresses.endpoint(), region, "ssm").get_parameter(Name=reference.partition(":")[0])
        return str(answer["Parameter"]["Value"])
    # An ARN has colons of its own: secret-id:SecretString:json-key:version-stage:version-id.
    name, _, rest = reference.partition(":SecretString:")
    text = client(addresses.endpoint(), region, "secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    key = rest.partition(":")[0]
    return str(json.loads(text)[key]) if key else str(text)


def world(backend: CloudFormationBackend) -> World:
    """What the stacks of one account and region share."""
    key = (backend.account_id, backend.region_name)
    if key not in _worlds:
        _worlds[key] = World(resolve=lambda service, name: resolve(backend.region_name, service, name), log=log)
    return _worlds[key]


def live(stack: Stack) -> LiveStack:
    """The resources behind one of moto's stacks."""
    from moto.cloudformation.models import cloudformation_backends

    if not hasattr(stack, "live"):

        def report(name: str, physical: str, kind: str, state: str, reason: str) -> None:
            stack.events.append(Event(stack.stack_id, stack.name, name, physical, kind, state, reason or None, None))

        context = Context(
            addresses.endpoint(), stack.account_id, stack.region_name, stack.name, stack.stack_id, dict(stack.tags)
        )
        backend = cloudformation_backends[stack.account_id][stack.region_name]
        stack.live = LiveStack(context, world(backend), report)
    found: LiveStack = stack.live
    return found


def bring(stack: Stack, text: str, parameters: dict[str, Any], verb: str) -> None:
    """Create or update a stack, with the states that CloudFormation goes through."""
    _state(stack, f"{verb}_IN_PROGRESS", "User Initiated")
    if live(stack).apply(text, parameters):
        stack.template = text
        stack.template_dict = parse(text)
        stack.description = stack.template_dict.get("Description")
        stack.parameters = complete(stack.template_dict, parameters)
        stack.resource_map._resource_json_map = stack.template_dict["Resources"]
        _state(stack, f"{verb}_COMPLETE")
    else:
        _state(stack, "ROLLBACK_COMPLETE" if verb == "CREATE" else "UPDATE_ROLLBACK_COMPLETE")


def complete(template: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """All parameters: those that are not given have their defaults, as CloudFormation tells of a stack."""
    slots = template.get("Parameters", {})
    return {name: given.get(name, slot.get("Default")) for name, slot in slots.items()}


def _state(stack: Stack, state: str, reason: str | None = None) -> None:
    stack.status = state
    stack._add_stack_event(state, resource_status_reason=reason)


def checked(text: str) -> None:
    """What CloudFormation refuses before it begins."""
    try:
        in_order(parse(text))
    except TemplateError as error:
        log({"event": "refused", "why": str(error)})
        raise ValidationError(message=str(error)) from error


def _create_stack(self: CloudFormationBackend, name: str, template: str, parameters: Any, **given: Any) -> Stack:
    checked(template)
    if any(stack.name == name for stack in self.stacks.values()):
        raise ValidationError(message=f"Stack [{name}] already exists")
    stack = Stack(
        stack_id=generate_stack_id(name, self.region_name, self.account_id),
        name=name,
        template={},
        parameters=parameters,
        account_id=self.account_id,
        region_name=self.region_name,
        notification_arns=given.get("notification_arns"),
        tags=given.get("tags"),
        role_arn=given.get("role_arn"),
    )
    stack.creation_time = utcnow()
    self.stacks[stack.stack_id] = stack
    bring(stack, template, parameters, "CREATE")
    return stack


def _update_stack(self: CloudFormationBackend, name: str, template: str, **given: Any) -> Stack:
    checked(template)
    stack = self.get_stack(name)
    bring(stack, template, self._resolve_update_parameters(stack, given.get("parameters") or []), "UPDATE")
    return stack


_create_change_set = CloudFormationBackend.create_change_set


def _checked_change_set(self: CloudFormationBackend, *arguments: Any, **given: Any) -> tuple[str, str]:
    checked(given["template"])
    if given["change_set_type"] == "CREATE":
        # A stack that was only announced is announced anew; moto would have it twice.
        for stack in [one for one in self.stacks.values() if one.name == given["stack_name"]]:
            if stack.status != "REVIEW_IN_PROGRESS":
                raise ValidationError(message=f"Stack [{stack.name}] already exists and cannot be created again")
            del self.stacks[stack.stack_id]
    return _create_change_set(self, *arguments, **given)


_get_param = responses.CloudFormationResponse._get_param


def _param_of_its_stack(self: responses.CloudFormationResponse, name: str, if_none: Any = None) -> Any:
    """A change set by its id. Every stack has one of the CDK's one name; moto would take that of another stack."""
    found = _get_param(self, name, if_none)
    if name != "ChangeSetName" or self._get_action() == "CreateChangeSet":
        return found
    stack = _get_param(self, "StackName")
    for change_set_id, change_set in list(self.cloudformation_backend.change_sets.items()):
        named = found == change_set.change_set_name and stack in (change_set.stack_name, change_set.stack_id)
        if named or found == change_set_id:
            return change_set_id
    # One that is gone already may be deleted again.
    if self._get_action() == "DeleteChangeSet":
        return ""
    # The CDK waits for just this when it has deleted one.
    raise ChangeSetNotFound(f"ChangeSet [{found}] does not exist")


def _delete_change_set(self: CloudFormationBackend, change_set_name: str) -> None:
    self.change_sets.pop(change_set_name, None)


def _execute_change_set(self: CloudFormationBackend, change_set_name: str, stack_name: str | None = None) -> None:
    change_set = self.describe_change_set(change_set_name)
    if change_set is None:
        raise ValidationError(stack_name or change_set_name)
    change_set.execution_status = "EXECUTE_COMPLETE"
    bring(self.stacks[change_set.stack_id], change_set.template, change_set.parameters, change_set.change_set_type)


def _delete_stack(self: CloudFormationBackend, name_or_stack_id: str) -> None:
    for stack in list(self.stacks.values()):
        if name_or_stack_id in (stack.name, stack.stack_id):
            _state(stack, "DELETE_IN_PROGRESS", "User Initiated")
            if not live(stack).delete():
                stack.status = "DELETE_FAILED"
                return
            _state(stack, "DELETE_COMPLETE")
            self.deleted_stacks[stack.stack_id] = self.stacks.pop(stack.stack_id)
            # A later stack of that name has nothing to do with them.
            for change_set in [one for one in list(self.change_sets.values()) if one.stack_id == stack.stack_id]:
                del self.change_sets[change_set.change_set_id]


def _list_exports(self: CloudFormationBackend, tokenstr: str | None) -> tuple[list[Export], str | None]:
    return [Export(owner, name, value) for name, (owner, value) in world(self).exports.items()], None


def template_at(template_url: str, account_id: str, partition: str) -> str:
    """The template at an address of S3: of AWS's, or of the emulator, where buckets are paths."""
    from moto.s3.models import s3_backends

    found = urlparse(template_url)
    host = found.hostname or ""
    path = found.path.lstrip("/")
    in_path = host == "127.0.0.1" or host.startswith("s3")
    bucket, key = path.split("/", 1) if in_path else (host.partition(".")[0], path)
    text: str = s3_backends[account_id][partition].get_object(bucket, key).value.decode()
    return text


class _Resource(responses.StackResourceDTO):
    """moto gives every resource the state of its stack; CloudFormation each its own."""

    def __init__(self, stack: Stack, resource: Any) -> None:
        super().__init__(stack, resource)
        states = [event for event in stack.events if event.logical_resource_id == resource.logical_id]
        self.resource_status = states[-1].resource_status if states else stack.status


def install() -> None:
    """Put it in moto's place."""
    CloudFormationBackend.create_stack = _create_stack
    CloudFormationBackend.update_stack = _update_stack
    CloudFormationBackend.create_change_set = _checked_change_set
    CloudFormationBackend.delete_change_set = _delete_change_set
    responses.CloudFormationResponse._get_param = _param_of_its_stack
    CloudFormationBackend.execute_change_set = _execute_change_set
    CloudFormationBackend.delete_stack = _delete_stack
    CloudFormationBackend.list_exports = _list_exports
    # moto reads JSON as YAML, which takes seconds.
    changes: Any = ChangeSet
    changes._parse_template = lambda self: setattr(self, "template_dict", parse(self.template))
    stack: Any = Stack
    stack.parse_template = staticmethod(parse)
    stack.outputs = property(lambda self: live(self).outputs or None)
    stack.stack_resources = property(lambda self: list(live(self).resources.values()))
    stack.parameter_list = property(
        lambda self: [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
    )
    stack.has_parameters = lambda self, other: complete(self.template_dict, other) == self.parameters
    stack.stack_parameters = property(lambda self: self.parameters)
    responses.StackResourceDTO = _Resource
    responses.get_stack_from_s3_url = template_at
