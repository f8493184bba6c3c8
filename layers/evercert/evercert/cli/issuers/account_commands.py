"""Commands for the account of an ACME issuer: `issuer rotate-key`, `deactivate-account`, `register-account`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evercert import json_parser
from evercert.cli import terminal
from evercert.cli.files import BadInput
from evercert.cli.issuers.commands import Name, definition
from evercert.cli.issuers.definitions import Definition
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.contracts.record import Record
from evercert.errors import Misconfigured
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

NAMED = 10  # issuers in one line


def rotate_key(
    name: Name, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Replace the key of an issuer's account at its CA; all issuers of the account use the new key."""
    connection = terminal.connect(stack, region)
    users = _users(connection, name)
    if not yes:
        terminal.confirm(f"Replace the account key of {_listed(users)}?")
    _change(connection, name, "rotate-key", {"issuers": users}, as_json=as_json)


def deactivate_account(
    name: Name, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Deactivate an issuer's account at its CA. This cannot be undone, and stops all issuers of the account."""
    connection = terminal.connect(stack, region)
    users = _users(connection, name)
    records = [record for record in terminal.records(connection) if isinstance(record, Record)]
    count = sum(not set(users).isdisjoint(record.spec.issuer_names) for record in records)
    if not yes:
        terminal.confirm_name(
            f"Deactivate the account of {_listed(users)}? It cannot be activated again. {count} certificate(s) of "
            "these issuers cannot be renewed or revoked until another account is registered.",
            name,
        )
    _change(connection, name, "deactivate", {"issuers": users, "certificates": count}, as_json=as_json)
    if not as_json:
        terminal.out.print(f"to register another account, run: evercert issuer register-account {name}")


def register_account(name: Name, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Register an issuer's account at its CA; after a deactivation, another one with a new key."""
    connection = terminal.connect(stack, region)
    _change(connection, name, "register", {"issuers": _users(connection, name)}, as_json=as_json)


def _users(connection: Connection, name: str) -> list[str]:
    """Return the issuers that share the account of this one; raise BadInput for an issuer without an account."""
    found = definition(connection, name)
    if found.settings is None:
        raise BadInput([f"cannot use issuer {name}: {found.problem}"])
    if found.account_id is None:
        raise BadInput([f"issuer {name} has no account at a CA: only issuers of type acme have one"])
    others = [Definition(other, stored) for other, stored in sorted(connection.specs.definitions().items())]
    return [other.name for other in others if other.account_id == found.account_id]


def _listed(users: list[str]) -> str:
    more = f" and {len(users) - NAMED} more" if len(users) > NAMED else ""
    return f"issuer{'s' * (len(users) > 1)} {', '.join(users[:NAMED])}{more}"


def _change(connection: Connection, name: str, change: str, more: dict[str, Any], *, as_json: bool) -> None:
    """Ask the issuer function for the change: only its role can open account keys."""
    from evercert.cli.doctor.certificate_checks import ask_issuer, error_message  # noqa: PLC0415 (boto3 is slow)

    with terminal.err.status("asking the issuer function"):
        payload, failed = ask_issuer(connection, {"account": {"issuer": name, "change": change}})
    try:
        if failed:
            raise ValueError  # noqa: TRY301
        answer = json_parser.parse(payload)
        found, problem = str(answer["found"]), answer["problem"]
    except (ValueError, KeyError, TypeError):
        said = printable(error_message(payload), 400)
        raise Misconfigured(
            f"the issuer function failed: {said}; run the command again, or deploy the stack with the same release"
        ) from None
    if problem is not None:
        raise Misconfigured(printable(str(problem)))
    if as_json:
        terminal.print_json({"issuer": name, "result": printable(found), **more})
    else:
        terminal.out.print(f"{printable(found)} ({_listed(more['issuers'])})")
