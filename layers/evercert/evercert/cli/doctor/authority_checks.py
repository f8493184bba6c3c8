"""Checks of `doctor` for the authority: its functions, CAs, CRLs and KMS keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from evercert.authority.ca.crl import parse, signed_at
from evercert.cli import terminal
from evercert.cli.authority.ceremony import has_earlier_policy, policy_of
from evercert.cli.authority.connection import AuthorityConnection, from_connection
from evercert.cli.doctor import bucket_checks, ca_checks, function_checks, stack_checks
from evercert.cli.doctor.stack_checks import Check, CheckFunction

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.connection import Connection

STALE, ROOT_CRL_WARNING = timedelta(days=2), timedelta(days=60)


def of_authority(connection: Connection) -> dict[str, CheckFunction]:
    """Return the authority's checks by name, in the order of the output; empty for a stack without an authority."""
    if "AuthorityConfiguration" not in connection.outputs or "AuthorityFunction" not in connection.outputs:
        return {}
    found = from_connection(connection)
    return {
        "schedule crl": partial(stack_checks.schedule, connection, "crl"),
        "AuthoritySealKey": partial(stack_checks.key, connection, "AuthoritySealKey"),
        **{
            name: partial(function_checks.function, connection, name)
            for name in ("AuthorityFunction", "SignerFunction")
        },
        "CAs": partial(_cas, found),
        "keys of CAs": partial(_keys, found),
        **bucket_checks.of_bucket(found),
    }


def _cas(found: AuthorityConnection) -> list[Check]:
    now, cas, profiles = terminal.now(), found.configuration.cas(), found.configuration.profiles()
    if not cas:
        return [Check("CAs", "warning", "no CAs yet", "evercert authority init")]
    return [
        check
        for ca in cas
        for check in (
            ca_checks.lifetime(ca, cas, profiles, now),
            *_crl(ca, found.certificates.published(ca.id), now),
        )
    ]


def _crl(ca: CA, der: bytes | None, now: datetime) -> Iterator[Check]:
    if ca.status == "pending" or (ca.retired_at is not None and ca.current.x509.not_valid_after_utc <= now):
        return
    name = f"revocation list of CA {ca.name}"
    if ca.kind == "root":
        yield _root_crl(name, der, now)
        return
    remedy = "see the schedule crl above, and search the authority's log for crl"
    if der is None:
        yield Check(name, "warning", "not published yet", "evercert authority init publishes it")
        return
    crl = parse(der)
    hours = (now - signed_at(crl)) // timedelta(hours=1)
    expired = crl.next_update_utc is not None and crl.next_update_utc <= now
    if expired or now - signed_at(crl) > STALE:
        found = f"{hours} h old, although it is published daily"
        yield Check(name, "failed" if expired else "warning", found, remedy)
    else:
        yield Check(name, "ok", f"{max(hours, 0)} h old")


def _root_crl(name: str, der: bytes | None, now: datetime) -> Check:
    """Check the list that the operator signs once a year."""
    remedy = "evercert authority ca crl"
    if der is None:
        return Check(name, "warning", "not signed yet: clients that check the whole chain refuse it", remedy)
    left = (parse(der).next_update_utc or now) - now
    if left <= timedelta():
        return Check(name, "failed", "has expired: clients that check the whole chain refuse it", remedy)
    return Check(name, "ok" if left > ROOT_CRL_WARNING else "warning", f"ends in {left.days} days", remedy)


def _keys(found: AuthorityConnection) -> list[Check]:
    return [_key(found, ca) for ca in found.configuration.cas() if ca.key] or [Check("keys of CAs", "ok", "none")]


def _key(found: AuthorityConnection, ca: CA) -> Check:
    state = stack_checks.key_state(found.connection, ca.key, f"key of CA {ca.name}")
    if state.status != "ok" or found.key_creation.has_policy(ca.key, policy_of(found.roles, ca)):
        return state
    if has_earlier_policy(found.key_creation, found.roles, ca):
        advice = "its key policy is that of an earlier release: evercert authority init updates it"
        return Check(state.name, "ok", f"{state.found}; {advice}")
    problem = "its key policy differs from the one that the stack's roles need"
    remedy = "evercert authority init restores it; CloudTrail shows who changed it"
    return Check(state.name, "failed", problem, remedy)
