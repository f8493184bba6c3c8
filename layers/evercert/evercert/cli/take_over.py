"""Command `take-over`: let the roles of this stack use the keys of another stack whose tables it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.cli import arguments, terminal
from evercert.cli.terminal import Json, Region, Stack, Yes

if TYPE_CHECKING:
    from evercert.cli.retained_keys import RetainedKey


def take_over(*, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Let this stack's roles use the keys of a deleted stack whose tables it has (parameters Restored…)."""
    from evercert.cli import retained_keys  # noqa: PLC0415 (boto3 is slow to import)

    connection = terminal.connect(stack, region)
    found = retained_keys.retained(connection)
    changed = retained_keys.with_another_policy(connection, found)
    retained_keys.require_deleted_roles(connection, changed)
    if changed and not yes:
        number = arguments.counted(len(changed), "key")
        terminal.confirm(f"Replace the policies of {number} ({_names(changed)}), so that only stack {stack} uses them?")
    for key in changed:
        retained_keys.rewrite(connection, key)
        if not as_json:
            terminal.out.print(f"stack {stack} may use {key.name}: {key.arn}")
    if as_json:
        names = {key.name for key in changed}
        terminal.print_json([{"name": key.name, "key": key.arn, "changed": key.name in names} for key in found])
    elif not changed:
        terminal.out.print(f"nothing to do: {arguments.counted(len(found), 'key')} with the right policy")


def _names(keys: list[RetainedKey]) -> str:
    return ", ".join(key.name for key in keys)
