"""Format CAs, identities and profiles as text for people and as JSON values for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from evercert.cli.console import Terminal, styled
from evercert.cli.grid import Grid
from evercert.durations import to_text as span_text
from evercert.operations.escapes import visible
from evercert.schema import printable
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from cryptography import x509

    from evercert.authority.ca.definition import CA, Installed
    from evercert.authority.ca.leaf_fields import Leaf
    from evercert.authority.configuration.identity import Identity
    from evercert.authority.configuration.profiles import Profile
    from evercert.aws.authority.signing_ledger_reader import Entry

STATUSES = {"active": "green", "pending": "yellow", "disabled": "red", "retired": "yellow"}


def ca_values(ca: CA) -> dict[str, Any]:
    """Return the JSON values of one CA, the newest certificate last."""
    return {
        "name": ca.name,
        "id": ca.id,
        "kind": ca.kind,
        "status": ca.status,
        "algorithm": ca.algorithm,
        "key": ca.key,
        "parent": ca.parent,
        "certificates": [_certificate(one) for one in ca.installed],
        "ceiling": ca.ceiling and ca.ceiling.model_dump(mode="json", by_alias=True),
        "constraints": ca.constraints and ca.constraints.model_dump(mode="json", by_alias=True),
        "path_length": ca.path_length,
        "replaced_by": ca.replaced_by,
        "retired_at": ca.retired_at and to_text(ca.retired_at),
    }


def _certificate(one: Installed) -> dict[str, Any]:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    found = one.x509
    return {
        "id": one.id,
        "subject": found.subject.rfc4514_string(),  # `ca import` refuses one that cannot be parsed
        "issuer": _issuer(found),
        "serial_number": f"{found.serial_number:x}",
        "not_before": to_text(found.not_valid_before_utc),
        "not_after": to_text(found.not_valid_after_utc),
        "sha256": found.fingerprint(hashes.SHA256()).hex(),
    }


def _issuer(certificate: x509.Certificate) -> str:
    """Return the issuer's name; an external CA may write it in string types that `cryptography` does not parse."""
    from evercert.pki.distinguished_names import printed  # noqa: PLC0415
    from evercert.pki.path.fields import Fields  # noqa: PLC0415

    try:
        return certificate.issuer.rfc4514_string()
    except ValueError:
        return printed(Fields(certificate).issuer_der)


def cas(console: Terminal, found: Iterable[CA], now: datetime) -> None:
    """Print the table of `ca list`."""
    table = Grid("NAME", "KIND", "STATUS", "KEY", "ENDS")
    for ca in found:
        ends = ""
        if ca.installed:
            end = ca.current.x509.not_valid_after_utc
            ends = f"{end:%Y-%m-%d}, in {(end - now).days} days"
        table.add_row(ca.name, ca.kind, styled(ca.status, STATUSES[ca.status]), ca.algorithm, ends)
    console.print(table)


def ceiling(console: Terminal, values: dict[str, Any], indent: str = "    ") -> None:
    """Print one line per field."""
    for key, value in values.items():
        console.print(f"{indent}{key}: {listed(value)}")


def differences(console: Terminal, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Print one line per changed field; return whether any changed."""
    old, new = leaves(before), leaves(after)
    changed = [field for field in {**old, **new} if old.get(field) != new.get(field)]
    for field in changed:
        console.print(styled(f"    {visible(field, 200)}: {listed(old.get(field))} → {listed(new.get(field))}"))
    return bool(changed)


def leaves(values: dict[str, Any], parent: str = "") -> dict[str, object]:
    """Flatten nested values by path, such as `policy.sans[dns_name].allowed`, so that each change gets its own line."""
    found: dict[str, object] = {}
    for key, value in values.items():
        path = f"{parent}.{key}" if parent else key
        if isinstance(value, dict):
            found |= leaves(value, path)
        elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
            for number, part in enumerate(value):  # a policy has one rule per type
                found |= leaves(part, f"{path}[{part.get('type', number)}]")
        else:
            found[path] = value
    return found


def listed(value: object) -> str:
    """Format a document's value in one line."""
    if value in (None, [], (), "", {}):
        return "(none)"
    if isinstance(value, list | tuple):
        return ", ".join(visible(str(part), 200) for part in value)
    return visible(str(value), 400)


def identity_values(identity: Identity) -> dict[str, Any]:
    """Return the JSON values of one identity, without the hashes of its client secrets."""
    values = identity.model_dump(mode="json", by_alias=True)
    if identity.universal is not None:
        for secret in values["universal"]["secrets"]:
            del secret["digest"]
    return values


def identities(console: Terminal, found: Iterable[Identity]) -> None:
    """Print the table of `identity list`."""
    from evercert.authority.configuration.identity import TOKEN_LOGINS  # noqa: PLC0415

    table = Grid("NAME", "ID", "LOGINS", "MAY")
    for identity in found:
        fields = {"aws-auth": "aws", "universal-auth": "universal", **TOKEN_LOGINS}
        logins = [method for method, field in fields.items() if getattr(identity, field) is not None]
        table.add_row(identity.name, identity.id, ", ".join(logins), "; ".join(_grants(identity)))
    console.print(table)


def identity(console: Terminal, found: Identity) -> None:
    """Print one identity (`identity show`)."""
    from evercert.authority.configuration.identity import TOKEN_LOGINS  # noqa: PLC0415

    console.print(f"name: {found.name}")
    console.print(f"id: {found.id}")
    if found.aws is not None:
        foreign = ", including clients that do not sign a server ID" if found.aws.foreign_clients else ""
        console.print(f"aws-auth: {', '.join(found.aws.principals)}{foreign}")
    if found.universal is not None:
        console.print(f"universal-auth: client ID {found.universal.client_id}")
        for secret in found.universal.secrets:
            expiry = "does not expire" if secret.expires_at is None else f"expires {to_text(secret.expires_at)}"
            console.print(
                f"    secret {secret.id}: created {to_text(secret.created_at)}, {expiry}, {_uses(secret.uses)}"
                + (f", {visible(secret.description, 255)}" if secret.description else "")
            )
    for method, field in TOKEN_LOGINS.items():
        if (login := getattr(found, field)) is not None:
            settings = login.model_dump(mode="json", by_alias=True, exclude={"certificates", "public_keys"})
            shown = [f"{key} {_shown(value)}" for key, value in settings.items() if value]
            console.print(f"{method}: {', '.join(shown)}")
    lifetimes = f"{span_text(found.token_ttl)}, at most {span_text(found.token_max_ttl)}"
    console.print(f"tokens: {lifetimes}, {_uses(found.token_uses)}")
    for method, own in found.login_tokens.items():
        console.print(
            f"tokens of {method}: {span_text(own.lifetime)}, at most {span_text(own.longest)}, {_uses(own.uses)}"
        )
    for line in _grants(found) or ["nothing"]:
        console.print(f"may: {line}")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}={_shown(one)}" for key, one in value.items())
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)


def profiles(console: Terminal, found: Iterable[Profile]) -> None:
    """Print the table of `profiles`."""
    table = Grid("PROFILE", "ID", "ISSUER", "POLICY", "CAS")
    for profile in found:
        table.add_row(profile.key, profile.id, profile.issuer_type, profile.policy_name, ", ".join(profile.cas))
    console.print(table)


def ca_status(console: Terminal, rows: Iterable[dict[str, Any]], now: datetime) -> None:
    """Print the table of `status`."""
    table = Grid("CA", "STATUS", "ENDS", "CRL", "REVOKED")
    for row in rows:
        ends = "" if row["ends"] is None else f"{row['ends'][:10]}, in {(from_text(row['ends']) - now).days} days"
        made = "none"
        if row["crl_made"] is not None:
            hours = (now - from_text(row["crl_made"])).total_seconds() // 3600
            made = f"number {row['crl']}, {max(hours, 0):.0f} h old"
        revoked = "" if row["crl_revoked"] is None else str(row["crl_revoked"])
        table.add_row(row["name"], styled(row["status"], STATUSES[row["status"]]), ends, made, revoked)
    console.print(table)


def names_of(leaf: Leaf) -> str:
    """Return the certificate's names, or its common name, in one line."""
    names = [visible(str(name), 200) for name in leaf.names] or [
        visible(", ".join(leaf.subject.get("common_name", ())), 500)
    ]
    return ", ".join(names)


def entry_values(entry: Entry, cas: dict[str, str]) -> dict[str, Any]:
    """Return the JSON values of a ledger entry; `cas` maps ids to names."""
    return {
        "order": entry.order,
        "ca": cas.get(entry.ca, entry.ca),
        "serial_number": entry.serial_number,
        "at": entry.at,
        "names": printable(", ".join(entry.names), 300),
    }


def _grants(identity: Identity) -> list[str]:
    return [f"{grant.profile}: {', '.join(grant.permissions)}" for grant in identity.grants]


def _uses(number: int) -> str:
    return f"{number} uses" if number else "unlimited uses"
