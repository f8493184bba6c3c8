"""Request for the certificate of a finalized order, from CSR, order and profile (RFC 8555 §7.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.acme import base64url
from evercert.acme.jwk import thumbprint, to_jwk
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Order
from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.profiles import Profile
from evercert.authority.requests import csr as supplied
from evercert.authority.requests import defaults
from evercert.authority.requests.csr import ParsedCsr
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.authority.requests.requested_fields import RequestedFields

DEFAULT_LIFETIME = timedelta(days=47)  # if neither order nor profile sets one
LARGEST_CSR = 24_000  # characters of base64url; PEM has its own, lower limit


def read_csr(found: object, order: Order) -> ParsedCsr:
    """Return the CSR with the names of the order, its common name and its key; all else is ignored (§7.4).

    `found` is the base64url of its DER. Raises Refused (malformed or badCSR).
    """
    if not isinstance(found, str):
        raise malformed("csr must be the base64url of a CSR in DER")
    if len(found) > LARGEST_CSR:
        raise malformed(f"csr is too large: at most {LARGEST_CSR} characters")
    try:
        der = base64url.decode(found)
        pem = x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM).decode()
    except (ValueError, x509.InvalidVersion):
        raise Refused("badCSR", "csr does not parse as a PKCS #10 request in DER") from None
    try:
        csr = supplied.read_names(pem)
    except Refusal as refusal:
        raise Refused("badCSR", str(refusal)) from None
    wanted, named = set(order.names), set(csr.requested.get("names") or ())
    common_name = csr.requested.get("common_name")
    values = {name.value: name for name in wanted}
    if common_name is not None:
        if common_name.lower() not in values:
            raise Refused("badCSR", "the common name of the CSR is not a name of the order")
        named.add(values[common_name.lower()])
    if named != wanted:
        raise Refused("badCSR", "the names of the CSR differ from those of the order; request exactly these names")
    fields = RequestedFields(names=tuple(sorted(wanted)), key_algorithm=csr.algorithm)
    if common_name is not None:
        fields["common_name"] = common_name.lower()
    return replace(csr, requested=fields, notes=())


def with_allowed_subject(csr: ParsedCsr, profile: Profile) -> ParsedCsr:
    """Return the CSR without its common name if the policy has no rule for one: it is among the names anyway."""
    if any(rule.type == "common_name" for rule in profile.policy.subject):
        return csr
    fields = csr.requested.copy()
    fields.pop("common_name", None)
    return replace(csr, requested=fields)


def thumbprint_of(csr: ParsedCsr) -> str | None:
    """Return the thumbprint of the CSR's key, or None for a key that no account can have."""
    try:
        return thumbprint(to_jwk(csr.public_key))  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError):
        return None


def requested_fields(
    order: Order, profile: Profile, csr: ParsedCsr, now: datetime, latest: datetime | None
) -> EffectiveRequest:
    """Return what the certificate of the order has: the CSR's names and key, and the rest from order and profile.

    Without an end in the order, the certificate ends with its CA at the latest (`latest`).
    """
    requested = RequestedFields()
    if order.not_before is not None and order.not_before > now:  # else its time has come meanwhile
        requested["not_before"] = order.not_before
    if order.not_after is not None:
        requested["not_after"] = order.not_after
    else:
        requested |= _lifetime(profile, max(order.not_before or now, now), latest)
    if not profile.defaults.get("extendedKeyUsages"):
        requested["extended_key_usages"] = ("server_auth",)
    if not profile.defaults.get("keyUsages"):
        requested["key_usages"] = ("digital_signature",)
    own = {key: value for key, value in profile.defaults.items() if key != "commonName"}  # the CSR has it, or none
    return defaults.resolve_request(requested, csr, own)


def _lifetime(profile: Profile, begin: datetime, latest: datetime | None) -> RequestedFields:
    days, longest = profile.defaults.get("ttlDays"), profile.policy.validity.span
    span = timedelta(days=days) if days is not None else min(DEFAULT_LIFETIME, longest or DEFAULT_LIFETIME)
    if latest is not None and begin < latest < begin + span:
        return RequestedFields(not_after=latest)
    return RequestedFields() if days is not None else RequestedFields(ttl=span)
