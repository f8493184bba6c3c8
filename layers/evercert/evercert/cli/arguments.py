"""Check and convert command-line arguments; each error is one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args

from evercert import durations
from evercert.cli.files import BadInput
from evercert.contracts.record import State
from evercert.documents.spec import NAME_PATTERN
from evercert.operations.escapes import unquoted, visible
from evercert.operations.renew import SPREAD
from evercert.schema import printable

LONGEST_STORED = 2_048 - len("certificate#")  # bytes of a partition key
STATES = (*get_args(State), "expired", "unreadable")


def name(text: str) -> str:
    """Return a valid certificate name; raise BadInput before AWS is contacted."""
    if not re.fullmatch(NAME_PATTERN, text):
        raise BadInput(
            [f"invalid certificate name {printable(text, 60)!r}: must be 1 to 200 letters, digits and . _ * -"]
        )
    return text


def stored_name(text: str) -> str:
    """Return the name of a stored record as `list` prints it, which may be one that no document can have."""
    found = unquoted(text)
    if len(found.encode(errors="surrogatepass")) > LONGEST_STORED:
        raise BadInput([f"invalid certificate name {visible(found, 60)!r}: longer than any stored name"])
    return found


def span(text: str, option: str = "--timeout") -> timedelta:
    """Parse the duration of an option such as `--timeout`."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise BadInput([f"{option}: {error}"]) from error


def age(text: str, option: str, longest: timedelta) -> timedelta:
    """Parse the greatest age of what a command lists; raise BadInput beyond `longest`."""
    found = span(text, option)
    if found > longest:
        raise BadInput([f"invalid {option} {text}: must be at most {durations.to_text(longest)}"])
    return found


def future(text: str, option: str, now: datetime) -> datetime:
    """Parse a time of ISO 8601 after `now`; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput([f"invalid {option} {printable(text, 60)}: write a time such as 2026-12-01T06:00Z"]) from error
    if found <= now:
        raise BadInput([f"invalid {option} {printable(text, 60)}: must be in the future"])
    return found


def spread(over: str | None, *, many: bool, at_once: bool) -> timedelta:
    """Return the period over which `--over` and `--now` spread renewals."""
    if over is not None and at_once:
        raise BadInput(["--over and --now exclude each other: pass only one of them"])
    if over is not None:
        return span(over, "--over")
    return SPREAD if many and not at_once else timedelta()


def prune_labels(values: list[str] | None, *, prune: bool) -> dict[str, str] | None:
    """Parse `--label` of `apply`, which requires `--prune`; return None without `--prune`."""
    if prune != bool(values):
        raise BadInput(["--prune and --label require each other: pass both, such as --prune --label team=web"])
    return labels(values) if values and prune else None


def labels(values: Sequence[str]) -> dict[str, str]:
    """Parse labels of the form `key=value`."""
    invalid = [label for label in values if "=" not in label]
    if invalid:
        raise BadInput([f"invalid --label {printable(invalid[0], 60)}: write key=value"])
    return dict(label.split("=", 1) for label in values)


def states(values: Sequence[str]) -> list[str]:
    """Check the values of `--state`."""
    invalid = [state for state in values if state not in STATES]
    if invalid:
        raise BadInput([f"invalid --state {printable(invalid[0], 60)}: must be one of {', '.join(STATES)}"])
    return list(values)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 certificate`, `2 certificates`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
