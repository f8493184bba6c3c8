"""`eab …`: credentials with which ACME clients register accounts (RFC 8555 §7.3.4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority.arguments import unknown_profile
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.grid import Grid
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.operations.escapes import visible
from evercert.schema import printable
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from evercert.authority.configuration.profiles import EabCredential, Profile
    from evercert.cli.authority.connection import AuthorityConnection

MOST_PATTERNS = 50
Key = Annotated[str, typer.Argument(metavar="KEY-ID", help="Key ID of the credential.")]
app = typer.Typer(no_args_is_help=True, help="Manage credentials with which ACME clients register accounts (EAB).")


@app.command()
def create(
    *,
    profile: Annotated[str, typer.Option("--profile", help="Profile of the accounts, as project/slug.")],
    once: Annotated[bool, typer.Option("--once", help="Register one account only.")] = False,
    expires: Annotated[
        str | None, typer.Option(help="Lifetime of the credential, such as 7d; accounts remain. Default: none.")
    ] = None,
    names: Annotated[
        list[str] | None, typer.Option("--names", help="Pattern of the names that accounts may order (repeatable).")
    ] = None,
    description: Annotated[str, typer.Option(help="Text for `eab list`.")] = "",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Create a credential. Its HMAC key is printed once."""
    from evercert.authority.acme.paths import directory_url  # noqa: PLC0415
    from evercert.authority.configuration.profiles import EabCredential  # noqa: PLC0415

    patterns = _patterns(names or [])
    span = arguments.span(expires, "--expires") if expires is not None else None
    authority, now = open_authority(stack, region), terminal.now()
    found = _profile(authority, profile)
    key_id = str(uuid4())
    made = _mac_key(authority, key_id)
    values = {
        "id": key_id,
        "profile": found.id,
        "sealed": made["sealed"],
        "created-at": now,
        "expires-at": None if span is None else now + span,
        "once": once,
        "names": patterns,
        "description": printable(description, 200),
        "generation": found.generation,
    }
    credential = EabCredential.model_validate(values)
    authority.configuration.write(credential)
    directory = directory_url(authority.address, found.id)
    if as_json:
        secret = {"hmac_key": made["mac_key"], "directory": directory}
        terminal.print_json({**_values(credential, _keys([found])), **secret})
        return
    terminal.out.print(f"directory: {directory}")
    terminal.out.print(f"key ID: {key_id}")
    terminal.out.print(f"HMAC key: {made['mac_key']}")
    terminal.notes(["save the HMAC key now: it is not shown again"])


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List all credentials, newest first."""
    configuration = open_authority(stack, region).configuration
    found = configuration.eab_credentials()
    profiles = _keys(configuration.profiles())
    if as_json:
        terminal.print_json([_values(one, profiles) for one in found])
        return
    _print(found, profiles, terminal.now())
    if not found:
        terminal.notes(["no credentials yet: run evercert authority eab create to create one"])


@app.command()
def revoke(
    key_id: Key, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Revoke a credential. It registers no account any more, and its accounts order nothing any more."""
    configuration = open_authority(stack, region).configuration
    found = configuration.eab_credential(key_id)
    if found is None:
        raise BadInput([f"no credential has the key ID {printable(key_id, 60)!r}: run evercert authority eab list"])
    if not yes:
        terminal.confirm(
            f"Revoke credential {key_id}? The accounts that it registered can no longer order certificates."
        )
    changed: EabCredential = found.model_copy(update={"revoked": True})
    configuration.write(changed)
    if as_json:
        terminal.print_json({"revoked": key_id})
    else:
        terminal.out.print(f"revoked credential {key_id}")


def _patterns(names: list[str]) -> list[str]:
    from evercert.authority.policy.patterns import pattern_problem  # noqa: PLC0415

    if len(names) > MOST_PATTERNS:
        raise BadInput([f"--names: at most {MOST_PATTERNS} patterns"])
    errors = []
    for name in names:
        kind: Any = "ip_address" if name[:1].isdigit() or ":" in name else "dns_name"
        if (why := pattern_problem(kind, name)) is not None:
            errors.append(f"--names {printable(name, 100)}: {why}")
    if errors:
        raise BadInput(errors)
    return names


def _profile(authority: AuthorityConnection, key: str) -> Profile:
    profiles = {profile.key: profile for profile in authority.configuration.profiles()}
    if key not in profiles:
        raise BadInput([unknown_profile(key, profiles.keys())])
    if profiles[key].acme_enrollment is None:
        raise BadInput([f"profile {key} serves no ACME clients: add `acme: {{}}` to its entry and apply the document"])
    return profiles[key]


def _mac_key(authority: AuthorityConnection, key_id: str) -> dict[str, str]:
    """Have the front generate and encrypt an HMAC key: only its role may use the seal key."""
    from evercert.aws.clients import translated  # noqa: PLC0415
    from evercert.errors import Unavailable  # noqa: PLC0415

    with translated("have an HMAC key generated"):
        answer = authority.clients.lambda_.invoke(
            FunctionName=authority.connection.output("AuthorityFunction"),
            Payload=json.dumps({"task": "eab", "credential": key_id}).encode(),
        )
        payload = answer["Payload"].read()
    if "FunctionError" in answer:
        raise Unavailable("the authority could not generate an HMAC key: see the function's log")
    found: dict[str, str] = json.loads(payload)
    return found


def _keys(profiles: Iterable[Profile]) -> dict[tuple[str, str], str]:
    """Return the keys of profiles by id and generation: a credential of a deleted profile has no other one's key."""
    return {(profile.id, profile.generation): profile.key for profile in profiles}


def _values(found: EabCredential, profiles: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return the JSON values of one EAB credential, without its MAC key."""
    return {
        "key_id": found.id,
        "profile": profiles.get((found.profile, found.generation)),
        "created_at": to_text(found.created_at),
        "expires_at": None if found.expires_at is None else to_text(found.expires_at),
        "once": found.once,
        "revoked": found.revoked,
        "names": list(found.names),
        "description": found.description,
    }


def _print(found: Iterable[EabCredential], profiles: Mapping[tuple[str, str], str], now: datetime) -> None:
    """Print the table of `eab list`."""
    table = Grid("KEY ID", "PROFILE", "STATUS", "NAMES", "DESCRIPTION")
    for one in found:
        expired = one.expires_at is not None and one.expires_at <= now
        status = "revoked" if one.revoked else "expired" if expired else "once" if one.once else "active"
        if status == "active" and one.expires_at is not None:
            status = f"until {to_text(one.expires_at)[:10]}"
        names = ", ".join(visible(name, 100) for name in one.names) or "as the profile"
        profile = profiles.get((one.profile, one.generation), "deleted")
        table.add_row(one.id, profile, status, names, visible(one.description, 200))
    terminal.out.print(table)
