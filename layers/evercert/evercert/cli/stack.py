"""The commands about the stack: `pause`, `resume`, `adopt`, `events`, `doctor`."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, show, terminal
from evercert.cli.files import BadInput
from evercert.cli.terminal import Issuer, Json, NameArgument, Reason, Region, Stack, Yes
from evercert.contracts.record import Record
from evercert.operations.apply import nudge
from evercert.operations.renew import cleaned
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.adoption import Found
    from evercert.cli.connection import Connection

LOOK_AGAIN = timedelta(minutes=15)  # how long a run puts off what is paused
TEST_LIMIT = timedelta(minutes=1)
Resource = Annotated[str, typer.Argument(metavar="RESOURCE", help="An ACM certificate's ARN; a secret's name or ARN.")]
Only = Annotated[list[str] | None, typer.Option(help="Only these (repeatable).")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Only with all of these (key=value, repeatable).")]
For = Annotated[str | None, typer.Option("--for", help="Stop after this long, such as 10m.")]
Test = Annotated[bool, typer.Option("--test", help="Publish one of each type, and see whether all come back.")]
Some = Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Look at these certificates.")]


def pause(
    *,
    issuer: Issuer = None,
    reason: Reason = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Issue nothing until `resume`; what is delivered stays as it is."""
    connection = terminal.connect(stack, region)
    if issuer is not None and issuer not in connection.specs.issuers():
        raise BadInput([f"issuer {printable(issuer, 60)!r} is not defined in stack {stack}"])
    changed = connection.specs.pause(issuer, terminal.now(), cleaned(reason))
    pauses = connection.specs.pauses()
    if as_json:
        terminal.print_json({"paused": show.pauses(pauses), "changed": changed})
        return
    for line, command in arguments.paused(pauses):
        terminal.out.print(f"{line}; resume it with: {command}")


def resume(*, issuer: Issuer = None, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Go on after `pause`."""
    connection = terminal.connect(stack, region)
    changed = connection.specs.resume(issuer)
    pauses = connection.specs.pauses()
    if as_json:
        terminal.print_json({"paused": show.pauses(pauses), "changed": changed})
        return
    what = "the stack" if issuer is None else f"issuer {printable(issuer, 60)}"
    went_on = f"{what} goes on; what was put off is looked at within {LOOK_AGAIN.seconds // 60} minutes"
    terminal.out.print(went_on if changed else f"{what} was not paused")
    terminal.notes([f"{line} still; resume it with: {command}" for line, command in arguments.paused(pauses)])


def adopt(
    name: NameArgument,
    resource: Resource,
    *,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Let a certificate be delivered to what exists already: an imported ACM certificate, or a secret."""
    from evercert.cli import adoption as adopting  # noqa: PLC0415 (AWS's library is slow to load)

    connection = terminal.connect(stack, region)
    found = adopting.find(connection, arguments.name(name), resource)
    if not as_json:
        for key, value in found.facts.items():
            terminal.out.print(f"{key}: {value}")
    if not found.ours:
        if not yes:
            tags = " and ".join(f"{key}={value}" for key, value in found.tags.items())
            arguments.confirm(f"Tag it with {tags}, so that stack {stack} may write to it?")
        adopting.tag(connection, found)
    named = _looked_at(connection, name, found)
    if as_json:
        answer = {"arn": found.arn, "tags": found.tags, "changed": not found.ours, "destination": found.destination}
        terminal.print_json({**answer, "notes": found.notes, "woken": named})
        return
    terminal.notes(found.notes)
    if named:
        terminal.out.print(f"certificate {name} names it already, and is looked at now")
        return
    terminal.out.print(f"put this under `destinations:` of certificate {name}, and apply the document:")
    terminal.out.print(found.yaml())


def _looked_at(connection: Connection, name: str, found: Found) -> bool:
    """Whether a record names it already; a back-off since it was refused is passed, as only a request passes it."""
    record, now = connection.specs.record(name), terminal.now()
    if not isinstance(record, Record) or not found.named_by(record):
        return False
    if record.last_error is None:
        connection.specs.wake(name, now, now)
    else:
        connection.specs.request(name, now, reason="adopted")
    terminal.unnudged(nudge([name], connection.queue))
    return True


def events(
    *,
    certificate: Only = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only these (repeatable).")] = None,
    issuer: Only = None,
    label: Labels = None,
    limit: For = None,
    test: Test = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show what the stack announces, as it happens, until Ctrl-C; nothing of it stays behind."""
    from evercert.cli import event_stream as following  # noqa: PLC0415 (AWS's library is slow to load)

    if test and (certificate or kind or issuer or label):
        raise BadInput(["--test shows what it published itself: give no filter with it"])
    span = None if limit is None else arguments.span(limit, "--for")
    wanted = following.Filter(
        certificate or [], following.types(kind or []), issuer or [], arguments.labels(label or [])
    )
    connection = terminal.connect(stack, region)
    with following.interruptible() as stop, following.inbox(connection, stop) as box:
        if not test:
            terminal.notes([f"listening to stack {stack}; Ctrl-C ends it"])
            for event in following.follow(box, wanted, span):
                terminal.out.print(json.dumps(event.body) if as_json else show.event(event.body))
        else:
            with terminal.err.status(f"waiting for {len(following.TYPES)} events"):
                missing = following.test(box, connection, span or TEST_LIMIT)
    if test and not stop.is_set():
        if as_json:
            terminal.print_json({"came_back": sorted(following.TYPES - set(missing)), "missing": sorted(missing)})
        else:
            show.tested(terminal.out, following.TYPES, missing)
    if stop.is_set():
        raise typer.Exit(terminal.INTERRUPTED)
    if test and missing:
        raise typer.Exit(terminal.FAILED)


def doctor(names: Some = None, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Look at everything that could keep certificates from being issued, delivered or heard of."""
    from evercert.cli.doctor import certificate_checks as examination  # noqa: PLC0415
    from evercert.cli.doctor import stack_checks as checks  # noqa: PLC0415 (AWS's library is slow to load)
    from evercert.cli.doctor.authority_checks import of_authority  # noqa: PLC0415

    wanted = [arguments.name(name) for name in dict.fromkeys(names or [])]
    connection = terminal.connect(stack, region)
    found = []
    with terminal.err.status("looking") as status:
        looks = {**checks.of_stack(connection), **of_authority(connection)}
        for what, look in {**looks, **examination.of_certificates(connection, wanted)}.items():
            status.update(f"looking at {what}")
            found += checks.looked(what, look)
    if as_json:
        terminal.print_json([check.plain() for check in found])
    else:
        show.checks(terminal.out, found)
    if any(check.status == "failed" for check in found):
        raise typer.Exit(terminal.FAILED)
