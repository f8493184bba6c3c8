"""YAML with the line of every key, and with nothing in it that could harm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from evercert.documents.document import Path
from evercert.schema import is_key

LARGEST = 1 << 20
DEEPEST = 20
MOST_ALIASES = 100
MOST_NODES = 100_000
# What the library raises for an explicit tag whose text does not fit it, and for dates and numbers out of range.
_NO_VALUE = (ValueError, OverflowError, KeyError, AttributeError, IndexError, TypeError)


_MARKED = re.compile("alias|anchor|tag")


class Whole(int):
    """A whole number as it was written: to YAML 0640 is octal, and 640 is not."""

    written: str


class _Loader(yaml.SafeLoader):
    """Of whole numbers, what was written is kept."""


def _whole(loader: _Loader, node: yaml.ScalarNode) -> Whole:
    number = Whole(loader.construct_yaml_int(node))
    number.written = node.value
    return number


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)


class Unreadable(Exception):
    """The file cannot be read as YAML; `line` counts from 1, 0 where there is none."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Source:
    """The values of one file, and where they stand in it."""

    file: str
    data: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of the nearest thing that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load(file: str) -> Source:
    """Reads one file; raises Unreadable."""
    try:
        raw = FilePath(file).read_bytes()
    except OSError as error:
        raise Unreadable(0, f"cannot be read: {error.strerror}") from error
    if len(raw) > LARGEST:
        raise Unreadable(0, f"has {len(raw)} bytes; a document has at most 1 MiB")
    try:
        text = raw.decode("utf-8-sig")
        _check_events(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise Unreadable(1, "is empty")
        _measure(node, {}, ())
        lines: dict[Path, int] = {}
        _walk(node, (), lines)
        return Source(file, _construct(node), lines)
    except UnicodeDecodeError as error:
        raise Unreadable(0, "is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(mark.line + 1 if mark else 0, f"is not YAML: {_words(error)}") from error
    except yaml.YAMLError as error:
        raise Unreadable(0, "is not YAML: it holds a character that no text has") from error


def _words(error: yaml.MarkedYAMLError) -> str:
    """The library's own, but where they quote what begins with a mark: it may be a password without its quotes."""
    if _MARKED.search(f"{error.context} {error.problem}"):
        return "text that begins with !, & or * needs quotes"
    return str(error.problem or error.context)


def _construct(node: yaml.Node) -> Any:  # noqa: ANN401
    try:
        return _Loader("").construct_document(node)
    except _NO_VALUE as error:
        raise Unreadable(
            _first_without_value(node), "holds a value that cannot be, such as the 30th of February"
        ) from error


def _first_without_value(node: yaml.Node) -> int:
    """The line of the scalar that could not be read."""
    if isinstance(node, yaml.ScalarNode):
        try:
            _Loader("").construct_document(node)
        except _NO_VALUE:
            return _line(node)
    return next((line for child in _children(node) if (line := _first_without_value(child))), 0)


def _check_events(text: str) -> None:
    """Depth and aliases, before anything recursive looks at the text."""
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
    """How many nodes, and how deep, when every alias is followed: a few aliases of aliases make billions."""
    if id(node) in above:
        raise Unreadable(_line(node), "holds itself, by an alias")
    if id(node) not in measured:
        parts = [_measure(child, measured, (*above, id(node))) for child in _children(node)]
        size, depth = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
        if size > MOST_NODES:
            raise Unreadable(_line(node), "grows beyond all measure when its aliases are followed")
        if depth > DEEPEST + 1:
            raise Unreadable(_line(node), f"is nested more than {DEEPEST} levels deep when its aliases are followed")
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
                raise Unreadable(line, "has a key that is no text")
            if key.value in seen:
                shown = f"the key {key.value!r}" if "auth" not in path or is_key(key.value) else "a key"
                raise Unreadable(line, f"has {shown} twice; it stands in line {seen[key.value]} too")
            seen[key.value] = line
            lines.setdefault((*path, key.value), line)
            _walk(value, (*path, key.value), lines)


def _line(part: yaml.Node | yaml.Event) -> int:
    return part.start_mark.line + 1 if part.start_mark is not None else 0
