"""Commands for issuers: `issuer list`, `issuer show`, `issuer test`."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import show, terminal
from evercert.cli.files import BadInput
from evercert.cli.issuers.definitions import Definition, table
from evercert.cli.terminal import Json, Region, Stack
from evercert.contracts.issuer import DryRun
from evercert.errors import Misconfigured
from evercert.issuers import ISSUERS
from evercert.operations.diagnosis import MOST_NAMES
from evercert.operations.escapes import visible
from evercert.pki.identifiers import parse
from evercert.schema import printable, suggestion

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.contracts.accounts import StoredAccount

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the issuer.")]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name", help=f"Check solver and CAA records of this name of a certificate (repeatable, at most {MOST_NAMES})."
    ),
]


def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List issuers with type, address and profile. It does not count their certificates: that reads all of them."""
    connection = terminal.connect(stack, region)
    pauses = connection.specs.pauses(terminal.now())
    found = [Definition(name, stored) for name, stored in sorted(connection.specs.definitions().items())]
    rows = [definition.summary(pauses) for definition in found]
    if as_json:
        terminal.print_json(rows)
        return
    if rows:
        table(terminal.out, rows)
    else:
        terminal.out.print("No issuers yet; write a document with `issuers:` and run: evercert apply FILE")
    terminal.note_pauses(terminal.current_pauses(connection))


def show_(name: Name, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Show the settings of an issuer, its pauses, and its account at an ACME CA."""
    connection = terminal.connect(stack, region)
    found = definition(connection, name)
    values = found.detail(connection.specs.pauses(terminal.now()), _account(connection, found.account_id))
    if as_json:
        terminal.print_json(values)
        return
    for key, value in values.items():
        if value not in (None, []):
            text = visible(value) if isinstance(value, str) else json.dumps(value, indent=2)
            terminal.out.lines(f"{key}: {text}")
    if found.account_id is not None and values["account"] is None:
        terminal.out.print("account: not registered; the first certificate registers it")


def check(
    name: Name, *, names: Names = None, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Test an issuer without an order: definition, server, credentials, account, solver and CAA of each --name."""
    from evercert.cli.issuers import dry_run  # noqa: PLC0415 (boto3 and httpx are slow to import)

    wanted = _names(names or [])
    connection = terminal.connect(stack, region)
    found = definition(connection, name)
    if wanted and not _has_solvers(found):
        raise BadInput([f"cannot check --name {wanted[0]}: issuer {name} has no solvers; remove --name"])
    with terminal.err.status("testing"):
        account = _account(connection, found.account_id) if wanted else None
        checks = dry_run.run(connection, found, wanted, account.url if account is not None else None)
    if as_json:
        terminal.print_json([check.values() for check in checks])
    else:
        show.checks(terminal.out, checks)
        terminal.note_pauses(terminal.current_pauses(connection))
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(terminal.FAILED)


def definition(connection: Connection, name: str) -> Definition:
    """Return the definition with this name; raise BadInput with the nearest name if there is none."""
    stored = connection.specs.definitions()
    if name not in stored:
        hint = suggestion(name, list(stored)) or "; to see all names, run: evercert issuer list"
        raise BadInput([f"there is no issuer {printable(name, 60)!r}{hint}"])
    return Definition(name, stored[name])


def _names(values: list[str]) -> list[str]:
    """Return DNS names and IP addresses as certificates have them."""
    found: dict[str, None] = {}
    for value in values:
        try:
            identifier = parse(value)
        except ValueError as error:
            raise BadInput([f"invalid --name: {error}"]) from None
        if identifier.kind not in ("dns", "ip"):
            raise BadInput([f"invalid --name {printable(value, 60)!r}: must be a DNS name or an IP address"])
        found[identifier.value] = None
    if len(found) > MOST_NAMES:
        raise BadInput([f"cannot check {len(found)} names: pass at most {MOST_NAMES} of them in one test"])
    return list(found)


def _has_solvers(issuer: Definition) -> bool:
    """Whether the issuer's type checks names; the issuer function reports a type that is unknown."""
    if issuer.component is not None:
        with suppress(Misconfigured):
            return issubclass(ISSUERS.load(issuer.component.type), DryRun)
    return True


def _account(connection: Connection, account_id: str | None) -> StoredAccount | None:
    from evercert.aws.dynamodb.account_store import DynamoDBAccounts  # noqa: PLC0415 (boto3 is slow to import)

    if account_id is None:
        return None
    return DynamoDBAccounts(connection.clients.dynamodb, connection.output("CertificatesTable")).read(account_id)
