"""What templates compute: Ref, Fn::GetAtt, Fn::Join … A value that cannot be had is an error, never left out."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from tests.aws.emulator.templates import SUBSTITUTION

DYNAMIC = re.compile(r"\{\{resolve:(secretsmanager|ssm):(.+?)\}\}")


class NO_VALUE:  # noqa: N801 - a mark
    """What AWS::NoValue stands for: the property is left out."""


class ReferenceFailed(Exception):
    """Something that the template refers to is not there."""


class Evaluator:
    """Computes parts of one stack's template."""

    def __init__(
        self,
        refer: Callable[[str, str], Any],
        imported: Callable[[str], str],
        resolve: Callable[[str, str], str],
        conditions: dict[str, Any],
        mappings: dict[str, Any],
        zones: list[str],
    ) -> None:
        self.refer = refer
        self.imported = imported
        self.resolve = resolve
        self.conditions = conditions
        self.mappings = mappings
        self.zones = zones

    def value(self, node: Any) -> Any:
        """The value of a part of the template."""
        if isinstance(node, list):
            return [value for item in node if (value := self.value(item)) is not NO_VALUE]
        if isinstance(node, dict):
            if len(node) == 1:
                (key, argument) = next(iter(node.items()))
                if key == "Ref":
                    return NO_VALUE if argument == "AWS::NoValue" else self.refer(argument, "")
                if key == "Condition" and isinstance(argument, str):
                    return self.condition(argument)
                if key.startswith("Fn::"):
                    return self._function(key[4:], argument)
            return {key: value for key, item in node.items() if (value := self.value(item)) is not NO_VALUE}
        if isinstance(node, str) and "{{resolve:" in node:
            return DYNAMIC.sub(lambda found: self.resolve(found[1], found[2]), node)
        return node

    def condition(self, name: str) -> bool:
        """Whether a condition holds."""
        return bool(self.value(self.conditions[name]))

    def _function(self, name: str, argument: Any) -> Any:
        function = getattr(self, f"_{name.lower()}", None)
        if function is None:
            raise ReferenceFailed(f"the emulator has no Fn::{name}")
        return function(argument)

    def _getatt(self, argument: Any) -> Any:
        name, _, attribute = argument.partition(".") if isinstance(argument, str) else (argument[0], "", argument[1])
        return self.refer(name, self.value(attribute))

    def _join(self, argument: Any) -> str:
        parts = self.value(argument[1])
        if not all(isinstance(part, str | int | float) for part in parts):
            raise ReferenceFailed(f"Fn::Join of something that is not text: {parts}")
        return str(argument[0]).join(str(part) for part in parts)

    def _sub(self, argument: Any) -> str:
        text, values = (argument, {}) if isinstance(argument, str) else argument
        own = {name: self.value(value) for name, value in values.items()}

        def replaced(found: re.Match[str]) -> str:
            name, _, attribute = found[1].strip().partition(".")
            return str(own[name] if name in own else self.refer(name, attribute))

        return SUBSTITUTION.sub(replaced, text).replace("${!", "${")

    def _select(self, argument: Any) -> Any:
        return self.value(argument[1])[int(self.value(argument[0]))]

    def _split(self, argument: Any) -> list[str]:
        return str(self.value(argument[1])).split(argument[0])

    def _importvalue(self, argument: Any) -> str:
        return self.imported(self.value(argument))

    def _getazs(self, _argument: Any) -> list[str]:
        return self.zones

    def _base64(self, argument: Any) -> str:
        return base64.b64encode(str(self.value(argument)).encode()).decode()

    def _tojsonstring(self, argument: Any) -> str:
        return json.dumps(self.value(argument))

    def _findinmap(self, argument: Any) -> Any:
        found: Any = self.mappings
        for key in argument[:3]:
            found = found[self.value(key)]
        return found

    def _if(self, argument: Any) -> Any:
        return self.value(argument[1] if self.condition(argument[0]) else argument[2])

    def _equals(self, argument: Any) -> bool:
        return bool(self.value(argument[0]) == self.value(argument[1]))

    def _not(self, argument: Any) -> bool:
        return not self.value(argument[0])

    def _and(self, argument: Any) -> bool:
        return all(self.value(item) for item in argument)

    def _or(self, argument: Any) -> bool:
        return any(self.value(item) for item in argument)
