"""Intrinsic functions of CloudFormation, resolved for given parameters; an unknown one raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NO_VALUE = object()
REFERENCE = re.compile(r"\$\{([^!}][^}]*)\}")


class Unresolved(Exception):
    """A function or a reference that cannot be resolved here."""


@dataclass(frozen=True)
class Intrinsics:
    """Parameters, mappings and conditions of a template; `reference` and `attribute` look at resources."""

    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    reference: Callable[[str], Any]
    attribute: Callable[[str, str], Any]

    def resolve(self, value: Any) -> Any:
        """Return the value without intrinsic functions; `AWS::NoValue` removes list elements and keys."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            function = getattr(self, f"_{name.removeprefix('Fn::').lower()}", None)
            if name == "Condition" and not isinstance(argument, str):  # of a policy statement
                function = None
            if name.startswith("Fn::") or (function and name in NAMES):
                if function is None:
                    raise Unresolved(f"unknown function {name}")
                return function(argument)
        resolved = {key: self.resolve(one) for key, one in value.items()}
        return {key: one for key, one in resolved.items() if one is not NO_VALUE}

    def condition(self, name: str) -> bool:
        """Return whether a condition of the template holds."""
        return bool(self.resolve(self.template["Conditions"][name]))

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.parameters:
            return self.parameters[name]
        return self.reference(name)

    def _getatt(self, where: str | list[str]) -> Any:
        resource, _, name = where.partition(".") if isinstance(where, str) else (where[0], "", where[1])
        return self.attribute(resource, name)

    def _sub(self, argument: str | list[Any]) -> str:
        text, more = (argument, {}) if isinstance(argument, str) else argument
        values = {name: self.resolve(one) for name, one in more.items()}

        def known(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name in values:
                return str(values[name])
            return str(self._getatt(name) if "." in name else self._ref(name))

        return REFERENCE.sub(known, text).replace("${!", "${")

    def _if(self, argument: list[Any]) -> Any:
        name, yes, no = argument
        return self.resolve(yes if self.condition(name) else no)

    def _condition(self, name: str) -> bool:
        return self.condition(name)

    def _equals(self, argument: list[Any]) -> bool:
        left, right = map(self.resolve, argument)
        return bool(str(left) == str(right))

    def _not(self, argument: list[Any]) -> bool:
        return not self.resolve(argument[0])

    def _and(self, argument: list[Any]) -> bool:
        return all(map(self.resolve, argument))

    def _or(self, argument: list[Any]) -> bool:
        return any(map(self.resolve, argument))

    def _join(self, argument: list[Any]) -> str:
        return str(argument[0]).join(map(str, self.resolve(argument[1])))

    def _split(self, argument: list[Any]) -> list[str]:
        return str(self.resolve(argument[1])).split(str(argument[0]))

    def _select(self, argument: list[Any]) -> Any:
        return self.resolve(argument[1])[int(self.resolve(argument[0]))]

    def _findinmap(self, argument: list[Any]) -> Any:
        name, first, second = map(self.resolve, argument)
        return self.template["Mappings"][name][str(first)][second]


NAMES = {
    "Ref", "GetAtt", "Sub", "If", "Condition", "Equals", "Not", "And", "Or", "Join", "Split", "Select", "FindInMap",
}  # fmt: skip
