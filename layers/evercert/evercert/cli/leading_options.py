"""Options before the command, as the AWS CLI and kubectl accept them: `evercert --stack test list`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from evercert.cli.files import BadInput

WITH_VALUE, FLAGS = ("--stack", "--region"), ("--json",)


def move_leading_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with leading options of commands at the end, where the command reads them.

    Raises BadInput if no command follows.
    """
    rest, leading = list(arguments), list[str]()
    while rest:
        name = rest[0].partition("=")[0]
        if name in FLAGS or (name in WITH_VALUE and "=" in rest[0]):
            leading.append(rest.pop(0))
        elif name in WITH_VALUE:
            leading += rest[:2]
            del rest[:2]
        else:
            break
    if leading and (not rest or rest[0].startswith("-")):
        name = leading[0].partition("=")[0]
        raise BadInput([f"{name} needs a command after it; to see the commands, run: evercert --help"])
    end = rest.index("--") if "--" in rest else len(rest)
    return _with_stack([*rest[:end], *leading, *rest[end:]])


def _with_stack(arguments: list[str]) -> list[str]:
    """Return the arguments with a name after a bare `version --stack`, which means the default stack."""
    found = list(arguments)
    if found[:1] == ["version"] and "--stack" in found:
        after = found.index("--stack") + 1
        if after == len(found) or found[after].startswith("-"):
            found.insert(after, os.environ.get("EVERCERT_STACK") or "evercert")
    return found
