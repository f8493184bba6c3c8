"""The commands. Exit codes: 0 done, 1 failed, 2 the input is wrong, 130 interrupted."""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console

from evercert import __version__
from evercert.applying import carry_out, nudge, plan
from evercert.cli import arguments, show
from evercert.cli.connection import Connection, connect, now
from evercert.cli.files import KINDS, BadInput, Files
from evercert.cli.waiting import wait_for
from evercert.errors import EvercertError
from evercert.ports import Unreadable
from evercert.record import Record

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
UNCUT = None if sys.stdout.isatty() else 10_000  # what reads a pipe wants whole names
# Nothing that is printed is ours to style: `arn:…:secret:…` is no emoji, and `[web]` no markup.
out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=UNCUT)
err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

FileArguments = Annotated[list[str], typer.Argument(metavar="FILE...", help="Documents (evercert/v1).")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The certificate's name.")]
Json = Annotated[bool, typer.Option("--json", help="Plain JSON on standard output.")]
Stack = Annotated[str, typer.Option(envvar="EVERCERT_STACK", help="The deployed stack.")]
Region = Annotated[str | None, typer.Option(envvar="AWS_REGION", help="Its region.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until the new certificates are delivered, or one fails.")]
Timeout = Annotated[str, typer.Option(help="How long to wait, such as 90s or 15m.")]


@app.command()
def validate(files: FileArguments, as_json: Json = False) -> None:  # noqa: FBT002
    """Check documents, without asking anybody."""
    found = Files(files)
    if as_json:
        _json(
            {"certificates": [spec.name for spec in found.specs], "issuers": list(found.issuers), "notes": found.notes}
        )
        return
    _notes(found.notes)
    counts = (arguments.counted(len(found.specs), "certificate"), arguments.counted(len(found.issuers), "issuer"))
    out.print(f"well-formed: {' and '.join(counts)}")


@app.command()
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
    labels = arguments.labels(label, prune=prune)
    connection = connect(stack, region)
    planned = plan(found.wanted(labels), connection.specs, KINDS)
    if planned.conflicts:
        raise BadInput(planned.conflicts)
    _notes(found.notes + planned.notes)
    if not as_json:
        show.plan(out, planned)
    deleted = [step.name for step in planned.steps if step.verb == "delete"]
    if deleted and not dry_run and not yes:
        arguments.confirm(
            f"Delete {arguments.counted(len(deleted), 'certificate')} ({', '.join(deleted)})? Their secrets stay."
        )
    changed = [step.name for step in planned.steps if step.verb != "delete"]
    if not dry_run:
        queue = None if no_nudge else connection.queue
        _unnudged(carry_out(planned, connection.specs, queue, now(), at_once=at_once))
    failed = bool(wait and changed and not dry_run) and not _wait(connection, changed, limit, quiet=as_json)
    if as_json:
        steps = [{"verb": step.verb, "name": step.name, "differences": step.differences} for step in planned.steps]
        _json(
            {"issuers": list(planned.issuers), "steps": steps, "unchanged": planned.unchanged, "written": not dry_run}
        )
    elif dry_run:
        out.print("nothing was written (--dry-run)")
    if failed:
        raise typer.Exit(FAILED)


@app.command("list")
def list_(stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Every certificate, and how it is."""
    rows = sorted(map(show.summary, connect(stack, region).specs.records()), key=lambda row: str(row["name"]))
    if as_json:
        _json(rows)
    elif rows:
        show.listing(out, rows, now())
    else:
        out.print("no certificates yet; write a document and run: evercert apply FILE")


@app.command("show")
def show_(name: NameArgument, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Everything that is known of one certificate."""
    record = _record(connect(stack, region), name)
    if as_json:
        _json(show.detail(record))
        return
    for key, value in show.detail(record).items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2)
        out.print(f"{key.replace('_', ' ')}: {text}")


@app.command()
def renew(
    name: NameArgument,
    *,
    wait: Wait = False,
    timeout: Timeout = "10m",
    stack: Stack = "evercert",
    region: Region = None,
) -> None:
    """Ask for a new certificate now; it passes any back-off."""
    limit, connection = arguments.span(timeout), connect(stack, region)
    _record(connection, name)
    if not connection.specs.request(name, now()):
        raise BadInput([_unknown(name)])
    _unnudged(nudge([name], connection.queue))
    if wait and not _wait(connection, [name], limit):
        raise typer.Exit(FAILED)
    if not wait:
        out.print(f"asked for; watch it with: evercert history {name}")


@app.command()
def history(name: NameArgument, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Every outcome of one certificate, oldest first."""
    connection = connect(stack, region)
    outcomes = connection.specs.history(arguments.name(name))
    if not outcomes and connection.specs.record(name) is None:
        raise BadInput([_unknown(name)])
    if as_json:
        _json([outcome.model_dump(mode="json") for outcome in outcomes])
    else:
        show.history(out, outcomes)


@app.command()
def version() -> None:
    """The version of this command."""
    out.print(f"evercert {__version__}")


def run() -> None:
    """The whole program: no error of ours ends in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no arrows is no reason to fail
    try:
        app()
    except BadInput as error:
        for line in error.lines:
            err.print(f"evercert: {line}")
        sys.exit(BAD_INPUT)
    except EvercertError as error:
        err.print(f"evercert: {error}")
        sys.exit(FAILED)
    except BrokenPipeError:
        sys.stdout = None  # nobody reads: nothing is left to be flushed
        sys.exit(FAILED)
    except OSError as error:
        sys.exit(f"evercert: {error.strerror or type(error).__name__}")


def _wait(connection: Connection, names: list[str], limit: timedelta, *, quiet: bool = False) -> bool:
    """Shows each certificate as it gets there; False if one failed or the time is over."""
    fine = True
    try:
        for name, ending, good in wait_for(connection.specs, names, limit):
            fine &= good
            if not quiet or not good:
                (out if good else err).print(f"{name}: {ending}")
    except KeyboardInterrupt:
        _notes(["no longer waiting; what is written stays, and the stack goes on without this command"])
        raise typer.Exit(INTERRUPTED) from None
    return fine


def _record(connection: Connection, name: str) -> Record:
    record = connection.specs.record(arguments.name(name))
    if record is None:
        raise BadInput([_unknown(name)])
    if isinstance(record, Unreadable):
        raise BadInput([f"the record of {name} does not parse ({record.problem}); apply its document again"])
    return record


def _unknown(name: str) -> str:
    return f"there is no certificate {name!r}; `evercert list` shows those there are"


def _unnudged(error: EvercertError | None) -> None:
    """What is written is written: the schedule does what the nudge would have done sooner."""
    if error is not None:
        _notes([f"{error}; the next tick of the schedule finds it"])


def _notes(notes: list[str]) -> None:
    for note in notes:
        err.print(f"note: {note}")


def _json(value: Any) -> None:  # noqa: ANN401
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201
