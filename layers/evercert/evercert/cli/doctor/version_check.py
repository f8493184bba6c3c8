"""Check of `doctor` that the command and the stack have the same version."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from evercert.cli import stack_version
from evercert.cli.doctor.stack_checks import Check, CheckFunction

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

TITLE = "version"


def of_version(connection: Connection) -> dict[str, CheckFunction]:
    """Return the check by name."""
    return {TITLE: partial(_version, connection)}


def _version(connection: Connection) -> list[Check]:
    found = stack_version.version_of(connection.outputs)
    if different := stack_version.difference(found):
        return [Check(TITLE, "warning", f"the stack is {different.problem}", different.remedy)]
    return [Check(TITLE, "ok", f"{found}")]
