"""Import the AWS library only when a command runs, so that `--help` stays fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.cli import terminal
from evercert.cli.files import BadInput

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


def require_current_stack(authority: AuthorityConnection, what: str) -> None:
    """Raise BadInput if the stack is of an earlier release: its functions could not read what the command stores."""
    from evercert.cli import stack_version  # noqa: PLC0415

    found = stack_version.difference(stack_version.version_of(authority.connection.outputs))
    if found is not None:
        raise BadInput([f"{what}: the stack is {found.problem}; {found.remedy}"])
