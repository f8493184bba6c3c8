"""Commands for the stack: `adopt`, `events`, `doctor`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.aws.tags import STACK_TAG
from evercert.cli import arguments, show, terminal
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.contracts.record import Record
from evercert.operations.apply import nudge
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.adoption import Found
    from evercert.cli.connection import Connection

TEST_LIMIT = timedelta(minutes=1)
Adopted = Annotated[str | None, typer.Argument(metavar="NAME", help="Name of the certificate.")]
Resource = Annotated[
    str | None, typer.Argument(metavar="RESOURCE", help="ARN of an ACM certificate, or name or ARN of a secret.")
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="OWNER",
        help="Instead of one resource, adopt all destinations whose tag evercert:stack has this value.",
    ),
]
Certificates = Annotated[list[str] | None, typer.Option(help="Show only events of this certificate (repeatable).")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Show only events of this type (repeatable).")]
Issuers = Annotated[list[str] | None, typer.Option(help="Show only events of this issuer (repeatable).")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", help="Show only events with all of these labels (key=value, repeatable)."),
]
For = Annotated[str | None, typer.Option("--for", help="Stop after this time, such as 10m.")]
Test = Annotated[bool, typer.Option("--test", help="Publish one event of each type and check that all arrive.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Certificates to check; default: all of them.")]


def adopt(
    name: Adopted = None,
    resource: Resource = None,
    *,
    owner: From = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Allow deliveries to an existing imported ACM certificate, secret, parameter or S3 object."""
    from evercert.cli import adoption  # noqa: PLC0415 (boto3 is slow to import)

    if owner is not None and name is None:
        _adopt_all(terminal.connect(stack, region), owner, yes=yes, as_json=as_json)
        return
    if owner is not None or name is None or resource is None:
        raise BadInput(["pass NAME and RESOURCE, or --from OWNER"])
    connection = terminal.connect(stack, region)
    found = adoption.find(connection, arguments.name(name), resource)
    if not as_json:
        for key, value in found.facts.items():
            terminal.out.print(f"{key}: {value}")
    if not found.ours:
        if not yes:
            tags = " and ".join(f"{key}={value}" for key, value in found.tags.items())
            terminal.confirm(f"Tag it with {tags}, so that stack {stack} may write to it?")
        adoption.tag(connection, found)
    woken = _wake_if_destination(connection, name, found)
    if as_json:
        answer = {"arn": found.arn, "tags": found.tags, "changed": not found.ours, "destination": found.destination}
        terminal.print_json({**answer, "notes": found.notes, "woken": woken})
        return
    terminal.notes(found.notes)
    if woken:
        terminal.out.print(f"certificate {name} already has this destination; its delivery starts now")
        return
    terminal.out.print(f"add this under `destinations:` of certificate {name} and apply the document:")
    terminal.out.lines(found.yaml())


def _adopt_all(connection: Connection, owner: str, *, yes: bool, as_json: bool) -> None:
    """Tag every destination of the stack's certificates that has another owner's tag."""
    from evercert.cli import owner_tags  # noqa: PLC0415 (boto3 is slow to import)

    found = owner_tags.tagged(connection, owner)
    plan = owner_tags.plan(connection, found, terminal.records(connection) if found else [])
    if plan.mine and not yes:
        number = arguments.counted(len(plan.mine), "resource")
        terminal.confirm(f"Tag {number} with {STACK_TAG}={connection.owner}, so that no other stack may write to them?")
    failed = owner_tags.tag(connection, plan.mine)
    if as_json:
        tagged = sorted(plan.mine.keys() - failed)
        terminal.print_json({"owner": str(connection.owner), "tagged": tagged, "left": plan.left, "failed": failed})
    else:
        terminal.out.print(f"{arguments.counted(len(plan.mine) - len(failed), 'resource')} tagged")
    terminal.notes(
        [f"{arn} was left alone: this stack delivers no certificate to it" for arn in plan.left]
        + [f"{arn} is in another account: tag it there (docs/how-to/adopt.md)" for arn in plan.elsewhere]
        + [f"tags of objects in S3 are not compared: {plan.objects} (docs/how-to/adopt.md#objects)"]
        * bool(plan.objects)
        + [f"cannot tag {arn}: {printable(reason, 100)}; run the command again" for arn, reason in failed.items()]
    )
    if failed:
        raise typer.Exit(terminal.FAILED)


def _wake_if_destination(connection: Connection, name: str, found: Found) -> bool:
    """Start the certificate's next run if the resource is its destination; return whether it is.

    After a failure only a renewal request ignores the retry delay.
    """
    record, now = connection.specs.record(name), terminal.now()
    if not isinstance(record, Record) or not found.is_destination_of(record):
        return False
    if record.last_error is None:
        connection.specs.wake(name, now, now)
    else:
        connection.specs.request(name, now, reason="adopted")
    terminal.note_failed_nudge(nudge([name], connection.queue))
    return True


def events(
    *,
    certificate: Certificates = None,
    kind: Types = None,
    issuer: Issuers = None,
    label: Labels = None,
    limit: For = None,
    test: Test = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show the stack's events as they happen, until Ctrl-C, through a temporary queue."""
    from evercert.cli import event_stream  # noqa: PLC0415 (boto3 is slow to import)

    if test and (certificate or kind or issuer or label):
        raise BadInput(["--test shows only its own events: remove the filter options"])
    span = None if limit is None else arguments.span(limit, "--for")
    wanted = event_stream.Filter(
        certificate or [], event_stream.types(kind or []), issuer or [], arguments.labels(label or [])
    )
    connection = terminal.connect(stack, region)
    with event_stream.interruptible() as stop, event_stream.temporary_queue(connection, stop) as queue:
        if not test:
            terminal.notes([f"listening to stack {stack}; press Ctrl-C to stop"])
            for event in event_stream.follow(queue, wanted, span):
                if as_json:
                    terminal.print_json(event.body, indent=None)
                else:
                    terminal.out.print(show.event(event.body))
        else:
            with terminal.err.status(f"waiting for {len(event_stream.TYPES)} events"):
                missing = event_stream.test(queue, connection, span or TEST_LIMIT)
    if test and not stop.is_set():
        if as_json:
            terminal.print_json({"arrived": sorted(event_stream.TYPES - set(missing)), "missing": sorted(missing)})
        else:
            show.test_result(terminal.out, event_stream.TYPES, missing)
    if stop.is_set():
        raise typer.Exit(terminal.INTERRUPTED)
    if test and missing:
        raise typer.Exit(terminal.FAILED)


def doctor(names: Names = None, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Check for anything that would block issuance, delivery or notifications."""
    from evercert.cli.doctor import all_checks, stack_checks  # noqa: PLC0415 (boto3 is slow to import)

    wanted = [arguments.name(name) for name in dict.fromkeys(names or [])]
    connection = terminal.connect(stack, region)
    found = []
    with terminal.err.status("checking") as status:
        checks = all_checks.of(connection, wanted)
        for name, check in checks.items():
            status.update(f"checking {name}")
            found += stack_checks.run(name, check)
    if as_json:
        terminal.print_json([check.values() for check in found])
    else:
        show.checks(terminal.out, found)
    if any(check.status == "failed" for check in found):
        raise typer.Exit(terminal.FAILED)
