"""Versions of the command and of a stack: whether they differ, and what to do then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from evercert import __version__
from evercert.schema import printable

OUTPUT = "Version"  # of the stack; template.yaml repeats the version of the package
FIRST = "0.2.0"  # the first release whose stacks have the output
LONGEST = 60
UPGRADE = "docs/how-to/upgrade.md"


@dataclass(frozen=True)
class Difference:
    """The versions of a command and a stack that differ, and the remedy."""

    problem: str
    remedy: str


def version_of(outputs: Mapping[str, str]) -> str | None:
    """Return the version of a stack; None if it is older than the output."""
    found = outputs.get(OUTPUT)
    return None if found is None else printable(found, LONGEST)


def difference(stack: str | None, command: str = __version__) -> Difference | None:
    """Compare the version of a stack with that of the command; return None if they are equal."""
    if stack == command:
        return None
    if stack is None:
        return Difference(f"older than {FIRST}; the command is {command}", f"upgrade the stack: {UPGRADE}")
    newer, problem = _numbers(stack) > _numbers(command), f"{stack}; the command is {command}"
    remedy = f"upgrade the command to {stack}: {UPGRADE}" if newer else f"upgrade the stack to {command}: {UPGRADE}"
    return Difference(problem, remedy)


def _numbers(version: str) -> list[int]:
    """Return the numbers of a version for comparison; a manual edit of the output has none, or other text."""
    return [int(number) for number in re.findall(r"[0-9]{1,9}", version)]
