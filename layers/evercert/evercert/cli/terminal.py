"""What the commands share: their options, their output, their exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from evercert.cli import arguments
from evercert.cli.files import BadInput
from evercert.cli.progress import wait_for
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.errors import EvercertError
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
UNCUT = None if sys.stdout is not None and sys.stdout.isatty() else 10_000  # what reads a pipe wants whole names
# Nothing that is printed is ours to style: `arn:…:secret:…` is no emoji, and `[web]` no markup.
out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=UNCUT)
err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The certificate's name.")]
Json = Annotated[bool, typer.Option("--json", help="Plain JSON on standard output.")]
Stack = Annotated[str, typer.Option(envvar="EVERCERT_STACK", help="The deployed stack.")]
Region = Annotated[str | None, typer.Option(envvar="AWS_REGION", help="Its region.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until the new certificates are delivered, or one fails.")]
Timeout = Annotated[str, typer.Option(help="How long to wait, such as 90s or 15m.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Without asking.")]
Reason = Annotated[str | None, typer.Option(help="Why; kept, and shown to whoever asks.")]
Issuer = Annotated[str | None, typer.Option(help="Only what this issuer issues.")]


def now() -> datetime:
    """The clock of the command line."""
    return datetime.now(UTC)


def connect(stack: str, region: str | None) -> Connection:
    """The stack; AWS's library is loaded only here, so that help and `validate` need not wait for it."""
    from evercert.cli import connection  # noqa: PLC0415

    return connection.connect(stack, region)


def wait(connection: Connection, names: Sequence[str], limit: timedelta, *, quiet: bool = False) -> bool:
    """Shows each certificate as it gets there; False if one failed or the time is over."""
    fine = True
    try:
        for name, ending, good in wait_for(connection.specs, names, limit):
            fine &= good
            if not quiet or not good:
                (out if good else err).print(f"{name}: {ending}")
    except KeyboardInterrupt:
        notes(["no longer waiting; what is written stays, and the stack goes on without this command"])
        raise typer.Exit(INTERRUPTED) from None
    return fine


def records(connection: Connection) -> list[Record | Unreadable]:
    """All of them; a large table takes its time."""
    with err.status("reading the table"):
        return list(connection.specs.records())


def readable(connection: Connection, name: str) -> Record:
    """The record of that name; raises BadInput without one that can be read."""
    record = connection.specs.record(arguments.name(name))
    if record is None:
        raise BadInput([unknown(name)])
    if isinstance(record, Unreadable):
        problem = printable(record.problem)
        raise BadInput([f"the record of {name} does not parse ({problem}); apply its document again"])
    return record


def unknown(name: str) -> str:
    """What is said of a name that nobody has."""
    return f"there is no certificate {name!r}; `evercert list` shows those there are"


def unnudged(error: EvercertError | None) -> None:
    """What is written is written: the schedule does what the nudge would have done sooner."""
    if error is not None:
        notes([f"{error}; the next tick of the schedule finds it"])


def pause_notes(connection: Connection) -> None:
    """Says what is paused, wherever somebody could wonder why nothing is issued."""
    try:
        found = connection.specs.pauses()
    except EvercertError as error:
        notes([f"whether anything is paused is unknown: {error}"])
    else:
        notes([f"{line}; resume it with: {command}" for line, command in arguments.paused(found)])


def notes(lines: Sequence[str]) -> None:
    """On standard error, so that standard output holds the answer alone."""
    for line in lines:
        err.print(f"note: {line}")


def print_json(value: Any) -> None:  # noqa: ANN401
    """The answer for scripts; what a terminal could take for a command is escaped, as JSON allows."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))  # noqa: T201
