"""Check leaves against a CA's ceiling and against RFC 5280."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509

from evercert.authority.ca.definition import Ceiling
from evercert.authority.ca.key_checks import key_weakness
from evercert.authority.ca.kms_key import PublicKey, hash_of
from evercert.authority.ca.leaf_fields import Leaf
from evercert.durations import to_text
from evercert.pki.algorithms import algorithm_of, family
from evercert.pki.identifiers import Identifier, parse
from evercert.pki.usages import impossible, purpose_conflict
from evercert.schema import printable

MOST_NAMES = 100
# A request keeps the dates from when it was opened, and may have waited this long for an unavailable signer.
BACKDATED, POSTDATED = timedelta(days=1), timedelta(days=30)
SKEW = timedelta(minutes=5)  # leaves are backdated for clients with slow clocks
_MOST_VALUES = 20
# RFC 5280 appendix A.1, upper bounds; a domain component is a label (RFC 1035 §2.3.4).
_LONGEST = {
    "domain_components": 63,
    "country": 2,
    "state": 128,
    "locality": 128,
    "organization": 64,
    "organizational_unit": 64,
    "common_name": 64,
}


def problems(leaf: Leaf, public_key: object, ceiling: Ceiling, ca: x509.Certificate) -> list[str]:
    """Return every reason why a CA must not sign this leaf; empty if it may. `ca` is the signing certificate."""
    found = [*_subject(leaf), *_names(leaf, ceiling), *_key(leaf, public_key, ceiling, ca), *_usages(leaf, ceiling)]
    return [printable(one) for one in [*found, *_validity(leaf, ceiling, ca)]]


def external_problems(leaf: Leaf, public_key: object, ceiling: Ceiling) -> list[str]:
    """Return every reason why an external issuer must not be asked for this leaf; empty if it may."""
    found = [*_subject(leaf), *_names(leaf, ceiling), *_own_key(leaf, public_key, ceiling), *_usages(leaf, ceiling)]
    return [printable(one) for one in [*found, *_length(leaf, ceiling)]]


def start_time_problem(leaf: Leaf, requested_at: datetime) -> str | None:
    """Return why the leaf's notBefore is too far from the time of the request, or None."""
    if requested_at - BACKDATED <= leaf.not_before <= requested_at + POSTDATED:
        return None
    return f"invalid notBefore: more than {to_text(BACKDATED)} ago, or more than {to_text(POSTDATED)} from now"


def _subject(leaf: Leaf) -> Iterator[str]:
    values = [(field, value) for field, held in leaf.subject.items() for value in held]
    if len(values) > _MOST_VALUES:
        yield f"invalid subject: {len(values)} values, at most {_MOST_VALUES} allowed"
    for field, value in values:
        if not 0 < len(value) <= _LONGEST[field]:
            yield f"invalid {field} {value!r}: must have 1 to {_LONGEST[field]} characters (RFC 5280 appendix A.1)"
        elif field == "common_name" and len(value.encode(errors="replace")) > _LONGEST[field]:
            # RFC 5280 counts characters; `cryptography` and many verifiers count bytes.
            yield f"invalid common_name {value!r}: must have at most {_LONGEST[field]} bytes in UTF-8"
        if not value.isprintable() or value != value.strip():
            yield f"invalid {field} {value!r}: has unprintable characters, or spaces around it"
        if field == "country" and not (len(value) == _LONGEST[field] and value.isascii() and value.isupper()):
            yield f"invalid country {value!r}: must be two capital letters (ISO 3166)"
        if field == "domain_components" and not value.isascii():
            yield f"invalid domain component {value!r}: must be ASCII (RFC 4519 §2.4)"


def _names(leaf: Leaf, ceiling: Ceiling) -> Iterator[str]:
    if len(leaf.names) > MOST_NAMES:
        yield f"too many alternative names: {len(leaf.names)}, at most {MOST_NAMES} allowed"
    if not leaf.names and not leaf.subject.get("common_name"):
        yield "no names: must have an alternative name or a common name"
    for name in leaf.names:
        if not _is_canonical(name):
            yield f"invalid name {name}: not in canonical form"
        elif not within(name, ceiling):
            yield f"{name}: outside the CA's ceiling"
    for common_name in leaf.subject.get("common_name", ()):
        identifiers = identifiers_of_common_name(common_name)
        if identifiers is None:
            yield f"invalid common name {common_name!r}: * is allowed only as the first label of a DNS name"
        elif not all(within(name, ceiling) for name in identifiers):
            yield f"common name {common_name!r}: outside the CA's ceiling"


def _is_canonical(name: Identifier) -> bool:
    try:
        return parse(str(name)) == name
    except ValueError:
        return False


def identifiers_of_common_name(common_name: str) -> tuple[Identifier, ...] | None:
    """Return the DNS name or IP address that a client could read in a common name; None for a wildcard pattern."""
    text = common_name.rstrip(".").lower()
    for kind in ("dns:", "ip:"):
        try:
            return (parse(kind + text),)
        except ValueError:
            continue
    return None if "*" in text else ()


def within(name: Identifier, ceiling: Ceiling) -> bool:
    """Return whether the ceiling allows a name."""
    match name.kind:
        case "dns":
            return any(_matches_host(name.value, allowed) for allowed in ceiling.dns)
        case "email":
            return any(_matches_host(name.value.rpartition("@")[2], allowed) for allowed in ceiling.email)
        case "ip":
            return all(_in_networks(address, ceiling.ip) for address in _equivalent_addresses(name.value))
        case "uri":
            return not _has_dot_segments(name.value) and any(name.value.startswith(prefix) for prefix in ceiling.uri)


def _equivalent_addresses(text: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Yield the address and an IPv4 address mapped in it: Go's verifier treats ::ffff:192.0.2.1 as 192.0.2.1."""
    address = ipaddress.ip_address(text)
    yield address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        yield address.ipv4_mapped


def _in_networks(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: Sequence[str]) -> bool:
    return any(address in ipaddress.ip_network(network) for network in networks)


def _has_dot_segments(uri: str) -> bool:
    """Return whether dot segments (RFC 3986 §5.2.4), escaped or not, could leave an allowed prefix."""
    path = uri.partition("?")[0].partition("#")[0].lower().replace("%2e", ".").replace("%2f", "/").replace("\\", "/")
    return not {".", ".."}.isdisjoint(path.split("/"))


def _matches_host(host: str, allowed: str) -> bool:
    """Return whether `allowed` covers a host: `*.example.com` covers all depths and wildcards, but not example.com."""
    allowed = allowed.lower()
    if allowed == "*":
        return True
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _key(leaf: Leaf, public_key: object, ceiling: Ceiling, ca: x509.Certificate) -> Iterator[str]:
    algorithm, signing = algorithm_of(public_key), ca.public_key()
    own = algorithm_of(signing)
    if algorithm is None or own is None:
        yield "unsupported key algorithm: the leaf's key and the CA's key must be RSA or EC"
        return
    yield from _own_key(leaf, public_key, ceiling)
    if family(algorithm) != family(own):
        yield f"key algorithm {algorithm}: the CA's key is {own}, and ACM imports only chains of one key family"
    if isinstance(signing, PublicKey):
        try:
            hash_of(signing, leaf.hash)
        except ValueError as error:
            yield f"unsupported signature algorithm: {error}"


def _own_key(leaf: Leaf, public_key: object, ceiling: Ceiling) -> Iterator[str]:
    algorithm = algorithm_of(public_key)
    if algorithm is None:
        yield "unsupported key algorithm: the leaf's key must be RSA or EC"
        return
    if algorithm not in ceiling.key_algorithms:
        yield f"key algorithm {algorithm}: the CA's ceiling allows {', '.join(ceiling.key_algorithms)}"
    if weakness := key_weakness(public_key):
        yield weakness
    if problem := impossible(leaf.key_usages, algorithm):
        yield problem


def _usages(leaf: Leaf, ceiling: Ceiling) -> Iterator[str]:
    if excess := [use for use in leaf.key_usages if use not in ceiling.key_usages]:
        yield f"key usages {', '.join(excess)}: outside the CA's ceiling"
    if excess_purposes := [use for use in leaf.extended_key_usages if use not in ceiling.extended_key_usages]:
        yield f"extended key usages {', '.join(excess_purposes)}: outside the CA's ceiling"
    if not leaf.extended_key_usages and not ceiling.any_purpose:
        yield "no extended key usage, which allows every purpose (RFC 5280 §4.2.1.12): outside the CA's ceiling"
    if conflict := purpose_conflict(leaf.extended_key_usages):
        yield f"extended key usages {conflict}"


def _validity(leaf: Leaf, ceiling: Ceiling, ca: x509.Certificate) -> Iterator[str]:
    yield from _length(leaf, ceiling)
    begins, ends = leaf.not_before, leaf.not_after
    if begins < ca.not_valid_before_utc:
        yield f"notBefore is before the CA certificate's, {ca.not_valid_before_utc:%Y-%m-%d %H:%M:%S}Z"
    if ends > ca.not_valid_after_utc:
        yield f"notAfter is after the CA certificate's, {ca.not_valid_after_utc:%Y-%m-%d %H:%M:%S}Z"


def _length(leaf: Leaf, ceiling: Ceiling) -> Iterator[str]:
    if leaf.not_after <= leaf.not_before:
        yield "invalid validity: notAfter is not after notBefore"
    elif leaf.not_after - leaf.not_before > ceiling.longest + SKEW:
        yield f"validity of {to_text(leaf.not_after - leaf.not_before)}: the CA's ceiling is {to_text(ceiling.longest)}"
