"""Issue, store and renew X.509 certificates in an AWS account.

Exit codes: 0 done, 1 failed, 2 invalid input, 70 a bug in evercert, 130 interrupted, 141 output closed.
"""

from __future__ import annotations

import errno
import sys
import warnings
from typing import Annotated

import typer

from evercert.cli import (
    authority,
    certificates,
    crash_report,
    deletion,
    documents,
    issuers,
    listing,
    pauses,
    renewal,
    report,
    rollback,
    stack,
    take_over,
    terminal,
    version,
)
from evercert.cli.files import BadInput
from evercert.cli.host_agent.command import agent
from evercert.cli.leading_options import move_leading_options
from evercert.cli.terminal import BAD_INPUT, BUG, FAILED, INTERRUPTED
from evercert.cli.uninstall import command
from evercert.cli.web_console.command import console
from evercert.errors import EvercertError

OUTPUT_FAILED = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.command()(documents.validate)
app.command()(documents.apply)
app.command()(agent)
app.command()(console)
app.command("list")(listing.list_)
app.command("show")(certificates.show_)
app.command()(certificates.history)
app.command()(report.report)
app.command()(renewal.renew)
app.command()(rollback.rollback)
app.command()(deletion.delete)
app.command()(pauses.pause)
app.command()(pauses.resume)
app.command()(stack.adopt)
app.command()(stack.events)
app.command()(stack.doctor)
app.command()(take_over.take_over)
app.command()(command.uninstall)
app.command()(version.version)
app.add_typer(issuers.app, name="issuer")
app.add_typer(authority.app, name="authority")


def _print_version(requested: bool) -> None:  # noqa: FBT001 (the signature that typer calls)
    if requested:
        version.print_version()
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", "-V", is_eager=True, callback=_print_version, help="Print the version and exit.")
]


@app.callback(help=__doc__)
def program(*, _version: VersionOption = False) -> None:
    """Accept the options that precede a command; `leading_options` moves others behind it."""


def run() -> None:
    """Run the program; print errors on one line, without a traceback."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries: they quote source code
    terminal.prepare()
    try:
        code = app(move_leading_options(sys.argv[1:]), prog_name="evercert", standalone_mode=False)
        terminal.flush()
    except BaseException as error:  # noqa: BLE001 (includes panics of native code)
        code, lines = _result(error)
        terminal.errors(lines, as_json="--json" in sys.argv[1:])
    sys.exit(code if isinstance(code, int) else 0)


def _result(error: BaseException) -> tuple[int, list[str]]:
    """Return the exit code and what to print."""
    result: tuple[int, list[str]]
    match error:
        case SystemExit():
            result = error.code if isinstance(error.code, int) else FAILED, []
        case KeyboardInterrupt() | typer.Abort():
            result = INTERRUPTED, []
        case BadInput():
            result = BAD_INPUT, list(error.lines)
        case typer.TyperException():
            result = BAD_INPUT, _usage_problems(error)
        case EvercertError():
            result = FAILED, [str(error)]
        case OSError() if error.filename is not None or error.errno in OUTPUT_FAILED:
            result = FAILED, [f"{error.filename or 'cannot write the output'}: {error.strerror}"]
        case _:
            result = BUG, [crash_report.report(error)]
    return result


def _usage_problems(error: typer.TyperException) -> list[str]:
    """Return what is wrong with the arguments, and the command that explains them."""
    problem = getattr(error, "format_message", error.__str__)().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "evercert"
    return [f"{problem}; to see the options, run: {command} --help"] if problem else []  # none: the help is printed
