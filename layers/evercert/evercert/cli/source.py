"""Load YAML with the line of every key, within limits on size, depth and aliases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path as FilePath
from typing import Any

import yaml

from evercert.documents.document import Path
from evercert.schema import is_key

LARGEST = 1 << 20
DEEPEST = 20
MOST_ALIASES = 100
MOST_NODES = 100_000
# PyYAML raises these for an explicit tag with unsuitable text, and for dates and numbers out of range.
_INVALID_VALUE = (ValueError, OverflowError, KeyError, AttributeError, IndexError, TypeError)


_MARKED = re.compile("alias|anchor|tag")


@dataclass(frozen=True)
class Scalar:
    """A value that is not text, with its text: the Infisical agent reads either, by the type of the key."""

    value: bool | int | float | date
    text: str

    def __str__(self) -> str:
        """Return the text, which is also how a key is shown."""
        return self.text


class _ScalarLoader(yaml.SafeLoader):
    """Safe loader that keeps the text of values that are not text."""


def _construct_scalar(loader: _ScalarLoader, node: yaml.ScalarNode) -> Scalar:
    construct = yaml.SafeLoader.yaml_constructors[node.tag]
    return Scalar(construct(loader, node), node.value)


for _tag in ("bool", "int", "float", "timestamp"):
    _ScalarLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _construct_scalar)


class Unreadable(Exception):
    """Failure to read a file as YAML; `line` counts from 1 and is 0 if unknown."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Source:
    """Values of one file and their line numbers."""

    file: str
    data: Any
    lines: dict[Path, int]
    node: yaml.Node | None = None

    @property
    def scalars(self) -> Any:  # noqa: ANN401
        """The values, with a Scalar for each number, date, true and false."""
        return self.data if self.node is None else _ScalarLoader("").construct_document(self.node)

    def line(self, path: Path) -> int:
        """Return the line of the path, or of its nearest existing parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load(file: str) -> Source:
    """Read one file; raise Unreadable."""
    try:
        raw = FilePath(file).read_bytes()
    except OSError as error:
        raise Unreadable(0, f"cannot be read: {error.strerror}") from error
    if len(raw) > LARGEST:
        raise Unreadable(0, f"has {len(raw)} bytes; the limit for a document is 1 MiB")
    try:
        text = raw.decode("utf-8-sig")
        _check_events(text)
        node = _compose(text)
        _measure(node, {}, ())
        lines: dict[Path, int] = {}
        _walk(node, (), lines)
        return Source(file, _construct(node), lines, node)
    except UnicodeDecodeError as error:
        raise Unreadable(0, "is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(mark.line + 1 if mark else 0, f"is not YAML: {_reason(error)}") from error
    except yaml.YAMLError as error:
        raise Unreadable(0, "is not YAML: it contains a control character") from error


def _compose(text: str) -> yaml.Node:
    """Return the only document of the stream; `---` at the start or the end adds empty ones, which do not count."""
    nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if not _is_empty(node)]
    if not nodes:
        raise Unreadable(1, "is empty")
    if len(nodes) > 1:
        raise Unreadable(_line(nodes[1]), "has a second document after ---; put each document into a file of its own")
    return nodes[0]


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.value and node.tag == "tag:yaml.org,2002:null"


def _reason(error: yaml.MarkedYAMLError) -> str:
    """Return PyYAML's message unless it quotes text that begins with !, & or *, which may be an unquoted password."""
    if _MARKED.search(f"{error.context} {error.problem}"):
        return "text that begins with !, & or * needs quotes"
    return str(error.problem or error.context)


def _construct(node: yaml.Node) -> Any:  # noqa: ANN401
    try:
        return yaml.SafeLoader("").construct_document(node)
    except _INVALID_VALUE as error:
        raise Unreadable(_first_invalid(node), "has an invalid value, such as the date 2026-02-30") from error


def _first_invalid(node: yaml.Node) -> int:
    """Return the line of the first scalar that has no valid value."""
    if isinstance(node, yaml.ScalarNode):
        try:
            yaml.SafeLoader("").construct_document(node)
        except _INVALID_VALUE:
            return _line(node)
    return next((line for child in _children(node) if (line := _first_invalid(child))), 0)


def _check_events(text: str) -> None:
    """Check depth and number of aliases before any recursive function processes the text."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise Unreadable(_line(event), f"is nested more than {DEEPEST} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MOST_ALIASES:
                raise Unreadable(_line(event), f"has more than {MOST_ALIASES} aliases")


def _measure(node: yaml.Node, measured: dict[int, tuple[int, int]], above: tuple[int, ...]) -> tuple[int, int]:
    """Return number of nodes and depth with aliases expanded: nested aliases can expand to billions of nodes."""
    if id(node) in above:
        raise Unreadable(_line(node), "contains itself through an alias")
    if id(node) not in measured:
        parts = [_measure(child, measured, (*above, id(node))) for child in _children(node)]
        size, depth = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
        if size > MOST_NODES:
            raise Unreadable(_line(node), f"has more than {MOST_NODES} values when its aliases are expanded")
        if depth > DEEPEST + 1:
            raise Unreadable(_line(node), f"is nested more than {DEEPEST} levels deep when its aliases are expanded")
        measured[id(node)] = size, depth
    return measured[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int]) -> None:
    lines.setdefault(path, _line(node))
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            _walk(child, (*path, index), lines)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = _line(key)
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable(line, "has a key that is a list or a mapping; write text")
            if key.value in seen:
                shown = f"the key {key.value!r}" if "auth" not in path or is_key(key.value) else "a key"
                raise Unreadable(line, f"has {shown} twice; the first one is in line {seen[key.value]}")
            seen[key.value] = line
            lines.setdefault((*path, key.value), line)
            _walk(value, (*path, key.value), lines)


def _line(part: yaml.Node | yaml.Event) -> int:
    return part.start_mark.line + 1 if part.start_mark is not None else 0
