"""Checks of command-line arguments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evercert.cli import arguments
from evercert.cli.files import BadInput

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("over", "many", "at_once", "span"),
    [
        (None, False, False, timedelta()),
        (None, True, False, HOUR),
        (None, True, True, timedelta()),
        ("2h", True, False, 2 * HOUR),
        ("2h", False, False, 2 * HOUR),
    ],
    ids=["one", "many", "many-now", "many-over", "one-over"],
)
def test_spread_defaults_to_an_hour_for_many(over, many: bool, at_once: bool, span) -> None:
    assert arguments.spread(over, many=many, at_once=at_once) == span


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: arguments.spread("1h", many=True, at_once=True), "--over and --now"),
        (lambda: arguments.spread("soon", many=True, at_once=False), "--over: 'soon' is not a duration"),
        (lambda: arguments.span("x", "--for"), "--for: 'x' is not a duration"),
        (lambda: arguments.labels(["team=web", "a\x1b"]), "--label a: write key=value"),
        (lambda: arguments.states(["ready", "redy"]), "--state redy: must be one of new,"),
        (lambda: arguments.prune_labels(None, prune=True), "require each other"),
        (lambda: arguments.prune_labels(["a=b"], prune=False), "require each other"),
        (lambda: arguments.name("a/b"), "invalid certificate name"),
    ],
)
def test_arguments_report_one_line_naming_the_option(call, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        call()
    assert len(caught.value.lines) == 1
    assert words in caught.value.lines[0]


def test_arguments_parse_labels_and_states() -> None:
    assert arguments.labels(["team=web", "url=a=b"]) == {"team": "web", "url": "a=b"}
    assert arguments.prune_labels(["team=web"], prune=True) == {"team": "web"}
    assert arguments.states(["ready", "unreadable"]) == ["ready", "unreadable"]


NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-01-15T13:00Z", "2026-01-15T13:00", "2026-01-15T15:00+02:00"])
def test_future_accepts_times_with_and_without_offset(text: str) -> None:
    assert arguments.future(text, "--until", NOW) == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tomorrow", "write a time such as"),
        ("0001-01-01T00:00+14:00", "write a time such as"),
        ("2026-01-15T12:00Z", "must be in the future"),
    ],
    ids=["words", "before-year-1", "now"],
)
def test_future_refuses_other_times(text: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        arguments.future(text, "--until", NOW)
