"""What the commands are given, checked; mistakes are told in one line."""

from __future__ import annotations

import re
import sys
from datetime import timedelta

import typer

from evercert import durations
from evercert.cli.files import BadInput
from evercert.errors import foreign
from evercert.spec import NAME_PATTERN


def name(text: str) -> str:
    """A certificate's name, before AWS is asked for it."""
    if not re.fullmatch(NAME_PATTERN, text):
        raise BadInput([f"{foreign(text, 60)!r} is no name: 1 to 200 letters, digits and . _ * -"])
    return text


def span(text: str) -> timedelta:
    """What `--timeout` says."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise BadInput([f"--timeout: {error}"]) from error


def labels(given: list[str] | None, *, prune: bool) -> dict[str, str] | None:
    """What `--label` says, for `--prune` alone."""
    if prune != bool(given):
        raise BadInput(["--prune and --label go together: --prune --label team=web"])
    if given is None or not prune:
        return None
    wrong = [label for label in given if "=" not in label]
    if wrong:
        raise BadInput([f"--label {wrong[0]}: write key=value"])
    return dict(label.split("=", 1) for label in given)


def counted(number: int, what: str) -> str:
    """`1 certificate`, `2 certificates`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def confirm(question: str) -> None:
    """Asks on standard error; nobody there to answer is a mistake."""
    if not sys.stdin.isatty():
        raise BadInput(["nobody is there to confirm the deletion; add --yes"])
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
