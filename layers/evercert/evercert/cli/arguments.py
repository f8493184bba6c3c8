"""What the commands are given, checked; mistakes are told in one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import get_args

import typer

from evercert import durations
from evercert.cli.files import BadInput
from evercert.contracts.record import State
from evercert.contracts.spec_store import Pause
from evercert.documents.spec import NAME_PATTERN
from evercert.operations.renew import SPREAD
from evercert.schema import printable

STATES = (*get_args(State), "unreadable")


def name(text: str) -> str:
    """A certificate's name, before AWS is asked for it."""
    if not re.fullmatch(NAME_PATTERN, text):
        raise BadInput([f"{printable(text, 60)!r} is no name: 1 to 200 letters, digits and . _ * -"])
    return text


def span(text: str, option: str = "--timeout") -> timedelta:
    """What `--timeout` and its like say."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise BadInput([f"{option}: {error}"]) from error


def spread(over: str | None, *, many: bool, at_once: bool) -> timedelta:
    """What `--over` and `--now` say together."""
    if over is not None and at_once:
        raise BadInput(["--over and --now contradict each other: give one of them"])
    if over is not None:
        return span(over, "--over")
    return SPREAD if many and not at_once else timedelta()


def prune_labels(given: list[str] | None, *, prune: bool) -> dict[str, str] | None:
    """What `--label` says, for `--prune` alone."""
    if prune != bool(given):
        raise BadInput(["--prune and --label go together: --prune --label team=web"])
    return labels(given) if given and prune else None


def labels(given: Sequence[str]) -> dict[str, str]:
    """`key=value`, each of them."""
    wrong = [label for label in given if "=" not in label]
    if wrong:
        raise BadInput([f"--label {printable(wrong[0], 60)}: write key=value"])
    return dict(label.split("=", 1) for label in given)


def states(given: Sequence[str]) -> list[str]:
    """What `--state` says."""
    wrong = [state for state in given if state not in STATES]
    if wrong:
        raise BadInput([f"--state {printable(wrong[0], 60)}: one of {', '.join(STATES)}"])
    return list(given)


def paused(pauses: Mapping[str | None, Pause]) -> list[tuple[str, str]]:
    """Each flag in words, and the command that takes it away; the whole stack first."""
    found = []
    for issuer, pause in sorted(pauses.items(), key=lambda entry: entry[0] or ""):
        since = f" since {pause.since:%Y-%m-%d %H:%M}Z" if pause.since is not None else ""
        why = f" ({printable(pause.reason)})" if pause.reason else ""
        what, option = "the stack", ""
        if issuer is not None:
            what, option = f"issuer {printable(issuer)}", f" --issuer {printable(issuer)}"
        found.append((f"{what} is paused{since}{why}", f"evercert resume{option}"))
    return found


def counted(number: int, what: str) -> str:
    """`1 certificate`, `2 certificates`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def confirm(question: str) -> None:
    """Asks on standard error; nobody there to answer is a mistake."""
    if not sys.stdin.isatty():
        raise BadInput(["nobody is there to confirm it; add --yes"])
    try:
        said = typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C, or the end of the input
        raise KeyboardInterrupt from None
    if not said:
        raise typer.Exit(1)
