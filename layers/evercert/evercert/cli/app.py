"""The commands. Exit codes: 0 done, 1 failed, 2 the input is wrong, 130 interrupted."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from evercert import __version__
from evercert.cli import authority, certificates, documents
from evercert.cli import stack as operations
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
app.command()(operations.pause)
app.command()(operations.resume)
app.command()(operations.adopt)
app.command()(operations.events)
app.command()(operations.doctor)
app.add_typer(authority.app, name="authority")


@app.command()
def version() -> None:
    """The version of this command."""
    out.print(f"evercert {__version__}")


def _version(asked: bool) -> None:  # noqa: FBT001 (typer's)
    if asked:
        version()
        raise typer.Exit


RequestedFields = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_version, help="As evercert version.")
]


@app.callback(help=__doc__)
def program(*, _asked: RequestedFields = False) -> None:
    """What comes before every command."""


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
