"""The commands about documents: `validate` and `apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, show, terminal
from evercert.cli.files import KINDS, BadInput, Files
from evercert.cli.terminal import Json, Region, Stack, Timeout, Wait
from evercert.operations.apply import Plan, carry_out, plan
from evercert.origins import Hosts, Origin

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

FileArguments = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Documents: evercert/v1, or the agent's v1 and v2.")
]


def validate(files: FileArguments, as_json: Json = False) -> None:  # noqa: FBT002
    """Check documents, without asking anybody."""
    found = Files(files, form_only=True)
    if as_json:
        terminal.print_json(
            {"certificates": [spec.name for spec in found.specs], "issuers": list(found.issuers), "notes": found.notes}
        )
        return
    terminal.notes(found.notes)
    counts = (arguments.counted(len(found.specs), "certificate"), arguments.counted(len(found.issuers), "issuer"))
    terminal.out.print(f"well-formed: {' and '.join(counts)}")


def apply(
    files: FileArguments,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete certificates with --label that no file names.")
    ] = False,
    label: Annotated[list[str] | None, typer.Option(help="With --prune: only these (key=value, repeatable).")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    at_once: Annotated[bool, typer.Option("--now", help="Do not spread what an issuer's change wakes.")] = False,
    no_nudge: Annotated[bool, typer.Option("--no-nudge", help="Leave everything to the schedule.")] = False,
    wait: Wait = False,
    timeout: Timeout = "10m",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Make the stack want what the documents say; what they do not name stays as it is."""
    found, limit = Files(files), arguments.span(timeout)
    labels = arguments.prune_labels(label, prune=prune)
    connection = terminal.connect(stack, region)
    planned = _planned(found, labels, connection)
    terminal.notes(found.notes + planned.notes)
    if not as_json:
        show.plan(terminal.out, planned, at_once=at_once)
    deleted = [step.name for step in planned.steps if step.verb == "delete"]
    if deleted and not dry_run and not yes:
        arguments.confirm(
            f"Delete {arguments.counted(len(deleted), 'certificate')} ({', '.join(deleted)})? Their secrets stay."
        )
    changed = [step.name for step in planned.steps if step.verb != "delete"]
    if not dry_run:
        queue = None if no_nudge else connection.queue
        connection.credential_secrets.write(found.credentials, planned.credentials)  # before who refers to them
        terminal.unnudged(carry_out(planned, connection.specs, queue, terminal.now(), at_once=at_once))
    wanted = changed + planned.unchanged  # what failed before is no success because nothing was changed
    failed = bool(wait and wanted and not dry_run) and not terminal.wait(connection, wanted, limit, quiet=as_json)
    if as_json:
        terminal.print_json({**show.plan_values(planned), "written": not dry_run})
    elif dry_run:
        terminal.out.print("nothing was written (--dry-run)")
    if failed:
        raise typer.Exit(terminal.FAILED)


def _planned(found: Files, labels: dict[str, str] | None, connection: Connection) -> Plan:
    """Reads the stack, and writes nothing; raises BadInput for what cannot be done."""
    with terminal.err.status("reading the table"):
        credentials = connection.credential_secrets.compare(found.credentials)
        changing = [name for name, verb in credentials.items() if verb != "unchanged"]
        mended = [name for name, issuer in found.issuers.items() if any(secret in str(issuer) for secret in changing)]
        planned = plan(found.wanted(labels), connection.specs, KINDS, mended)
    if planned.conflicts:
        raise BadInput(planned.conflicts)
    planned.credentials = credentials
    planned.notes += _unlisted(found, connection)
    return planned


def _unlisted(found: Files, connection: Connection) -> list[str]:
    """Issuers whose host the stack may not ask: told now, and not only by the first certificate that fails."""
    allowed = Hosts.of(connection.parameters.get("IssuerHosts", ""))
    own = connection.outputs.get("AuthorityAddress")  # of the stack's own authority, which needs no entry
    notes = []
    for name, issuer in found.issuers.items():
        if "address" not in issuer.settings:
            continue
        origin = Origin.of(issuer.settings["address"])
        if own is not None and origin == Origin.of(own):
            continue
        if not allowed.allow(origin) and not origin.is_loopback:  # which is a local stack's
            instead = "" if own is None else f" (the stack's own authority is {own})"
            said = f"the stack may not ask {origin.host}; add it to its parameter IssuerHosts{instead}"
            notes.append(f"issuer {name}: {said}")
    return notes
