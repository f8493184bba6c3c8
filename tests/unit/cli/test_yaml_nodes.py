"""Limits of documents, counted in events and values: no clock decides."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import yaml

from evercert.cli import yaml_nodes

Refused = Callable[[str], tuple[int, str]]


def without_libyaml() -> ModuleType:
    """Return the module as it is without libyaml."""
    spec = importlib.util.spec_from_file_location("yaml_nodes_without_libyaml", yaml_nodes.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    loader = yaml.__dict__.pop("CSafeLoader")
    try:
        spec.loader.exec_module(module)
    finally:
        yaml.CSafeLoader = loader
    return module


PARSERS = {"libyaml": yaml_nodes, "PyYAML": without_libyaml()}


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> ModuleType:
    return PARSERS[request.param]


def value(parser: ModuleType, text: str) -> Any:
    return parser.construct(parser.compose(text))


def refused(parser: ModuleType, text: str) -> tuple[int, str]:
    with pytest.raises(parser.Unreadable) as caught:
        value(parser, text)
    return caught.value.line, str(caught.value)


def test_parsers_are_those_that_are_tested() -> None:
    assert issubclass(PARSERS["libyaml"]._Loader, yaml.CSafeLoader)
    assert issubclass(PARSERS["PyYAML"]._Loader, yaml.SafeLoader)


def counted(text: str) -> tuple[int, str]:
    """Return the events that `check_events` reads of an endless document, and its message."""
    read = 0

    def endless() -> Iterator[yaml.Event]:
        nonlocal read
        first = list(yaml.parse(text, Loader=yaml.SafeLoader))
        begin, again = first[:2], first[2:-2]
        for event in begin:
            read += 1
            yield event
        while True:
            for event in again:
                read += 1
                yield event

    with pytest.raises(yaml_nodes.Unreadable) as caught:
        yaml_nodes.check_events(endless())
    return read, str(caught.value)


@pytest.mark.parametrize(
    ("text", "most"), [("[x]", 150_100), ("[{}]", 200_100), ("[[]]", 200_100), ("{a: b}", 134_000)],
)  # fmt: skip
def test_parsing_ends_at_the_limit_of_values(text: str, most: int) -> None:
    read, message = counted(text)
    assert message == "has more than 100000 values; split it into several files"
    assert read <= most


def test_compose_counts_values_before_it_makes_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_nodes, "_compose", lambda text: pytest.fail("composed"))
    assert refused(yaml_nodes, "[" + "1," * 500_000 + "]") == (
        1,
        "has more than 100000 values; split it into several files",
    )


@pytest.mark.parametrize("text", ["1:0", "1:30", "-1:59:59", "1:30.5", "190:20:30.15", "=", "12:30:45"])
def test_sexagesimal_numbers_are_text(parser: ModuleType, text: str) -> None:
    assert value(parser, f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    "text",
    ["1" + ":0" * 1_000, "9" * 101, "-" + "9" * 101, "1_" * 60, "1" * 100 + ".0", "!!int 1" + ":0" * 100,
     "!!float 1" + ":0" * 100 + ".0"],
    ids=["sexagesimal", "digits", "negative", "underscores", "fraction", "tagged integer", "tagged number"],
)  # fmt: skip
def test_numbers_of_more_than_100_characters_are_refused(parser: ModuleType, text: str) -> None:
    line, message = refused(parser, f"a: 1\nb: {text}\n")
    assert line == 2 and message.endswith(" characters; put it in quotes if it is text")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("-1", -1), ("0x1F", 31), ("0b11", 3), ("0640", 0o640), ("1_000", 1000), ("1.5", 1.5), (".5", 0.5),
     ("1.5e+3", 1500.0), ("1e3", "1e3"), ("yes", True), ("off", False), ("~", None), ("null", None), ("1.2.3.4", "1.2.3.4"),
     ("fe80::1", "fe80::1"), ("9" * 100, int("9" * 100)), (f'"{"9" * 200}"', "9" * 200), ("x" * 200, "x" * 200),
     ("2:3a", "2:3a"), (".", "."), ("-", [None]), ("09", "09")],
    ids=str,
)  # fmt: skip
def test_plain_values_are_those_of_yaml(parser: ModuleType, text: str, expected: object) -> None:
    found = value(parser, f"a:\n {text}")["a"]
    assert found == expected and isinstance(found, type(expected))


@pytest.mark.parametrize(
    "text",
    [r'"\U00110000"', r'"\UFFFFFFFF"', r'"\ud800"', r'"\udfff"', r'a: "\ud83d\ude00"', "%YAML 1." + "1" * 100_000 + "\n---\na: 1",
     "%YAML " + "9" * 5_000 + ".1\n---\na: 1", r'"\xzz"', "%YAML 9.9\n---\na: 1", "a: \x7f", "a: \x85\x00", "\ufffe"],
    ids=lambda text: ascii(text)[:14],
)  # fmt: skip
def test_invalid_escapes_and_directives_are_refused(parser: ModuleType, text: str) -> None:
    _line, message = refused(parser, text)
    assert message.startswith(("is not YAML: ", "has half of a surrogate pair"))


@pytest.mark.parametrize(
    "tag", ["binary YQ==", "omap [a: 1]", "pairs [a: 1]", "set {a}", "timestamp x", "python/tuple [1]"]
)
def test_tags_of_other_types_are_refused(parser: ModuleType, tag: str) -> None:
    line, message = refused(parser, f"a: 1\nb: !!{tag}\n")
    assert line == 2
    assert message.startswith(("is not YAML: text that begins with !", "has an invalid value"))


def test_control_characters_are_named_with_their_line(parser: ModuleType) -> None:
    expected = "is not YAML: it contains the control character U+001B; remove it"
    assert refused(parser, "a: 1\nb: \x1b[31m\n") == (2, expected)


@pytest.mark.parametrize("text", ["- {}\n", "k{}: 1\n"], ids=["list", "mapping"])
def test_compose_limits_the_entries_of_one_list_or_mapping(text: str) -> None:
    assert len(value(yaml_nodes, "".join(text.format(number) for number in range(10_000)))) == 10_000
    line, message = refused(yaml_nodes, "".join(text.format(number) for number in range(10_001)))
    assert (line, message) == (1, "has more than 10000 entries in one list or mapping; split it into several files")


@pytest.mark.parametrize(
    ("text", "line"),
    [("%TAG !a! tag:x\n---\na: 1\n", 1), ("# a\r\n%TAG ! x\n---\na: 1\n", 2), ("a: 1\n...\n%TAG ! x\n---\n", 3)],
    ids=["first", "after a comment", "after a document"],
)
def test_tag_directives_are_refused_before_parsing(text: str, line: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_nodes, "_parsed", lambda text: pytest.fail("parsed"))
    message = "has a %TAG directive, and documents have no tags of their own; remove it"
    assert refused(yaml_nodes, text) == (line, message)


def test_tag_in_a_value_is_text(parser: ModuleType) -> None:
    assert value(parser, "a: '%TAG'\nb: |\n  %TAG ! x\n") == {"a": "%TAG", "b": "%TAG ! x\n"}


def test_aliases_of_a_collection_share_one_value(parser: ModuleType) -> None:
    found = value(parser, "a: &a [x, {b: 1}]\nb: *a\nc: {<<: &c {d: [1]}}\ne: *c\n")
    assert found["a"] is found["b"] and found["c"]["d"] is found["e"]["d"]


@pytest.mark.parametrize("text", ["2026-02-30", "!!int x", "!!float [x]", "!!timestamp x", "!!bool 2"])
def test_invalid_values_are_located(parser: ModuleType, text: str) -> None:
    line, message = refused(parser, f"a: [1, 2.5, 2026-01-01]\nb:\n  - {text}\nc: 2026-02-31\n")
    assert line == 3 and message.startswith(("has an invalid value", "is not YAML"))
