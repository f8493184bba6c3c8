"""Parse YAML into nodes and values, within the limits of `yaml_limits`.

libyaml parses a document of the largest size in less than a second; without it, PyYAML's own parser takes longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import yaml
from yaml.resolver import Resolver

from evercert.cli.yaml_limits import Unreadable, check_events, check_text, line_of, measure

# PyYAML raises these for an explicit tag with unsuitable text, and for dates and numbers out of range.
_INVALID_VALUE = (ValueError, OverflowError, KeyError, AttributeError, IndexError, TypeError)
_MARKED = re.compile("alias|anchor|tag")
_TAG = "tag:yaml.org,2002:"
_TEXT, _LIST, _MAPPING = f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map"
_SPECIAL_KEYS = (f"{_TAG}merge", f"{_TAG}value")


@dataclass(frozen=True)
class Scalar:
    """A value that is not text, with its text: the Infisical agent reads either, by the type of the key."""

    value: bool | int | float | date
    text: str

    def __str__(self) -> str:
        """Return the text, which is also how a key is shown."""
        return self.text


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loader of plain data: text, numbers, dates, true and false, lists and mappings.

    Unlike YAML 1.1, `1:30` is text: the conversion of sexagesimal numbers takes time by the square of their length.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # its own; filled below
    yaml_constructors: ClassVar[dict[Any, Any]] = {
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in {"null", "bool", "int", "float", "str", "seq", "map", "timestamp"}
    }


_INT = r"[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)"
_FLOAT = r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(f"^(?:{_INT})$"), list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", re.compile(f"^(?:{_FLOAT})$"), list("-+0123456789."))
for _letter, _resolvers in Resolver.yaml_implicit_resolvers.items():
    for _name, _expression in _resolvers:
        if _name.removeprefix(_TAG) in {"bool", "null", "merge", "timestamp"}:
            _Loader.add_implicit_resolver(_name, _expression, [_letter])


class _ScalarLoader(_Loader):
    """Loader that keeps the text of values that are not text."""


def _construct_scalar(loader: _ScalarLoader, node: yaml.ScalarNode) -> Scalar:
    return Scalar(_Loader.yaml_constructors[node.tag](loader, node), node.value)


for _name in ("bool", "int", "float", "timestamp"):
    _ScalarLoader.add_constructor(_TAG + _name, _construct_scalar)


def compose(text: str) -> yaml.Node:
    """Return the only document of the text; raise Unreadable if it is not YAML or exceeds a limit."""
    check_text(text)
    try:
        check_events(_parsed(text))
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML's own parser: an escape or a version
        raise Unreadable(
            0, "is not YAML: an escape in quotes, or a directive that begins with %, is invalid"
        ) from error
    measure(node, {}, ())
    return node


def construct(node: yaml.Node) -> Any:  # noqa: ANN401
    """Return the values of a document."""
    try:
        return _values(node, _Loader(""), {})
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error) from error


def construct_scalars(node: yaml.Node) -> Any:  # noqa: ANN401
    """Return the values of a document that `construct` has read, with a Scalar for each value that is not text."""
    return _values(node, _ScalarLoader(""), {})


def _parsed(text: str) -> Iterator[yaml.Event]:
    return yaml.parse(text, Loader=_Loader)


def _compose(text: str) -> yaml.Node:
    """Return the only document of the stream; `---` at the start or the end adds empty ones, which do not count."""
    nodes = [node for node in yaml.compose_all(text, Loader=_Loader) if not _is_empty(node)]
    if not nodes:
        raise Unreadable(1, "is empty")
    if len(nodes) > 1:
        problem = "has a second document after ---; put each document into a file of its own"
        raise Unreadable(line_of(nodes[1]), problem)
    return nodes[0]


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.value and node.tag == f"{_TAG}null"


def _not_yaml(error: yaml.MarkedYAMLError) -> Unreadable:
    """Return PyYAML's message unless it quotes text that begins with !, & or *, which may be an unquoted password."""
    mark, begin = error.problem_mark or error.context_mark, error.context_mark
    reason = str(error.problem or error.context)
    if "cannot start any token" in reason:
        reason = "a tab or another character that no value begins with; indent with spaces"
    elif begin is not None and mark is not None and begin.line != mark.line:
        reason = f"{reason}, {error.context} that begins in line {begin.line + 1}"
    if _MARKED.search(f"{error.context} {error.problem}"):
        reason = "text that begins with !, & or * needs quotes"
    if begin is not None and "end of stream" in reason and "quoted scalar" in str(error.context):
        return Unreadable(begin.line + 1, "is not YAML: the quote that begins here is not closed")
    return Unreadable(mark.line + 1 if mark else 0, f"is not YAML: {reason}")


def _values(node: yaml.Node, loader: Any, made: dict[int, Any]) -> Any:  # noqa: ANN401
    """Return the value of a node in a quarter of PyYAML's time; aliases of a collection share one value."""
    if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
        return node.value
    if id(node) in made:
        return made[id(node)]
    value: Any
    if node.tag == _LIST and isinstance(node, yaml.SequenceNode):
        value = [_values(child, loader, made) for child in node.value]
    elif node.tag == _MAPPING and isinstance(node, yaml.MappingNode) and _has_plain_keys(node):
        value = {_values(key, loader, made): _values(part, loader, made) for key, part in _merged(node, loader)}
    else:
        try:
            constructor = loader.yaml_constructors.get(node.tag) if isinstance(node, yaml.ScalarNode) else None
            value = constructor(loader, node) if constructor else loader.construct_object(node, deep=True)
        except _INVALID_VALUE as error:
            raise Unreadable(
                line_of(node),
                "has an invalid value, such as the date 2026-02-30; correct it, or put it in quotes if it is text",
            ) from error
    made[id(node)] = value
    return value


def _has_plain_keys(node: yaml.MappingNode) -> bool:
    return all(isinstance(key, yaml.ScalarNode) for key, _ in node.value)


def _merged(node: yaml.MappingNode, loader: Any) -> list[tuple[yaml.Node, yaml.Node]]:  # noqa: ANN401
    """Return keys and values, including those of the mappings that `<<` names."""
    if any(key.tag in _SPECIAL_KEYS for key, _ in node.value):
        loader.flatten_mapping(node)
    pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
    return pairs
