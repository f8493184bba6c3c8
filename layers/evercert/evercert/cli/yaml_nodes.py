"""Parse YAML into nodes and values, within limits that hold before anything is expanded or constructed.

libyaml parses a document of the largest size in less than a second; without it, PyYAML's own parser takes longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import yaml
from yaml.reader import Reader
from yaml.resolver import Resolver

DEEPEST = 20
MOST_ALIASES = 100
MOST_NODES = 100_000
MOST_ITEMS = 10_000  # of one list or mapping
MOST_DIGITS = 100  # of a number; conversion takes time by the square of its digits
# PyYAML raises these for an explicit tag with unsuitable text, and for dates and numbers out of range.
_INVALID_VALUE = (ValueError, OverflowError, KeyError, AttributeError, IndexError, TypeError)
_MARKED = re.compile("alias|anchor|tag")
_TAG = "tag:yaml.org,2002:"
_NUMBERS = (f"{_TAG}int", f"{_TAG}float")
_DIGITS = "0123456789_+-.:"
_SURROGATES = re.compile("[\ud800-\udfff]")


class Unreadable(Exception):
    """Failure to read a file as YAML; `line` counts from 1 and is 0 if unknown."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


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
    if found := Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Unreadable(line, f"is not YAML: it contains the control character U+{ord(found[0]):04X}; remove it")
    try:
        check_events(_parsed(text))
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML's own parser: an escape or a version
        raise Unreadable(
            0, "is not YAML: an escape in quotes, or a directive that begins with %, is invalid"
        ) from error
    _measure(node, {}, ())
    return node


def construct(node: yaml.Node) -> Any:  # noqa: ANN401
    """Return the values of a document."""
    try:
        return _Loader("").construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error) from error
    except _INVALID_VALUE as error:
        raise Unreadable(_first_invalid(node), "has an invalid value, such as the date 2026-02-30") from error


def construct_scalars(node: yaml.Node) -> Any:  # noqa: ANN401
    """Return the values of a document that `construct` has read, with a Scalar for each value that is not text."""
    return _ScalarLoader("").construct_document(node)


def check_events(events: Iterator[yaml.Event]) -> None:
    """Check number of values, depth and aliases before any recursive function processes the text."""
    depth = aliases = values = 0
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            values += 1
            if values > MOST_NODES:
                raise Unreadable(line_of(event), f"has more than {MOST_NODES} values; split it into several files")
        if isinstance(event, yaml.ScalarEvent):
            _check_scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise Unreadable(line_of(event), f"is nested more than {DEEPEST} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MOST_ALIASES:
                raise Unreadable(line_of(event), f"has more than {MOST_ALIASES} aliases")


def children(node: yaml.Node) -> list[yaml.Node]:
    """Return the nodes in a node, keys included."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def line_of(part: yaml.Node | yaml.Event) -> int:
    """Return the line of a node or event, counted from 1."""
    return part.start_mark.line + 1 if part.start_mark is not None else 0


def _parsed(text: str) -> Iterator[yaml.Event]:
    return yaml.parse(text, Loader=_Loader)


def _check_scalar(event: yaml.ScalarEvent) -> None:
    text = event.value
    if not text.isascii() and _SURROGATES.search(text):
        raise Unreadable(line_of(event), "has half of a surrogate pair in an escape; write the character itself")
    if len(text) > MOST_DIGITS and (event.tag in _NUMBERS or (event.implicit[0] and not text.strip(_DIGITS))):
        problem = f"has a number of {len(text)} characters; put it in quotes if it is text"
        raise Unreadable(line_of(event), problem)


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
        reason = "a value cannot begin with this character, such as a tab; indent with spaces"
    elif begin is not None and mark is not None and begin.line != mark.line:
        reason = f"{reason}, {error.context} that begins in line {begin.line + 1}"
    if _MARKED.search(f"{error.context} {error.problem}"):
        reason = "text that begins with !, & or * needs quotes"
    return Unreadable(mark.line + 1 if mark else 0, f"is not YAML: {reason}")


def _first_invalid(node: yaml.Node) -> int:
    """Return the line of the first scalar that has no valid value."""
    if isinstance(node, yaml.ScalarNode):
        try:
            _Loader("").construct_object(node)
        except _INVALID_VALUE:
            return line_of(node)
    return next((line for child in children(node) if (line := _first_invalid(child))), 0)


def _measure(node: yaml.Node, measured: dict[int, tuple[int, int]], above: tuple[int, ...]) -> tuple[int, int]:
    """Return number of nodes and depth with aliases expanded: nested aliases can expand to billions of nodes."""
    if id(node) in above:
        raise Unreadable(line_of(node), "contains itself through an alias")
    if id(node) not in measured:
        parts = [_measure(child, measured, (*above, id(node))) for child in children(node)]
        size, depth = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
        if len(parts) > MOST_ITEMS * (1 + isinstance(node, yaml.MappingNode)):
            problem = f"has more than {MOST_ITEMS} entries in one list or mapping; split it into several files"
            raise Unreadable(line_of(node), problem)
        if size > MOST_NODES:
            raise Unreadable(line_of(node), f"has more than {MOST_NODES} values when its aliases are expanded")
        if depth > DEEPEST + 1:
            raise Unreadable(line_of(node), f"is nested more than {DEEPEST} levels deep when its aliases are expanded")
        measured[id(node)] = size, depth
    return measured[id(node)]
