"""Command `uninstall`: the plan to remove a stack and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import terminal
from evercert.cli.console import Terminal, styled
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack

if TYPE_CHECKING:
    from evercert.cli.uninstall.plan import Step

Plan = Annotated[
    bool, typer.Option("--plan", help="Print the commands and exit. Required: evercert runs none of them.")
]


def uninstall(*, plan: Plan = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List what `sam delete` leaves behind, and the commands that remove it; change nothing."""
    from evercert.cli.uninstall.plan import steps  # noqa: PLC0415 (boto3 is slow to import)

    if not plan:
        raise BadInput(["evercert removes nothing itself: pass --plan to print the commands that do"])
    connection = terminal.describe(stack, region)
    with terminal.err.status("looking for what remains"):
        found = steps(connection)
    if as_json:
        terminal.print_json([step.values() for step in found])
    else:
        show(terminal.out, found)


def show(out: Terminal, steps: Sequence[Step]) -> None:
    """Print the steps of a removal as a shell script to read and to run in parts."""
    for number, step in enumerate(steps, 1):
        out.print(styled(f"# {number}. {step.title}", "bold"))
        out.print(f"#    lost: {step.loss}")
        for command in step.commands:
            out.print(command)
        out.print("")
