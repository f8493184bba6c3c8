"""Commands for documents: `validate` and `apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, credentials, places, plan_text, terminal
from evercert.cli.files import KINDS, BadInput, Files
from evercert.cli.terminal import Json, Region, Stack, Timeout, Wait
from evercert.contracts.spec_store import pauses_of
from evercert.operations import pause_notes
from evercert.operations.apply import ApplyInput, Plan, carry_out, plan
from evercert.origins import Hosts, Origin

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

FileArguments = Annotated[
    list[str], typer.Argument(metavar="FILE", help="Documents: evercert/v1, or the Infisical agent's v1 and v2.")
]
PruneLabels = Annotated[
    list[str] | None,
    typer.Option(help="With --prune: delete only certificates with all of these labels (key=value, repeatable)."),
]
AtOnce = Annotated[bool, typer.Option("--now", help="Reissue all affected certificates now instead of over an hour.")]
AllowStaging = Annotated[
    bool,
    typer.Option("--allow-staging", help="Let staging and self-signed issuers replace certificates of others."),
]
NoLoginCheck = Annotated[
    bool,
    typer.Option(
        "--no-login-check",
        help="Store credentials of agent documents without a login at the issuer, which may be offline.",
    ),
]
NoNudge = Annotated[
    bool, typer.Option("--no-nudge", help="Wait for the schedule instead of notifying the issuer function.")
]


def validate(files: FileArguments, as_json: Json = False) -> None:  # noqa: FBT002
    """Check documents locally, without contacting AWS."""
    found = Files(files, form_only=True)
    if as_json:
        terminal.print_json(
            {"certificates": [spec.name for spec in found.specs], "issuers": list(found.issuers), "notes": found.notes}
        )
        return
    terminal.notes(found.notes)
    counts = (arguments.counted(len(found.specs), "certificate"), arguments.counted(len(found.issuers), "issuer"))
    terminal.out.print(f"valid: {' and '.join(counts)}")


def apply(
    files: FileArguments,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and exit.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete certificates that match --label and are in none of the files.")
    ] = False,
    label: PruneLabels = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without confirmation.")] = False,
    at_once: AtOnce = False,
    allow_staging: AllowStaging = False,
    no_login_check: NoLoginCheck = False,
    no_nudge: NoNudge = False,
    wait: Wait = False,
    timeout: Timeout = "10m",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Create or change the issuers and certificates in the documents; leave all others unchanged."""
    found, limit = Files(files), arguments.span(timeout)
    labels = arguments.prune_labels(label, prune=prune)
    connection = terminal.connect(stack, region)
    planned = make_plan(found, found.wanted(labels, allow_staging=allow_staging), connection)
    terminal.notes(found.notes + planned.notes)
    deleted = [step.name for step in planned.steps if step.verb == "delete"]
    terminal.require_confirmation(yes=yes or dry_run or not deleted)
    if not as_json:
        plan_text.print_plan(terminal.out, planned, at_once=at_once)
    if deleted and not dry_run and not yes:
        terminal.confirm(f"Delete {arguments.counted(len(deleted), 'certificate')}? Their secrets remain.")
    changed = [step.name for step in planned.steps if step.verb != "delete"]
    if not dry_run:
        queue = None if no_nudge else connection.queue
        # Write the secrets before the issuers that refer to them.
        credentials.store(found, planned.credentials, connection, check_login=not no_login_check)
        terminal.note_failed_nudge(carry_out(planned, connection.specs, queue, terminal.now(), at_once=at_once))
        terminal.notes(credentials.remove_files(found.removals, connection))
    wanted = changed + planned.unchanged  # an unchanged certificate may have failed before
    results = terminal.wait(connection, wanted, limit, quiet=as_json) if wait and not dry_run else None
    if as_json:
        written = not dry_run and not planned.empty
        terminal.print_json({**plan_text.values(planned), "written": written, **terminal.result_values(results)})
    elif dry_run:
        terminal.out.print("nothing was written (--dry-run)")
    elif results is None:
        terminal.notes(note_pauses(planned, connection))
    terminal.exit_failed(results)


def note_pauses(planned: Plan, connection: Connection) -> list[str]:
    """Return a note for each pause that stops the changed certificates."""
    records = [step.change.record for step in planned.steps if step.change is not None]
    pauses = connection.specs.pauses(terminal.now()) if records else {}
    held = {target: pauses[target] for record in records for target in pauses_of(record, pauses)}
    return [f"{line}: nothing is issued; to resume, run: {command}" for line, command in pause_notes.describe(held)]


def make_plan(found: Files, wanted: ApplyInput, connection: Connection) -> Plan:
    """Compare the documents with the stack, read-only; raise BadInput on conflicts."""
    from evercert.cli import preflight  # noqa: PLC0415 (boto3 is slow to import)

    credentials.require_stored(found, connection)
    with terminal.err.status("reading the table"):
        verbs = connection.credential_secrets.compare(found.credentials)
        changing = [name for name, verb in verbs.items() if verb != "unchanged"]
        affected = [name for name, issuer in found.issuers.items() if any(secret in str(issuer) for secret in changing)]
        planned = plan(wanted, connection.specs, KINDS, terminal.now(), affected)
        refused = planned.conflicts + places.refused(found.specs, connection)
        found_there = preflight.compare(planned, connection) if not refused else preflight.Compared()
    if refused or found_there.refused:
        raise BadInput(refused or found_there.refused)
    planned.notes += found_there.notes
    planned.credentials = verbs
    planned.notes += _note_unlisted_hosts(found, connection) + _note_unprobed(found, connection)
    return planned


def _note_unprobed(found: Files, connection: Connection) -> list[str]:
    """Return a note if servers are to be probed by a stack that has no function for it."""
    probed = [spec.name for spec in found.specs if spec.probe is not None]
    if not probed or "ValidatorFunction" in connection.outputs:
        return []
    return [f"{probed[0]}: probe has no effect: deploy the stack with Probes=yes"]


def _note_unlisted_hosts(found: Files, connection: Connection) -> list[str]:
    """Return a note for each issuer whose host is missing in the stack's parameter IssuerHosts."""
    allowed = Hosts.of(connection.parameters.get("IssuerHosts", ""))
    own = connection.outputs.get("AuthorityAddress")  # the stack's own authority needs no entry
    notes = []
    for name, issuer in found.issuers.items():
        address = issuer.settings.get("address") or issuer.settings.get("directory")
        if address is None:
            continue
        origin = Origin.of(address)
        if own is not None and origin == Origin.of(own):
            continue
        if not allowed.allow(origin) and not origin.is_loopback:  # a local stack uses loopback
            instead = "" if own is None else f" (the stack's own authority is {own})"
            notes.append(
                f"issuer {name}: host {origin.host} is not allowed; "
                f"add it to the stack's parameter IssuerHosts{instead}"
            )
    return notes
