"""Output, options and exit codes that the commands share; no other module prints."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import arguments
from evercert.cli.console import Terminal
from evercert.cli.files import BadInput
from evercert.cli.progress import wait_for
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.errors import EvercertError
from evercert.operations import pause_notes
from evercert.operations.escapes import visible
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection, DescribedStack

FAILED, BAD_INPUT, BUG, INTERRUPTED = 1, 2, 70, 130
MOST_ERRORS, MOST_NOTES, LONGEST_ERROR = 100, 500, 4_000
out = Terminal.of_output()
err = Terminal(stderr=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the certificate.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Stack = Annotated[str, typer.Option(envvar="EVERCERT_STACK", help="Name of the deployed stack.")]
Region = Annotated[str | None, typer.Option(envvar="AWS_REGION", help="AWS region of the stack.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the new certificates are delivered or fail.")]
Timeout = Annotated[str, typer.Option(help="Maximum time to wait, such as 90s or 15m.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Reason = Annotated[str | None, typer.Option(help="Reason; stored with the request.")]


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def connect(stack: str, region: str | None) -> Connection:
    """Connect to the stack; boto3 is slow to import, so that help and `validate` never load it."""
    from evercert.cli import connection  # noqa: PLC0415

    return connection.connect(stack, region)


def describe(stack: str, region: str | None) -> DescribedStack:
    """Find the stack, deployed or not."""
    from evercert.cli import connection  # noqa: PLC0415

    return connection.describe(stack, region)


@dataclass(frozen=True)
class Result:
    """The result of one certificate that a command waited for."""

    name: str
    succeeded: bool
    message: str


def wait(
    connection: Connection,
    names: Sequence[str],
    limit: timedelta,
    *,
    quiet: bool = False,
    serials: Mapping[str, str] | None = None,
) -> list[Result]:
    """Wait until each certificate is delivered, failed or late; print each result unless `quiet`, for JSON.

    `serials` are serial numbers that certificates must have after a rollback.
    """
    results = []
    try:
        for name, message, good in wait_for(connection.specs, names, limit, err, serials or {}):
            results.append(Result(name, good, message))
            if not quiet:
                (out if good else err).print(f"{name}: {message}")
    except KeyboardInterrupt:
        notes(["stopped waiting: all changes are written; the stack continues in the background"])
        raise typer.Exit(INTERRUPTED) from None
    return results


def result_values(results: Sequence[Result] | None) -> dict[str, Any]:
    """Return the results as JSON values; nothing if the command did not wait."""
    return {} if results is None else {"results": [asdict(result) for result in results]}


def exit_failed(results: Sequence[Result] | None) -> None:
    """Exit with 1 if a certificate was not delivered."""
    if not all(result.succeeded for result in results or ()):
        raise typer.Exit(FAILED)


def records(connection: Connection) -> list[Record | Unreadable]:
    """Read all records; show a spinner, because a large table takes seconds."""
    with err.status("reading the table"):
        return list(connection.specs.records())


def unreadable(record: Unreadable) -> str:
    """Return the message for a record that a command needs and that does not parse."""
    name, problem = visible(record.name, 200), printable(record.problem)
    if record.newer:
        return f"the record of {name} was {problem}; use that version"
    return f"the record of {name} does not parse ({problem}); apply its document again"


def require_stored(connection: Connection, name: str) -> Record | Unreadable:
    """Return the record that `list` shows under this name, readable or not; raise BadInput if it is missing."""
    record = connection.specs.record(arguments.stored_name(name))
    if record is None:
        raise BadInput([not_found(name)])
    return record


def not_found(name: str) -> str:
    """Return the message for a missing certificate."""
    wild = f"; '?{name}' selects all names below it" if name.startswith("*.") else ""
    return f"there is no certificate {visible(name, 200)!r}{visible(wild, 200)}; `evercert list` shows all names"


def note_failed_nudge(error: EvercertError | None) -> None:
    """Print a note if the nudge failed: the schedule starts the same work later."""
    if error is not None:
        notes([f"{error}; the schedule starts the work at its next tick"])


def current_pauses(connection: Connection) -> Mapping[PauseTarget, Pause]:
    """Return the pauses; print a note, and return none, if they cannot be read."""
    try:
        return connection.specs.pauses(now())
    except EvercertError as error:
        notes([f"cannot read the pauses: {error}"])
        return {}


def note_pauses(pauses: Mapping[PauseTarget, Pause]) -> None:
    """Print a note for each pause, because it explains why nothing is issued."""
    notes([f"{line}; to resume it, run: {command}" for line, command in pause_notes.describe(pauses)])


def notes(lines: Sequence[str]) -> None:
    """Print notes on standard error, so that standard output holds only the result."""
    for line in lines[:MOST_NOTES]:
        err.print(f"note: {line}")
    if (rest := len(lines) - MOST_NOTES) > 0:
        err.print(f"note: {rest} more notes are not shown; `evercert validate --json` prints all of a document")


def errors(lines: Sequence[str], *, as_json: bool = False) -> None:
    """Print errors on standard error: the first ones, because a broken document has thousands.

    `as_json`: one object with the list `errors`, and the number of those `omitted`, for scripts.
    """
    if as_json:
        if lines:
            omitted = {"omitted": len(lines) - MOST_ERRORS} if len(lines) > MOST_ERRORS else {}
            err.json({"errors": [printable(line, LONGEST_ERROR) for line in lines[:MOST_ERRORS]], **omitted}, 2)
        return
    for line in lines[:MOST_ERRORS]:
        err.print(visible(f"evercert: {line}", LONGEST_ERROR))
    if len(lines) > MOST_ERRORS:
        err.print("evercert: there are more problems; fix these first")


def print_json(value: object, indent: int | None = 2) -> None:
    """Print JSON on standard output."""
    out.json(value, indent)


def prepare() -> None:
    """Replace characters that the terminal lacks, such as arrows, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def flush() -> None:
    """Write what is left, while a failure can still be reported."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def confirm(question: str) -> None:
    """Ask for confirmation on standard error; raise BadInput without a terminal."""
    _require_terminal()
    try:
        confirmed = typer.confirm(visible(question), err=True)
    except typer.Abort:  # Ctrl-C or end of input
        raise KeyboardInterrupt from None
    if not confirmed:
        raise typer.Exit(FAILED)


def confirm_name(warning: str, name: str) -> None:
    """Ask on standard error to type a name; exit if it is another one, and raise BadInput without a terminal."""
    _require_terminal()
    try:
        typed = typer.prompt(
            f"{visible(warning)}\nType {visible(name)} to confirm", default="", show_default=False, err=True
        )
    except typer.Abort:
        raise KeyboardInterrupt from None
    if typed != name:
        raise typer.Exit(FAILED)


def require_confirmation(*, yes: bool) -> None:
    """Raise BadInput if a confirmation is required and cannot be asked for; call it before the first output."""
    if not yes:
        _require_terminal()


def _require_terminal() -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise BadInput(["Cannot ask for confirmation without a terminal; pass --yes."])
