"""Certificate and destination data in events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert.contracts.record import Delivery, Facts, Pending, Record
from evercert.errors import EvercertError
from evercert.issuance.delivery_result import Result
from evercert.registry import Component
from evercert.scheduling.schedule import earliest_renewal, renew_at
from evercert.timestamps import to_text


def request_data(record: Record, issuer: str) -> dict[str, Any]:
    """Return the event data of a requested certificate."""
    names = [str(name) for name in record.spec.attributes.identifiers]
    return {"name": record.name, "issuer": issuer, "names": names}


def certificate_data(record: Record, facts: Facts, deliveries: Mapping[str, Delivery], issuer: str) -> dict[str, Any]:
    """Return the event data of the certificate that destinations hold."""
    current = [d for d in map(deliveries.get, (c.key for c in record.spec.destinations)) if d is not None]
    return {
        "name": record.name,
        "common_name": facts.common_name,
        "names": list(facts.names),
        "issuer": issuer,
        "revision": facts.revision,
        "serial_number": facts.serial_number,
        "not_before": to_text(facts.not_before),
        "not_after": to_text(facts.not_after),
        "fingerprint_sha256": facts.fingerprint_sha256,
        "locations": [{"location": d.location, "version": d.version} for d in current if d.revision == facts.revision],
    }


def label(component: Component) -> str:
    """Return the type and settings of a destination as one line of text."""
    settings = " ".join(f"{key}={value}" for key, value in sorted(component.settings.items()))
    return f"{component.type} {settings}".strip()


def describe_replaced(facts: Facts | None) -> dict[str, Any] | None:
    """Return the event data of the certificate that this one replaces."""
    if facts is None:
        return None
    return {
        "revision": facts.revision,
        "serial_number": facts.serial_number,
        "not_after": to_text(facts.not_after),
        "fingerprint_sha256": facts.fingerprint_sha256,
    }


def list_undelivered(record: Record, result: Result) -> list[dict[str, str]]:
    """Return the destinations that lack the revision, with error kind and message."""

    def name(component: Component) -> str:  # settings that do not validate may hold a secret
        return component.type if component.key in result.unvalidated else label(component)

    problems: dict[str, EvercertError] = {**result.errors, **result.later}
    return [
        {"destination": name(component), "kind": problems[component.key].kind, "message": str(problems[component.key])}
        for component in record.spec.destinations
        if component.key in problems
    ]


def reason_of_request(record: Record, pending: Pending) -> str | None:
    """Return the operator's reason for the renewal or rollback, if one was given."""
    if pending.restores is not None:
        return record.rollback.reason if record.rollback is not None else None
    return record.request_reason if pending.reason == "requested" else None


def note_on_renewal(record: Record, facts: Facts, pending: Pending) -> str | None:
    """Return a note on a renewal time that differs from that of the document, or None."""
    usual, clamped = renew_at(facts.not_before, facts.not_after, record.spec.lifecycle.renew_before_expiry, record.uid)
    if clamped:
        return "renew-before-expiry exceeds two thirds of the lifetime; the certificate is renewed after one third"
    if pending.restores is None or not record.spec.renews or facts.obtained_at is None:
        return None
    if earliest_renewal(facts.obtained_at, facts.not_after) > usual:
        return "its own time of renewal is near or over; it is renewed after a third of the time that it has left"
    return None
