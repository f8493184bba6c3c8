"""The picture of `list --timeline`: every width, both character sets, colors on a terminal alone, excluded options."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import pytest

from evercert.cli import timeline
from evercert.cli.console import Terminal
from evercert.contracts.record import Failure
from tests.doubles.command import Command
from tests.doubles.fakes import START, spec
from tests.unit.operations.test_overview import NOW, row

ROWS = [
    *(row(f"web-{n}", ends=timedelta(days=n)) for n in range(1, 120)), row("mail", "failing", timedelta(days=8)),
    row("old", ends=-timedelta(days=1)), row("new", "new", None),
]  # fmt: skip
MANY = [row("web", ends=timedelta(days=9))] * 9_999 + [row("mail", "failing", timedelta(days=9)), row("api", "stopped")]
FAILURE = Failure(kind="rejected", message="no", at=START, generation=1)


def drawn(width: int, rows: list[dict[str, object]], encoding: str = "utf-8", *, terminal: bool = False) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Terminal(file=file, width=width, force_terminal=terminal, color_system="standard" if terminal else None)
    timeline.draw(console, rows, NOW)
    file.flush()
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@pytest.mark.parametrize("rows", [ROWS, MANY, ROWS[:1]], ids=["spread", "many", "one"])
@pytest.mark.parametrize("width", [20, 24, 39, 40, 60, 80, 200])
def test_picture_is_no_wider_than_the_terminal(width: int, rows: list[dict[str, object]]) -> None:
    lines = drawn(width, rows).splitlines()
    bars = [line for line in lines if re.match(r"(\d{4}-)?\d\d-\d\d", line)]
    assert len(bars) == 13
    assert [line for line in lines if len(line) > max(width, 25)] == []
    assert not any(line.endswith(" ") for line in lines)


def test_picture_shows_numbers_and_parts() -> None:
    text = drawn(80, ROWS)
    assert text.startswith("90 of 122 certificates end in the next 90 days, 1 of them at risk\n")
    assert "2026-12-06     8        1  █░░░░░░░\n" in text
    assert "not shown: 1 expired, 30 later, 1 without a certificate\n" in text


def test_one_certificate_at_risk_beside_thousands_is_visible() -> None:
    text = drawn(80, MANY)
    assert re.search(r"2026-12-06  10,000        1  █░+\n", text)
    assert re.search(r"2027-01-24       1        1  █\n", text)


def test_picture_is_ascii_without_unicode() -> None:
    text = drawn(80, ROWS, "latin-1")
    assert text.isascii()
    assert "2026-12-06     8        1  #-------\n" in text


def test_colors_are_for_a_terminal_alone() -> None:
    assert "\x1b" not in drawn(80, ROWS)
    assert "\x1b[31m█\x1b[0m\x1b[32m░░░░░░░\x1b[0m" in drawn(80, ROWS, terminal=True)


def test_timeline_in_a_pipe_has_eighty_columns(command: Command) -> None:
    for number in range(200):
        command.store(f"web-{number:03}", days=3, renew_at=START)
    lines = command("list", "--timeline").out.splitlines()
    assert max(map(len, lines)) == 80


def test_timeline_obeys_the_filters(command: Command) -> None:
    command.store("api", spec=spec("api", labels={"team": "a"}), renew_at=START)
    command.store("mail", spec=spec("mail", issuer="other"), state="failing", last_error=FAILURE)
    command.store("new", days=None, state="new")
    for arguments, first in {
        (): "2 of 3 certificates end in the next 90 days, 1 of them at risk",
        ("a*",): "1 of 1 certificates end in the next 90 days, 0 of them at risk",
        ("--label", "team=a"): "1 of 1 certificates end in the next 90 days, 0 of them at risk",
        ("--issuer", "other"): "1 of 1 certificates end in the next 90 days, 1 of them at risk",
        ("--state", "new"): "0 of 1 certificates end in the next 90 days, 0 of them at risk",
        ("--state", "stopped"): "No certificates match.",
    }.items():
        ended = command("list", "--timeline", *arguments)
        assert (ended.code, ended.out.splitlines()[0]) == (0, first), arguments
    assert command("list", "--timeline", "gone").code == 2


def test_timeline_of_an_empty_stack_says_how_to_begin(command: Command) -> None:
    assert command("list", "--timeline").out.startswith("No certificates yet;")


def test_timeline_as_json_has_a_value_for_each_day(command: Command) -> None:
    command.store("mail", days=3, state="failing", last_error=FAILURE)
    found = json.loads(command("list", "--timeline", "--json").out)
    assert (len(found), found[0]) == (90, {"date": "2026-01-15", "ends": 0, "at_risk": 0})
    assert [day for day in found if day["ends"]] == [{"date": "2026-01-18", "ends": 1, "at_risk": 1}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--limit", "3"], "--timeline excludes --limit, --after and --all: it counts all certificates that match"),
        (["--all"], "--timeline excludes --limit, --after and --all: it counts all certificates that match"),
        (["--after", "web"], "--timeline excludes --limit, --after and --all: it counts all certificates that match"),
        (["--sort", "expiry"], "--timeline and --sort exclude each other: the weeks are in the order of time"),
    ],
    ids=["limit", "all", "after", "sort"],
)
def test_options_of_the_table_are_refused(command: Command, options: list[str], message: str) -> None:
    ended = command("list", "--timeline", *options)
    assert (ended.code, ended.out, ended.err) == (2, "", f"evercert: {message}\n")
