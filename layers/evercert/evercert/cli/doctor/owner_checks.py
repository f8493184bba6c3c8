"""Check of `doctor` for owner tags of the previous release, which stacks of one name share."""

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
    problem = f"{number} with {STACK_TAG}={connection.name}, which every stack of this name owns"
    return [Check(TITLE, "warning", problem, f"evercert adopt --from {connection.name}")]
