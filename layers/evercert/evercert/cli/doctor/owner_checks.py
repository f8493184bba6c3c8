"""Check of `doctor` for owner tags of the previous release, which do not distinguish stacks with the same name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from evercert.aws.tags import STACK_TAG
from evercert.cli import arguments, owner_tags
from evercert.cli.doctor.stack_checks import Check, CheckFunction

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

TITLE = "owner tags"


def of_owner(connection: Connection) -> dict[str, CheckFunction]:
    """Return the check by name."""
    return {TITLE: partial(_old_tags, connection)}


def _old_tags(connection: Connection) -> list[Check]:
    found = owner_tags.tagged(connection, connection.name)
    if not found:
        return [Check(TITLE, "ok", "none of an earlier release")]
    number = arguments.counted(len(found), "resource")
    problem = f"{number} with {STACK_TAG}={connection.name}, which any stack with this name may write"
    return [Check(TITLE, "warning", problem, f"evercert adopt --from {connection.name}")]
