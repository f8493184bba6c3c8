"""`evercert issuer`: show and test the issuers of the stack (docs/reference/issuers/)."""

from __future__ import annotations

import typer

from evercert.cli.issuers import commands

app = typer.Typer(no_args_is_help=True, help="Show and test the issuers of the stack.")
app.command("list")(commands.list_)
app.command("show")(commands.show_)
app.command("test")(commands.check)
