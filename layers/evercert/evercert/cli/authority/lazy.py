"""The stack's authority, for commands that show their help without loading AWS's library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.cli import terminal
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.authority.ceremony import Hands
    from evercert.cli.authority.connection import Opened


def opened(stack: str, region: str | None) -> Opened:
    """Raises Misconfigured with what to run."""
    from evercert.cli.authority import connection as opened  # noqa: PLC0415

    return opened.opened(stack, region)


def hands_of(found: Opened, *, quiet: bool) -> Hands:
    """For a ceremony; `quiet`: nothing is said of its steps."""
    from evercert.cli.authority.ceremony import Hands  # noqa: PLC0415

    say = (lambda line: None) if quiet else (lambda line: terminal.out.print(printable(line, 300)))  # noqa: ARG005
    return Hands(found.estate, found.key_making, found.keys, found.roles, found.address, terminal.now(), say)
