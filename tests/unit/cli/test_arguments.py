"""Checks of command-line arguments."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.cli import arguments
from evercert.cli.files import BadInput
from evercert.contracts.spec_store import Pause
from tests.doubles.fakes import START

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


def test_describe_pauses_includes_the_resume_command() -> None:
    found = arguments.describe_pauses({"main": Pause(START, "CA\x1b[2J moves"), None: Pause(None)})
    assert found == [
        ("the stack is paused", "evercert resume"),
        ("issuer main is paused since 2026-01-15 12:00Z (CA [2J moves)", "evercert resume --issuer main"),
    ]
