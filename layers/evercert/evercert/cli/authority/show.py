"""CAs, identities and profiles as text for people, and as values for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evercert.durations import to_text as span_text
from evercert.schema import printable
from evercert.timestamps import from_text, to_text

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA, Installed
    from evercert.authority.ca.leaf_fields import Leaf
    from evercert.authority.configuration.identity import Identity
    from evercert.authority.configuration.profiles import Profile
    from evercert.aws.authority.signing_ledger_reader import Entry

STATUSES = {"active": "green", "pending": "yellow", "disabled": "red"}


def ca_values(ca: CA) -> dict[str, Any]:
    """One CA; its certificates, the newest last."""
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
    }


def _certificate(one: Installed) -> dict[str, Any]:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    found = one.x509
    return {
        "id": one.id,
        "subject": found.subject.rfc4514_string(),
        "issuer": found.issuer.rfc4514_string(),
        "serial_number": f"{found.serial_number:x}",
        "not_before": to_text(found.not_valid_before_utc),
        "not_after": to_text(found.not_valid_after_utc),
        "sha256": found.fingerprint(hashes.SHA256()).hex(),
    }


def cas(console: Console, found: Iterable[CA], now: datetime) -> None:
    """The table of `ca list`."""
    table = Table("NAME", "KIND", "STATUS", "KEY", "ENDS", box=None, pad_edge=False)
    for ca in found:
        ends = ""
        if ca.installed:
            end = ca.current.x509.not_valid_after_utc
            ends = f"{end:%Y-%m-%d}, in {(end - now).days} days"
        table.add_row(ca.name, ca.kind, Text(ca.status, STATUSES[ca.status]), ca.algorithm, ends)
    console.print(table)


def ca(console: Console, found: CA) -> None:
    """`ca show`."""
    values = ca_values(found)
    for key in ("name", "id", "kind", "status", "algorithm", "key"):
        console.print(f"{key}: {values[key]}")
    for one in values["certificates"]:
        console.print(f"certificate {one['id']}:")
        for key in ("subject", "issuer", "serial_number", "not_before", "not_after", "sha256"):
            console.print(f"    {key}: {printable(one[key], 300)}")
    if values["ceiling"] is not None:
        console.print("ceiling:")
        ceiling(console, values["ceiling"])


def ceiling(console: Console, values: dict[str, Any], indent: str = "    ") -> None:
    """Line by line."""
    for key, value in values.items():
        console.print(f"{indent}{key}: {listed(value)}")


def differences(console: Console, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """What changes, place by place; False: nothing does."""
    old, new = _leaves(before), _leaves(after)
    changed = [place for place in {**old, **new} if old.get(place) != new.get(place)]
    for place in changed:
        console.print(Text(f"    {printable(place, 200)}: {listed(old.get(place))} → {listed(new.get(place))}"))
    return bool(changed)


def _leaves(values: dict[str, Any], above: str = "") -> dict[str, object]:
    """Each value by its place, `policy.sans[dns_name].allowed`: a whole policy in one line hides what changes."""
    found: dict[str, object] = {}
    for key, value in values.items():
        place = f"{above}.{key}" if above else key
        if isinstance(value, dict):
            found |= _leaves(value, place)
        elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
            for number, part in enumerate(value):  # rules: one for each type
                found |= _leaves(part, f"{place}[{part.get('type', number)}]")
        else:
            found[place] = value
    return found


def listed(value: object) -> str:
    """A value of a document in one line."""
    if value in (None, [], (), "", {}):
        return "(none)"
    if isinstance(value, list | tuple):
        return ", ".join(printable(str(part), 200) for part in value)
    return printable(str(value), 400)


def next_steps(found: Sequence[CA]) -> list[str]:
    """What an operator does after `init`."""
    pending = [ca.name for ca in found if ca.status == "pending"]
    if pending:
        return [
            f"CA {name} waits for its certificate: evercert authority ca csr {name}, then ca import" for name in pending
        ]
    root = next((ca for ca in found if ca.kind == "root"), None)
    said = ["next: evercert authority ceiling NAME --dns …, … apply FILE, … identity create"]
    if root is not None:
        fingerprint = _certificate(root.current)["sha256"]
        said.insert(0, f"to trust it: evercert authority ca show {root.name} --pem (SHA-256 {fingerprint})")
    return said


def identity_values(identity: Identity) -> dict[str, Any]:
    """One identity; of its client secrets all but themselves."""
    values = identity.model_dump(mode="json", by_alias=True)
    if identity.universal is not None:
        for secret in values["universal"]["secrets"]:
            del secret["digest"]
    return values


def identities(console: Console, found: Iterable[Identity]) -> None:
    """The table of `identity list`."""
    table = Table("NAME", "ID", "LOGINS", "MAY", box=None, pad_edge=False)
    for identity in found:
        logins = [word for word, login in (("aws-auth", identity.aws), ("universal-auth", identity.universal)) if login]
        table.add_row(identity.name, identity.id, ", ".join(logins), "; ".join(_grants(identity)))
    console.print(table)


def identity(console: Console, found: Identity) -> None:
    """`identity show`."""
    console.print(f"name: {found.name}\nid: {found.id}")
    if found.aws is not None:
        foreigners = ", also from clients that sign no server id" if found.aws.foreign_clients else ""
        console.print(f"aws-auth: {', '.join(found.aws.principals)}{foreigners}")
    if found.universal is not None:
        console.print(f"universal-auth: client id {found.universal.client_id}")
        for secret in found.universal.secrets:
            end = "no end" if secret.expires_at is None else f"until {to_text(secret.expires_at)}"
            console.print(f"    secret {secret.id}: made {to_text(secret.created_at)}, {end}, {_uses(secret.uses)}")
    lives = f"{span_text(found.token_ttl)}, at most {span_text(found.token_max_ttl)}"
    console.print(f"tokens: {lives}, {_uses(found.token_uses)}")
    for line in _grants(found) or ["nothing"]:
        console.print(f"may: {line}")


def profiles(console: Console, found: Iterable[Profile]) -> None:
    """The table of `profiles`."""
    table = Table("PROFILE", "ID", "ISSUER", "POLICY", "CAS", box=None, pad_edge=False)
    for profile in found:
        table.add_row(profile.key, profile.id, profile.issuer_type, profile.policy_name, ", ".join(profile.cas))
    console.print(table)


def standings(console: Console, rows: Iterable[dict[str, Any]], now: datetime) -> None:
    """The table of `status`."""
    table = Table("CA", "STATUS", "ENDS", "CRL", "REVOKED", box=None, pad_edge=False)
    for row in rows:
        ends = "" if row["ends"] is None else f"{row['ends'][:10]}, in {(from_text(row['ends']) - now).days} days"
        made = "" if row["kind"] == "root" else "none"
        if row["crl_made"] is not None:
            hours = (now - from_text(row["crl_made"])).total_seconds() // 3600
            made = f"number {row['crl']}, {max(hours, 0):.0f} h old"
        revoked = "" if row["crl_revoked"] is None else str(row["crl_revoked"])
        table.add_row(row["name"], Text(row["status"], STATUSES[row["status"]]), ends, made, revoked)
    console.print(table)


def names_of(leaf: Leaf) -> str:
    """What a certificate is for, in one line."""
    names = [printable(str(name), 200) for name in leaf.names] or [
        printable(", ".join(leaf.subject.get("common_name", ())))
    ]
    return ", ".join(names)


def entry_values(entry: Entry, cas: dict[str, str]) -> dict[str, Any]:
    """What the ledger says of one certificate."""
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
    return f"{number} uses" if number else "any number of uses"
