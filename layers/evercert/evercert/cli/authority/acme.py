"""`acme status`: accounts, orders and failures of the ACME server."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority.arguments import unknown_profile
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.grid import Grid
from evercert.cli.terminal import Json, Region, Stack
from evercert.durations import to_text
from evercert.operations.escapes import visible

if TYPE_CHECKING:
    from evercert.authority.acme.summary import Summary
    from evercert.authority.configuration.profiles import Profile
    from evercert.cli.authority.connection import AuthorityConnection

LONGEST_DETAIL = 300
LONGEST = timedelta(days=90)  # the table keeps orders for this time after they expire
app = typer.Typer(no_args_is_help=True, help="Look at the ACME server.")


@app.callback()
def acme() -> None:
    """Look at the ACME server."""


@app.command()
def status(
    *,
    profile: Annotated[str | None, typer.Option("--profile", help="One profile only, as project/slug.")] = None,
    since: Annotated[str, typer.Option("--since", help="Age of the oldest orders that count, at most 90d.")] = "7d",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show the accounts of each profile, the status of their orders, and why orders failed."""
    authority, now, span = open_authority(stack, region), terminal.now(), _span(since)
    profiles = _profiles(authority, profile)
    with terminal.err.status("reading accounts and orders"):
        found = {one.key: _summary(authority, one, now, now - span) for one in profiles}
    if as_json:
        terminal.print_json([_values(*one) for one in found.items()])
        return
    _print(found)
    if not found:
        terminal.notes(["no profile serves ACME clients: add `acme: {}` to its entry and apply the document"])


def _span(text: str) -> timedelta:
    span = arguments.span(text, "--since")
    if span > LONGEST:
        raise BadInput([f"--since: at most {to_text(LONGEST)}, because older orders are deleted"])
    return span


def _profiles(authority: AuthorityConnection, key: str | None) -> list[Profile]:
    profiles = {one.key: one for one in authority.configuration.profiles()}
    if key is not None and key not in profiles:
        raise BadInput([unknown_profile(key, profiles.keys())])
    serving = [one for name, one in sorted(profiles.items()) if one.acme_enrollment is not None and key in {None, name}]
    if key is not None and not serving:
        raise BadInput([f"profile {key} serves no ACME clients: add `acme: {{}}` to its entry and apply the document"])
    return serving


def _summary(authority: AuthorityConnection, profile: Profile, now: datetime, since: datetime) -> Summary:
    from evercert.authority.acme.summary import Summary  # noqa: PLC0415 (AWS's library is slow to load)
    from evercert.aws.authority.acme_report import AcmeReport  # noqa: PLC0415

    report = AcmeReport(authority.clients.dynamodb, authority.connection.output("AuthorityTable"))
    found = Summary()
    for account in report.accounts(profile.id):
        if account.generation == profile.generation:  # others are of a deleted profile of its name
            found.add(account, report.orders(account.id, since), now)
    return found


def _values(profile: str, found: Summary) -> dict[str, Any]:
    """Return the JSON values of one profile."""
    failures = {kind: {"count": one.count, "latest": one.latest} for kind, one in sorted(found.failures.items())}
    return {"profile": profile, "accounts": dict(found.accounts), "orders": dict(found.orders), "failures": failures}


def _print(found: dict[str, Summary]) -> None:
    """Print a table of profiles, and one of failures."""
    table = Grid("PROFILE", "ACCOUNTS", "DEACTIVATED", "ISSUED", "OPEN", "FAILED")
    failed = Grid("PROFILE", "FAILURE", "ORDERS", "LATEST")
    for profile, one in found.items():
        accounts, orders = one.accounts, one.orders
        counts = (
            accounts["valid"],
            accounts["deactivated"],
            orders["valid"],
            orders["pending"] + orders["ready"] + orders["processing"],
        )
        table.add_row(profile, *map(str, counts), str(orders["invalid"]))
        for kind, of_kind in sorted(one.failures.items()):
            failed.add_row(profile, visible(kind, 60), str(of_kind.count), visible(of_kind.latest, LONGEST_DETAIL))
    terminal.out.print(table)
    if failed.row_count:
        terminal.out.print()
        terminal.out.print(failed)
