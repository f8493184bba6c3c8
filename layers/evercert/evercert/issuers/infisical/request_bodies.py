"""Bodies of issue requests of the Infisical API, built from a spec."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.issuer import Request
from evercert.documents.spec import RESERVED_METADATA, Spec
from evercert.errors import Unsuited
from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import Identifier
from evercert.timestamps import to_text

TOKEN = RESERVED_METADATA
_KINDS = {"dns": "dns_name", "ip": "ip_address", "email": "email", "uri": "uri"}
_SUBJECT = {
    "common_name": "commonName",
    "organization": "organization",
    "organizational_unit": "organizationalUnit",
    "country": "country",
    "state": "state",
    "locality": "locality",
}
_UNSUPPORTED = ("street_address", "postal_code")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def body_of(request: Request, where: dict[str, str]) -> dict[str, Any]:
    """Return the issue request.

    With a CSR, the attributes hold only the lifetime and the usages, which not every server reads from the CSR.
    """
    spec = request.spec
    require_supported(spec)
    attributes = _lifetime(spec.attributes, request.now) | _usages(spec.attributes)
    if request.csr is None:
        attributes |= _names(spec)
    metadata = [{"key": key, "value": value} for key, value in sorted(spec.metadata.items())]
    return {
        **where,
        **({} if request.csr is None else {"csr": request.csr}),
        "attributes": attributes,
        "removeRootsFromChain": without_root(spec),
        "metadata": [*metadata, {"key": TOKEN, "value": request.token}],
    }


def require_supported(spec: Spec) -> None:
    """Raise Unsuited if the spec has attributes or a key that Infisical does not support."""
    for field in _UNSUPPORTED:
        if getattr(spec.attributes, field):
            raise Unsuited(f"unsupported attributes.{field.replace('_', '-')}: Infisical has no such field; remove it")
    if spec.private_key.known == "Ed25519":
        raise Unsuited("unsupported private-key.algorithm Ed25519: Infisical accepts RSA and EC; use one of those")


def without_root(spec: Spec) -> bool:
    """Return whether no destination keeps the root; destinations also remove a root that is returned anyway."""
    return all(component.settings.get("omit-root") is not False for component in spec.destinations)


def _names(spec: Spec) -> dict[str, Any]:
    attributes = spec.attributes
    found: dict[str, Any] = {
        key: value for field, key in _SUBJECT.items() if (value := getattr(attributes, field)) is not None
    }
    if attributes.domain_components:
        found["domainComponents"] = list(attributes.domain_components)
    found["altNames"] = [_alternative(name) for name in attributes.identifiers]
    if spec.private_key.known is not None:
        found["keyAlgorithm"] = spec.private_key.known
    return found


def _alternative(name: Identifier) -> dict[str, str]:
    return {"type": _KINDS[name.kind], "value": name.value}


def _usages(attributes: Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if attributes.key_usages:
        found["keyUsages"] = list(attributes.key_usages)
    if attributes.extended_key_usages:
        found["extendedKeyUsages"] = list(attributes.extended_key_usages)
    if attributes.signature_algorithm is not None:
        found["signatureAlgorithm"] = attributes.signature_algorithm
    return found


def _lifetime(attributes: Attributes, now: datetime) -> dict[str, str]:
    """Return the ttl in days or hours, or the end as a date: the server reads `m` as months and has no seconds."""
    if attributes.ttl is None:
        dates = {"notBefore": attributes.not_before, "notAfter": attributes.not_after}
        return {key: to_text(moment) for key, moment in dates.items() if moment is not None}
    for unit, letter in ((DAY, "d"), (HOUR, "h")):
        if attributes.ttl % unit == timedelta(0):
            return {"ttl": f"{attributes.ttl // unit}{letter}"}
    return {"notAfter": to_text(now + attributes.ttl)}
