"""Checks of `doctor` for keys of another stack whose tables this stack uses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from evercert.cli import retained_keys
from evercert.cli.doctor import stack_checks
from evercert.cli.doctor.stack_checks import Check, CheckFunction
from evercert.cli.retained_keys import RetainedKey

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

DATA_KEY = "RestoredDataKey"


def of_retained_keys(connection: Connection) -> dict[str, CheckFunction]:
    """Return the checks by the parameter that names the key; empty for a stack with keys of its own only."""
    found: dict[str, CheckFunction] = {}
    if arn := connection.parameters.get(DATA_KEY):
        found[DATA_KEY] = lambda: [stack_checks.key_state(connection, arn, DATA_KEY)]
    return found | {key.name: partial(_seal_key, connection, key) for key in retained_keys.seal_keys(connection)}


def _seal_key(connection: Connection, key: RetainedKey) -> list[Check]:
    state = stack_checks.key_state(connection, key.arn, key.name)
    if state.status != "ok" or retained_keys.key_policies(connection).has_policy(key.arn, key.policy):
        return [state]
    return [Check(key.name, "failed", "its key policy does not allow it to the stack's role", "evercert take-over")]
