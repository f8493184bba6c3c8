"""What the commands are given."""

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
def test_many_are_spread_over_an_hour_unless_told_otherwise(over, many: bool, at_once: bool, span) -> None:
    assert arguments.spread(over, many=many, at_once=at_once) == span


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: arguments.spread("1h", many=True, at_once=True), "--over and --now"),
        (lambda: arguments.spread("soon", many=True, at_once=False), "--over: 'soon' is not a duration"),
        (lambda: arguments.span("x", "--for"), "--for: 'x' is not a duration"),
        (lambda: arguments.labels(["team=web", "a\x1b"]), "--label a: write key=value"),
        (lambda: arguments.states(["ready", "redy"]), "--state redy: one of new,"),
        (lambda: arguments.prune_labels(None, prune=True), "go together"),
        (lambda: arguments.prune_labels(["a=b"], prune=False), "go together"),
        (lambda: arguments.name("a/b"), "is no name"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option(wrong, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        wrong()
    assert len(caught.value.lines) == 1
    assert words in caught.value.lines[0]


def test_labels_and_states_as_they_are_given() -> None:
    assert arguments.labels(["team=web", "url=a=b"]) == {"team": "web", "url": "a=b"}
    assert arguments.prune_labels(["team=web"], prune=True) == {"team": "web"}
    assert arguments.states(["ready", "unreadable"]) == ["ready", "unreadable"]


def test_what_is_paused_comes_with_the_command_that_resumes_it() -> None:
    found = arguments.paused({"main": Pause(START, "CA\x1b[2J moves"), None: Pause(None)})
    assert found == [
        ("the stack is paused", "evercert resume"),
        ("issuer main is paused since 2026-01-15 12:00Z (CA [2J moves)", "evercert resume --issuer main"),
    ]
