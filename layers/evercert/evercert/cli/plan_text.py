"""The plan of `apply`, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from rich.text import Text

from evercert.cli.console import Terminal, styled
from evercert.cli.grid import PIPE, wrapped
from evercert.operations.apply import Plan, Step
from evercert.operations.differences import HIDDEN
from evercert.operations.escapes import visible

MARKS = {"create": ("+", "green"), "change": ("~", "yellow"), "repair": ("~", "yellow"), "delete": ("-", "red")}
LONGEST = 200  # characters of a value
INDENT = "    "


def print_plan(console: Terminal, found: Plan, *, at_once: bool = False) -> None:
    """Print the steps of `apply` in the order of their execution, each with its effect."""
    for name, verb in found.credentials.items():
        mark, style = MARKS.get(verb, (" ", ""))
        _print(console, styled(f"{mark} credentials: stored in secret {name} ({verb})", style))
    for name in found.issuers:
        verb = "change" if name in found.redefined else "create"
        mark, style = MARKS[verb]
        _print(console, styled(f"{mark} issuer {name} ({verb})", style))
        _print_differences(console, found.redefined.get(name, []))
    for step in found.steps:
        mark, style = MARKS[step.verb]
        _print(console, styled(f"{mark} certificate {step.name} ({step.verb}) → {_effect(step)}", style))
        _print_differences(console, step.differences)
    if found.woken:
        when = "now" if at_once else "within an hour (with --now: now)"
        number, why = len(found.woken), "because their issuer or its credentials changed"
        _print(console, styled(f"{number} more will be reissued or retried {when}, {why}"))
    if found.empty:
        console.print("no changes")
    if found.unchanged:
        console.print(f"{len(found.unchanged)} unchanged")


def values(found: Plan) -> dict[str, Any]:
    """Return the plan as JSON values."""
    return {
        "credentials": dict(found.credentials),
        "issuers": list(found.issuers),
        "redefined": dict(found.redefined),
        "steps": [
            {"verb": step.verb, "name": step.name, "differences": step.differences, "reissued": step.reissued}
            for step in found.steps
        ],
        "unchanged": found.unchanged,
        "woken": found.woken,
    }


def _effect(step: Step) -> str:
    if step.verb == "delete":
        return "no longer renewed; its secrets and ACM certificates remain"
    return "no new certificate" if step.reissued is None else "new certificate"


def _print(console: Terminal, line: Text) -> None:
    """Print a line, and on a terminal its continuation below with more indentation."""
    if console.width >= PIPE:
        console.print(line)
        return
    begin = len(line.plain) - len(line.plain.lstrip()) + len(INDENT)
    for part in wrapped(line.plain, console.width, " " * begin):
        console.print(styled(part, str(line.style)))


def _print_differences(console: Terminal, found: Iterable[tuple[str, Any, Any]]) -> None:
    for key, before, after in found:
        for line in _difference(before, after):
            _print(console, styled(f"{INDENT}{visible(key, LONGEST)}: {line}"))


def _difference(before: object, after: object) -> Iterator[str]:
    """Return the lines of one key: of lists, what was added and removed, or both orders if only these differ."""
    if HIDDEN in (before, after):
        yield "added" if before is None else "removed" if after is None else "changed"
    elif isinstance(before, list | None) and isinstance(after, list | None):
        old, new = (list(map(_plain, value or [])) for value in (before, after))
        gone, added = ([entry for entry in one if entry not in other] for one, other in ((old, new), (new, old)))
        changes = [*(f"- {entry}" for entry in gone), *(f"+ {entry}" for entry in added)]
        yield from changes or [f"{', '.join(old)} → {', '.join(new)}"]
    else:
        yield f"{_plain(before)} → {_plain(after)}"


def _plain(value: object) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, dict):  # a destination
        return visible(" ".join(f"{key}={_plain(part)}" for key, part in value.items()), LONGEST)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return visible(text, LONGEST)
