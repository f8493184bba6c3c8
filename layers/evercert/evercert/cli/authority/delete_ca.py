"""`ca delete`: remove a CA that was replaced, after its last certificate has expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.cli import terminal
from evercert.cli.authority.arguments import ca_named
from evercert.cli.authority.cas import Name
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.connection import AuthorityConnection


def delete(
    name: Name, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Delete a replaced CA whose certificates have all expired, or one that never had a certificate. Keep its key."""
    authority = open_authority(stack, region)
    ca = ca_named(authority.configuration, name)
    _require_unused(authority, ca)
    _require_expired(authority, ca)
    if not yes:
        terminal.confirm(f"Delete CA {ca.name}? Its CRL and certificates are no longer served. This cannot be undone.")
    cas = authority.configuration.cas()
    replaced = [one.model_copy(update={"replaced_by": ca.replaced_by}) for one in cas if one.replaced_by == ca.id]
    if replaced:  # CAs that this one replaced now refer to the CA that replaced it
        authority.configuration.write(*replaced)
    authority.configuration.remove(ca)
    if as_json:
        terminal.print_json({"deleted": ca.name, "key": ca.key})
        return
    terminal.out.print(f"deleted CA {ca.name}")
    if ca.key:
        terminal.out.print(f"its key remains: aws kms schedule-key-deletion --key-id {ca.key}")


def _require_unused(authority: AuthorityConnection, ca: CA) -> None:
    if ca.kind == "root":
        raise BadInput(["cannot delete the root: clients trust it"])
    named = [profile.key for profile in authority.configuration.profiles() if ca.name in profile.cas]
    if named:
        remedy = f"run evercert authority ca replace {ca.name}, or change the profiles"
        raise BadInput([f"cannot delete CA {ca.name}: {', '.join(named[:5])} issue from it; {remedy}"])


def _require_expired(authority: AuthorityConnection, ca: CA) -> None:
    """Raise BadInput while a certificate of the CA is valid: without the CA, no CRL could list it."""
    from evercert.aws.authority.signing_ledger_reader import LedgerReading  # noqa: PLC0415 (AWS's library is slow to load)
    from evercert.cli.authority.last_expiry import last_expiry  # noqa: PLC0415

    if not ca.installed:
        return
    now = terminal.now()
    if ca.current.x509.not_valid_after_utc <= now:
        return
    if ca.status == "active" or ca.retired_at is None:
        raise BadInput(
            [f"CA {ca.name} is {ca.status} and was not replaced: run evercert authority ca replace {ca.name}"]
        )
    with terminal.err.status("reading the ledger"):
        ledger = LedgerReading(authority.clients.dynamodb, authority.connection.output("AuthorityLedger"))
        ends = last_expiry(ca, ledger.certificates(), now)
    if ends is None or ends > now:
        until = "" if ends is None else f" until {to_text(ends)}"
        raise BadInput([f"cannot delete CA {ca.name}{until}: a certificate that it signed is valid, and needs its CRL"])
