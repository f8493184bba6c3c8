"""Limits of a YAML file, which hold before anything is expanded or constructed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml
from yaml.reader import Reader

DEEPEST = 20
MOST_ALIASES = 100
MOST_NODES = 100_000
MOST_ITEMS = 10_000  # of one list or mapping
MOST_DIGITS = 100  # of a number; conversion takes time by the square of its digits
_SPLIT = "split it into several files"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_DIGITS = "0123456789_+-.:"
_SURROGATES = re.compile("[\ud800-\udfff]")
_TAG_DIRECTIVE = re.compile("(?:^|[\r\n\x85\u2028\u2029])%TAG")  # after the line breaks of YAML 1.1


class Unreadable(Exception):
    """Failure to read a file as YAML; `line` counts from 1 and is 0 if unknown."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def check_text(text: str) -> None:
    """Refuse control characters, and %TAG directives: libyaml compares each one with all others."""
    if found := Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Unreadable(line, f"is not YAML: it contains the control character U+{ord(found[0]):04X}; remove it")
    if found := _TAG_DIRECTIVE.search(text):
        line = text.count("\n", 0, found.end()) + 1
        raise Unreadable(line, "has a %TAG directive, and documents have no tags of their own; remove it")


def check_events(events: Iterator[yaml.Event]) -> None:
    """Check number of values, depth and aliases before any recursive function processes the text."""
    depth = aliases = values = 0
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            values += 1
            if values > MOST_NODES:
                raise Unreadable(line_of(event), f"has more than {MOST_NODES} values; {_SPLIT}")
        if isinstance(event, yaml.ScalarEvent):
            _check_scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise Unreadable(line_of(event), f"is nested more than {DEEPEST} levels deep; flatten it")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MOST_ALIASES:
                raise Unreadable(line_of(event), f"has more than {MOST_ALIASES} aliases; write the values out")


def measure(node: yaml.Node, measured: dict[int, tuple[int, int]], above: tuple[int, ...]) -> tuple[int, int]:
    """Return number of nodes and depth with aliases expanded: nested aliases can expand to billions of nodes."""
    if isinstance(node, yaml.ScalarNode):
        return 1, 1
    if id(node) in above:
        raise Unreadable(line_of(node), "contains itself through an alias; remove the alias")
    if id(node) not in measured:
        above, parts = (*above, id(node)), children(node)
        size, depth = 1, 1
        for child in parts:
            more, deeper = measure(child, measured, above)
            size, depth = size + more, max(depth, deeper + 1)
        if len(parts) > MOST_ITEMS * (1 + isinstance(node, yaml.MappingNode)):
            problem = f"has more than {MOST_ITEMS} entries in one list or mapping; {_SPLIT}"
            raise Unreadable(line_of(node), problem)
        if size > MOST_NODES:
            raise Unreadable(
                line_of(node), f"has more than {MOST_NODES} values when its aliases are expanded; {_SPLIT}"
            )
        if depth > DEEPEST + 1:
            raise Unreadable(
                line_of(node), f"is nested more than {DEEPEST} levels deep when its aliases are expanded; flatten it"
            )
        measured[id(node)] = size, depth
    return measured[id(node)]


def children(node: yaml.Node) -> list[yaml.Node]:
    """Return the nodes in a node, keys included."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def line_of(part: yaml.Node | yaml.Event) -> int:
    """Return the line of a node or event, counted from 1."""
    return part.start_mark.line + 1 if part.start_mark is not None else 0


def _check_scalar(event: yaml.ScalarEvent) -> None:
    text = event.value
    if not text.isascii() and _SURROGATES.search(text):
        raise Unreadable(line_of(event), "has half of a surrogate pair in an escape; write the character itself")
    if len(text) > MOST_DIGITS and (event.tag in _NUMBERS or (event.implicit[0] and not text.strip(_DIGITS))):
        problem = f"has a number of {len(text)} characters; put it in quotes if it is text"
        raise Unreadable(line_of(event), problem)
