"""A stack while it lives: brought to a template, resource by resource, and back when one of them fails."""

import json
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.aws.emulator.intrinsics import NO_VALUE, Evaluator, ReferenceFailed
from tests.aws.emulator.kinds import KINDS, CannotChange, Context, Kind
from tests.aws.emulator.templates import Template, in_order, parse

Report = Callable[[str, str, str, str, str], None]


class UnknownType(Exception):
    """The emulator has no such type: it would be skipped, and the test would prove nothing."""


@dataclass
class World:
    """What stacks share: what they export, and who imports it."""

    exports: dict[str, tuple[str, str]] = field(default_factory=dict)
    imports: dict[str, set[str]] = field(default_factory=dict)
    resolve: Callable[[str, str], str] = lambda _service, reference: reference
    log: Callable[[dict[str, Any]], None] = lambda _: None


class LiveStack:
    """The resources of one stack. `report` is told (logical id, physical id, type, state, reason)."""

    def __init__(self, context: Context, world: World, report: Report) -> None:
        self.context = context
        self.world = world
        self.report = report
        self.template: Template = {}
        self.parameters: dict[str, Any] = {}
        self.resources: dict[str, Kind] = {}
        self.outputs: list[dict[str, Any]] = []

    def apply(self, text: str, parameters: dict[str, Any]) -> bool:
        """Bring the stack to the template. False: something failed, and all is as it was."""
        before, before_parameters = self.template, self.parameters
        made: list[str] = []
        changed: list[tuple[str, dict[str, Any]]] = []
        self.template = parse(text)
        order = in_order(self.template)
        self.parameters = self._parameters(parameters)
        try:
            for name in order:
                if self._wanted(name):
                    self._bring(name, made, changed)
            # Evaluated before anything goes: an output that cannot be had fails the deployment.
            outputs = self._outputs()
            gone = [name for name in self.resources if name not in order or not self._wanted(name)]
            kept = {name: self.resources[name] for name in self.resources if name not in gone}
            self._remove(gone, before)
            self.resources = kept
        except Exception as error:  # noqa: BLE001 - whatever fails, fails the stack
            self.world.log({"event": "failed", "stack": self.context.stack_name, "why": traceback.format_exc()[-1500:]})
            verb = "UPDATE_ROLLBACK" if before else "ROLLBACK"
            self._report_stack(f"{verb}_IN_PROGRESS", str(error))
            self._undo(made, changed)
            self.template, self.parameters = before, before_parameters
            return False
        self._publish(outputs)
        return True

    def delete(self) -> bool:
        """Remove everything. False: something could not be."""
        users = sorted(
            stack
            for name, (owner, _) in self.world.exports.items()
            if owner == self.context.stack_id
            for stack in self.world.imports.get(name, set())
        )
        if users:
            reason = f"Export cannot be deleted as it is in use by {', '.join(users)}"
            self._report_stack("DELETE_FAILED", reason)
            return False
        try:
            self._remove(list(self.resources), self.template)
        except Exception as error:  # noqa: BLE001 - as above
            self.world.log({"event": "failed", "stack": self.context.stack_name, "why": traceback.format_exc()[-1500:]})
            self._report_stack("DELETE_FAILED", str(error))
            return False
        self._forget_exports()
        for importers in self.world.imports.values():
            importers.discard(self.context.stack_name)
        return True

    def _report_stack(self, state: str, reason: str) -> None:
        self.report(self.context.stack_name, self.context.stack_id, "AWS::CloudFormation::Stack", state, reason)

    # How a resource gets there.

    def _wanted(self, name: str) -> bool:
        condition = self.template["Resources"][name].get("Condition")
        return condition is None or self._evaluator().condition(condition)

    def _bring(self, name: str, made: list[str], changed: list[tuple[str, dict[str, Any]]]) -> None:
        resource = self.template["Resources"][name]
        kind = resource["Type"]
        there = self.resources.get(name)
        verb = "CREATE" if there is None else "UPDATE"
        physical = there.id if there else ""
        try:
            properties = self._evaluator().value(resource.get("Properties", {}))
            if there is None:
                self.report(name, "", kind, "CREATE_IN_PROGRESS", "")
                there = self._new(name, kind)
                there.create(properties)
                made.append(name)
            elif json.dumps(properties, sort_keys=True) == json.dumps(there.properties, sort_keys=True):
                return
            elif replacing := sorted(
                key for key in there.replaced_by if properties.get(key) != there.properties.get(key)
            ):
                raise CannotChange(f"a change of {', '.join(replacing)} would replace {name} ({kind})")
            else:
                self.report(name, physical, kind, "UPDATE_IN_PROGRESS", "")
                old = there.properties
                changed.append((name, old))
                there.update(properties, old)
        except Exception as error:
            self.report(name, physical, kind, f"{verb}_FAILED", f"{error}")
            raise
        there.properties = properties
        self.resources[name] = there
        self.world.log({"event": verb.lower(), "stack": self.context.stack_name, "id": name, "type": kind})
        self.report(name, there.id, kind, f"{verb}_COMPLETE", "")

    def _new(self, name: str, kind: str) -> Kind:
        found = KINDS.get(kind) or (KINDS["Custom::"] if kind.startswith("Custom::") else None)
        if found is None:
            self.world.log({"event": "unknown", "stack": self.context.stack_name, "id": name, "type": kind})
            raise UnknownType(f"the emulator does not know {kind}: it would be skipped")
        resource = found(self.context, name)
        if kind.startswith("Custom::"):
            resource.type = kind
        return resource

    def _remove(self, names: list[str], template: Template) -> None:
        """In the order that the template asks for, backwards."""
        order = [name for name in in_order(template) if name in names] if template else names
        for name in reversed(order):
            resource = self.resources[name]
            policy = template["Resources"][name].get("DeletionPolicy", "Delete")
            if policy == "Retain":
                self.report(name, resource.id, resource.type, "DELETE_SKIPPED", "")
                self.world.log({"event": "kept", "stack": self.context.stack_name, "id": name, "type": resource.type})
            else:
                self._delete_one(name)
            del self.resources[name]

    def _delete_one(self, name: str) -> None:
        resource = self.resources[name]
        self.report(name, resource.id, resource.type, "DELETE_IN_PROGRESS", "")
        try:
            resource.delete()
        except Exception as error:
            self.report(name, resource.id, resource.type, "DELETE_FAILED", f"{error}")
            raise
        self.world.log({"event": "delete", "stack": self.context.stack_name, "id": name, "type": resource.type})
        self.report(name, resource.id, resource.type, "DELETE_COMPLETE", "")

    def _undo(self, made: list[str], changed: list[tuple[str, dict[str, Any]]]) -> None:
        for name, old in reversed(changed):
            resource = self.resources[name]
            # What could not be changed is as it was.
            with suppress(CannotChange):
                resource.update(old, resource.properties)
            resource.properties = old
            self.report(name, resource.id, resource.type, "UPDATE_COMPLETE", "")
        for name in reversed(made):
            if name in self.resources:
                self._delete_one(name)
                del self.resources[name]

    # What templates refer to.

    def _evaluator(self) -> Evaluator:
        return Evaluator(
            self._refer,
            self._imported,
            self.world.resolve,
            self.template.get("Conditions", {}),
            self.template.get("Mappings", {}),
            [f"{self.context.region}{letter}" for letter in "abc"],
        )

    def _refer(self, name: str, attribute: str) -> Any:
        if name.startswith("AWS::"):
            return {
                "AWS::AccountId": self.context.account,
                "AWS::NoValue": NO_VALUE,
                "AWS::Partition": "aws",
                "AWS::Region": self.context.region,
                "AWS::StackId": self.context.stack_id,
                "AWS::StackName": self.context.stack_name,
                "AWS::URLSuffix": "amazonaws.com",
            }[name]
        if name in self.parameters and not attribute:
            return self.parameters[name]
        resource = self.resources.get(name)
        if resource is None:
            raise ReferenceFailed(f"{name} is not there: its condition does not hold")
        if not attribute:
            return resource.id
        if attribute not in resource.attributes or resource.attributes[attribute] is None:
            raise ReferenceFailed(f"{resource.type} has no attribute {attribute} (or the emulator does not know it)")
        return resource.attributes[attribute]

    def _imported(self, name: str) -> str:
        if name not in self.world.exports:
            raise ReferenceFailed(f"No export named {name} found.")
        self.world.imports.setdefault(name, set()).add(self.context.stack_name)
        return self.world.exports[name][1]

    def _parameters(self, given: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, slot in self.template.get("Parameters", {}).items():
            value = given.get(name, slot.get("Default"))
            if value is None:
                raise ReferenceFailed(f"Parameters: [{name}] must have values")
            if slot["Type"].startswith("AWS::SSM::Parameter::Value"):
                value = self.world.resolve("ssm", value)
            elif slot["Type"] == "CommaDelimitedList" or slot["Type"].startswith("List"):
                value = value.split(",") if isinstance(value, str) else value
            values[name] = value
        return values

    def _outputs(self) -> list[dict[str, Any]]:
        evaluator = self._evaluator()
        outputs = []
        for key, output in self.template.get("Outputs", {}).items():
            if "Condition" in output and not evaluator.condition(output["Condition"]):
                continue
            export = evaluator.value(output["Export"]["Name"]) if "Export" in output else None
            value = evaluator.value(output["Value"])
            if not isinstance(value, str):
                raise ReferenceFailed(f"Template format error: Output {key} is malformed: {value!r}")
            outputs.append(
                {
                    "OutputKey": key,
                    "OutputValue": value,
                    "Description": output.get("Description"),
                    "ExportName": export,
                }
            )
        return outputs

    def _publish(self, outputs: list[dict[str, Any]]) -> None:
        self._forget_exports()
        self.outputs = outputs
        for output in outputs:
            if name := output["ExportName"]:
                self.world.exports[name] = (self.context.stack_id, output["OutputValue"])

    def _forget_exports(self) -> None:
        for name in [name for name, (owner, _) in self.world.exports.items() if owner == self.context.stack_id]:
            del self.world.exports[name]
