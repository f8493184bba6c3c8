"""What events tell of a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert.contracts.record import Delivery, Facts, Record
from evercert.errors import EvercertError
from evercert.issuance.delivery import Result
from evercert.registry import Component
from evercert.timestamps import to_text


def certificate_data(record: Record, facts: Facts, deliveries: Mapping[str, Delivery]) -> dict[str, Any]:
    """The facts of the certificate that destinations hold, as events tell them."""
    held = [d for d in map(deliveries.get, (c.key for c in record.spec.destinations)) if d is not None]
    return {
        "name": record.name,
        "common_name": facts.common_name,
        "names": list(facts.names),
        "issuer": record.spec.issuer,
        "revision": facts.revision,
        "serial_number": facts.serial_number,
        "not_before": to_text(facts.not_before),
        "not_after": to_text(facts.not_after),
        "fingerprint_sha256": facts.fingerprint_sha256,
        "locations": [{"location": d.location, "version": d.version} for d in held if d.revision == facts.revision],
    }


def label(component: Component) -> str:
    """A destination, as people know it."""
    settings = " ".join(f"{key}={value}" for key, value in sorted(component.settings.items()))
    return f"{component.type} {settings}".strip()


def previous(facts: Facts | None) -> dict[str, Any] | None:
    """The certificate that this one replaces."""
    if facts is None:
        return None
    return {
        "revision": facts.revision,
        "serial_number": facts.serial_number,
        "not_after": to_text(facts.not_after),
        "fingerprint_sha256": facts.fingerprint_sha256,
    }


def undelivered(record: Record, result: Result) -> list[dict[str, str]]:
    """Which destinations lack the revision, and why."""

    def named(component: Component) -> str:  # what does not open may hold anything, a token too
        return component.type if component.key in result.unopened else label(component)

    why: dict[str, EvercertError] = {**result.errors, **result.later}
    return [
        {"destination": named(component), "kind": why[component.key].kind, "message": str(why[component.key])}
        for component in record.spec.destinations
        if component.key in why
    ]
