"""Issue, store and renew X.509 certificates in an AWS account.

Exit codes: 0 done, 1 failed, 2 invalid input, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from evercert import __version__
from evercert.cli import authority, certificates, documents, stack
from evercert.cli.files import BadInput
from evercert.cli.terminal import BAD_INPUT, FAILED, err, out
from evercert.errors import EvercertError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


app.command()(documents.validate)
app.command()(documents.apply)
app.command("list")(certificates.list_)
app.command("show")(certificates.show_)
app.command()(certificates.history)
app.command()(certificates.renew)
app.command()(certificates.delete)
app.command()(stack.pause)
app.command()(stack.resume)
app.command()(stack.adopt)
app.command()(stack.events)
app.command()(stack.doctor)
app.add_typer(authority.app, name="authority")


@app.command()
def version() -> None:
    """Print the version and exit."""
    out.print(f"evercert {__version__}")


def _print_version(requested: bool) -> None:  # noqa: FBT001 (the signature that typer calls)
    if requested:
        version()
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
]


@app.callback(help=__doc__)
def program(*, _version: VersionOption = False) -> None:
    """Accept the options that precede a command."""


def run() -> None:
    """Run the program; print expected errors on one line, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # the terminal may lack characters such as arrows
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
        sys.stdout = None  # the reader has closed the pipe: skip the flush at exit
        sys.exit(FAILED)
    except OSError as error:
        sys.exit(f"evercert: {error.strerror or type(error).__name__}")
