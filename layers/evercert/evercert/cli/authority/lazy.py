"""Import the AWS library only when a command runs, so that `--help` stays fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.cli import terminal

if TYPE_CHECKING:
    from evercert.cli.authority.ceremony import CeremonyContext
    from evercert.cli.authority.connection import AuthorityConnection


def open_authority(stack: str, region: str | None) -> AuthorityConnection:
    """Connect to the stack's authority; raise Misconfigured if the stack has none."""
    from evercert.cli.authority import connection  # noqa: PLC0415

    return connection.open_authority(stack, region)


def ceremony_context(authority: AuthorityConnection, *, quiet: bool) -> CeremonyContext:
    """Return the context of a ceremony; `quiet` suppresses the report of each step."""
    from evercert.cli.authority.ceremony import CeremonyContext  # noqa: PLC0415

    report = (lambda line: None) if quiet else terminal.out.print  # noqa: ARG005
    return CeremonyContext(
        authority.configuration,
        authority.key_creation,
        authority.keys,
        authority.roles,
        authority.published_address,
        terminal.now(),
        report,
    )
