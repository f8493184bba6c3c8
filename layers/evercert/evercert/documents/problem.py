"""Errors in a document, with their places; their number is limited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

MOST_PROBLEMS = 1_000  # of one document
STOPPED = f"the check ended after {MOST_PROBLEMS} problems; fix them and run the command again"
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """An error in a document, with its path."""

    path: Path
    message: str


def limited(problems: Iterable[Problem]) -> list[Problem]:
    """Return at most MOST_PROBLEMS problems, then one that says that the check ended."""
    found = [*islice(problems, MOST_PROBLEMS)]
    return found if len(found) < MOST_PROBLEMS else [*found, Problem(found[-1].path, STOPPED)]
