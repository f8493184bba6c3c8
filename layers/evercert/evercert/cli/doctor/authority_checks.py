"""What `doctor` looks at in the authority: its functions, its CAs and their revocation lists, and the keys in KMS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from cryptography import x509

from evercert.cli import terminal
from evercert.cli.authority.ceremony import policy_of
from evercert.cli.authority.connection import Opened, of_connection
from evercert.cli.doctor import stack_checks as checks
from evercert.cli.doctor.stack_checks import Check, Look

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.connection import Connection

ENDING = {"issuing": timedelta(days=90), "root": timedelta(days=365)}
STALE = timedelta(days=2)


def of_authority(connection: Connection) -> dict[str, Look]:
    """By name, in the order in which they are shown; none for a stack without an authority."""
    if "AuthorityConfiguration" not in connection.outputs or "AuthorityFunction" not in connection.outputs:
        return {}
    found = of_connection(connection)
    return {
        "schedule crl": partial(checks.schedule, connection, "crl"),
        "AuthoritySealKey": partial(checks.key, connection, "AuthoritySealKey"),
        **{name: partial(checks.function, connection, name) for name in ("AuthorityFunction", "SignerFunction")},
        "CAs": partial(_cas, found),
        "keys of CAs": partial(_keys, found),
    }


def _cas(found: Opened) -> list[Check]:
    now, cas = terminal.now(), found.estate.cas()
    if not cas:
        return [Check("CAs", "warning", "there are none yet", "evercert authority init")]
    return [check for ca in cas for check in (_standing(ca, now), *_list(ca, found.certificates.published(ca.id), now))]


def _standing(ca: CA, now: datetime) -> Check:
    name = f"CA {ca.name}"
    if ca.status == "pending":
        mend = "evercert authority init goes on; for a CA outside: ca csr, ca import"
        return Check(name, "warning", "has no certificate yet", mend)
    left = ca.current.x509.not_valid_after_utc - now
    found = f"{ca.status}, ends in {left.days} days"
    if left > ENDING[ca.kind]:
        if ca.status == "active":
            return Check(name, "ok", found)
        return Check(name, "warning", found, f"if it may sign again: evercert authority ca enable {ca.name}")
    mend = f"evercert authority ca renew {ca.name}"
    if ca.kind == "issuing" and ca.parent is None:
        mend = f"evercert authority ca csr {ca.name}, then ca import"
    ended = left <= timedelta()
    return Check(name, "failed" if ended else "warning", "has ended" if ended else found, mend)


def _list(ca: CA, der: bytes | None, now: datetime) -> Iterator[Check]:
    if ca.kind == "root" or ca.status == "pending":
        return
    name = f"revocation list of CA {ca.name}"
    mend = "see the schedule crl above, and the lines of the authority's log with crl in them"
    if der is None:
        yield Check(name, "warning", "there is none yet", "evercert authority init has it made")
        return
    crl = x509.load_der_x509_crl(der)
    hours = (now - crl.last_update_utc) // timedelta(hours=1)
    over = crl.next_update_utc is not None and crl.next_update_utc <= now
    if over or now - crl.last_update_utc > STALE:
        yield Check(name, "failed" if over else "warning", f"{hours} h old, made every day", mend)
    else:
        yield Check(name, "ok", f"{max(hours, 0)} h old")


def _keys(found: Opened) -> list[Check]:
    return [_key(found, ca) for ca in found.estate.cas() if ca.key] or [Check("keys of CAs", "ok", "none")]


def _key(found: Opened, ca: CA) -> Check:
    state = checks.key_state(found.connection, ca.key, f"key of CA {ca.name}")
    if state.status != "ok" or found.key_making.has_policy(ca.key, policy_of(found.roles, ca)):
        return state
    lets = "its policy is not the one that the stack's roles need"
    return Check(state.name, "failed", lets, "evercert authority init puts it right; who changed it is in CloudTrail")
