"""Command `version`: print the versions of the command and of a stack."""

from __future__ import annotations

from typing import Annotated

import typer

from evercert import __version__
from evercert.cli import stack_version, terminal
from evercert.cli.terminal import Json, Region

# Without EVERCERT_STACK as its default: `version` alone makes no request.
Stack = Annotated[
    str | None,
    typer.Option(metavar="[NAME]", help="Also print the version of this stack; without a name, of the default stack."),
]


def version(*, stack: Stack = None, region: Region = None, as_json: Json = False) -> None:
    """Print the version and exit; with `--stack`, compare it with that of a stack."""
    if stack is not None:
        _print_both(stack, region, as_json=as_json)
    elif as_json:
        terminal.print_json({"version": __version__})
    else:
        print_version()


def print_version() -> None:
    """Print the version of the command."""
    terminal.out.print(f"evercert {__version__}")


def _print_both(stack: str, region: str | None, *, as_json: bool) -> None:
    """Print both versions, and what to do if they differ."""
    described = terminal.describe(stack, region)
    described.output("CertificatesTable")  # another stack has none
    found = stack_version.version_of(described.outputs)
    different = stack_version.difference(found)
    if as_json:
        answer = {"version": __version__, "stack": {"name": described.name, "version": found}}
        remedy = None if different is None else different.remedy
        terminal.print_json({**answer, "same": different is None, "remedy": remedy})
        return
    print_version()
    shown = found or f"version unknown (older than {stack_version.FIRST})"
    terminal.out.print(f"stack {described.name}: {shown}")
    if different is not None:
        terminal.out.print(f"The versions differ; {different.remedy}")
