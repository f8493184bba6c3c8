"""Load a document with the line of every key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from evercert.cli.memory import garbage_collection_paused
from evercert.cli.yaml_limits import Unreadable, line_of
from evercert.cli.yaml_nodes import (
    Scalar,
    compose,
    construct,
    construct_scalars,
)
from evercert.documents.document import Path
from evercert.schema import is_key

__all__ = ["LARGEST", "Scalar", "Source", "Translation", "Unreadable", "load"]

LARGEST = 1 << 20
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Source:
    """Values of one file and their line numbers."""

    file: str
    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    node: yaml.Node | None = None

    @property
    def scalars(self) -> Any:  # noqa: ANN401
        """The values, with a Scalar for each number, date, true and false."""
        if self.node is None:
            return self.data
        with garbage_collection_paused():
            return construct_scalars(self.node)

    def line(self, path: Path) -> int:
        """Return the line of the path, or of its nearest existing parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@dataclass(frozen=True)
class Translation(Source):
    """Values that were translated from another document, with the line numbers of that document."""

    original: Source = field(kw_only=True)
    origin: Callable[[Path], Path] = field(kw_only=True)

    def line(self, path: Path) -> int:
        """Return the line of the path's origin; a path that the translation lacks is its nearest existing parent."""
        part, length = self.data, 0
        for key in path:
            try:
                part = part[key]
            except (KeyError, IndexError, TypeError):
                break
            length += 1
        return self.original.line(self.origin(path[:length]))


def load(file: str) -> Source:
    """Read one file, or standard input for `-`; raise Unreadable."""
    try:
        if file == STANDARD_INPUT:
            raw = b"" if sys.stdin is None else sys.stdin.buffer.read(LARGEST + 1)  # None: it is closed
        else:
            with FilePath(file).open("rb") as opened:
                raw = opened.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(0, f"cannot be read: {error.strerror}") from error
    if len(raw) > LARGEST:
        raise Unreadable(0, "is larger than 1 MiB, the limit for a document; split it into several files")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(0, "is not UTF-8 text") from error
    with garbage_collection_paused():
        node = compose(text)
        lines: dict[Path, int] = {}
        _walk(node, (), lines)
        return Source(file, construct(node), lines, node)


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int]) -> None:
    lines.setdefault(path, line_of(node))
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            if isinstance(child, yaml.ScalarNode):
                lines[*path, index] = line_of(child)
            else:
                _walk(child, (*path, index), lines)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = line_of(key)
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable(line, "has a key that is a list or a mapping; write text")
            if key.value in seen:
                shown = f"the key {key.value!r}" if "auth" not in path or is_key(key.value) else "a key"
                raise Unreadable(line, f"has {shown} twice; the first one is in line {seen[key.value]}")
            seen[key.value] = line
            here = (*path, key.value)
            lines.setdefault(here, line)
            if not isinstance(value, yaml.ScalarNode):
                _walk(value, here, lines)
