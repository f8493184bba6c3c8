"""`evercert issuer`: show and test the issuers of the stack, and change their accounts (docs/reference/issuers/)."""

from __future__ import annotations

import typer

from evercert.cli.issuers import account_commands, commands

app = typer.Typer(no_args_is_help=True, help="Show and test the issuers of the stack; change their accounts.")
app.command("list")(commands.list_)
app.command("show")(commands.show_)
app.command("test")(commands.check)
app.command("rotate-key")(account_commands.rotate_key)
app.command("deactivate-account")(account_commands.deactivate_account)
app.command("register-account")(account_commands.register_account)
