"""What an issuing key may sign at most: every rule of a CA's ceiling, and of RFC 5280, that a leaf has to keep."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509

from evercert.authority.ca.definition import Ceiling
from evercert.authority.ca.key_checks import unsound
from evercert.authority.ca.kms_key import PublicKey, hash_of
from evercert.authority.ca.leaf_fields import Leaf
from evercert.durations import to_text
from evercert.pki.algorithms import algorithm_of, family
from evercert.pki.identifiers import Identifier, parse
from evercert.pki.usages import impossible
from evercert.schema import printable

MOST_NAMES = 100
# Back as far as a request may have waited for a signer that did not answer: its dates stand from when it was opened.
BACKDATED, POSTDATED = timedelta(days=1), timedelta(days=30)
SKEW = timedelta(minutes=5)  # a leaf begins before it was asked for, because clocks differ
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
    """All that keeps a CA from ever signing it, in words; empty: it may. `ca` is the certificate that would sign."""
    found = [*_subject(leaf), *_names(leaf, ceiling), *_key(leaf, public_key, ceiling, ca), *_usages(leaf, ceiling)]
    return [printable(one) for one in [*found, *_validity(leaf, ceiling, ca)]]


def untimely(leaf: Leaf, asked_at: datetime) -> str | None:
    """Why its beginning does not go with the moment at which it was asked for; None: it does."""
    if asked_at - BACKDATED <= leaf.not_before <= asked_at + POSTDATED:
        return None
    return f"validity: it would begin more than {to_text(BACKDATED)} ago, or more than {to_text(POSTDATED)} from now"


def _subject(leaf: Leaf) -> Iterator[str]:
    values = [(field, value) for field, held in leaf.subject.items() for value in held]
    if len(values) > _MOST_VALUES:
        yield f"the subject has {len(values)} values; at most {_MOST_VALUES} fit"
    for field, value in values:
        if not 0 < len(value) <= _LONGEST[field]:
            yield f"{field} {value!r}: from 1 to {_LONGEST[field]} characters (RFC 5280 appendix A.1)"
        elif field == "common_name" and len(value.encode(errors="replace")) > _LONGEST[field]:
            # RFC 5280 counts characters; what builds certificates here, and many that read them, count bytes.
            yield f"common_name {value!r}: at most {_LONGEST[field]} bytes in UTF-8"
        if not value.isprintable() or value != value.strip():
            yield f"{field} {value!r}: it has characters that do not print, or spaces around it"
        if field == "country" and not (len(value) == _LONGEST[field] and value.isascii() and value.isupper()):
            yield f"country {value!r}: two capital letters (ISO 3166)"
        if field == "domain_components" and not value.isascii():
            yield f"domain component {value!r}: ASCII (RFC 4519 §2.4)"


def _names(leaf: Leaf, ceiling: Ceiling) -> Iterator[str]:
    if len(leaf.names) > MOST_NAMES:
        yield f"it has {len(leaf.names)} names; at most {MOST_NAMES} fit"
    if not leaf.names and not leaf.subject.get("common_name"):
        yield "it has neither an alternative name nor a common name"
    for name in leaf.names:
        if not _is_canonical(name):
            yield f"{name}: it is not a name in the form that certificates hold"
        elif not within(name, ceiling):
            yield f"{name}: it is outside the CA's ceiling"
    for common_name in leaf.subject.get("common_name", ()):
        meant = meant_by(common_name)
        if meant is None:
            yield f"common name {common_name!r}: a star has no place in it, but as the first label of a DNS name"
        elif not all(within(name, ceiling) for name in meant):
            yield f"common name {common_name!r}: it is outside the CA's ceiling"


def _is_canonical(name: Identifier) -> bool:
    try:
        return parse(str(name)) == name
    except ValueError:
        return False


def meant_by(common_name: str) -> tuple[Identifier, ...] | None:
    """What clients that still look at it could take a common name for; None: a pattern that some of them expand."""
    text = common_name.rstrip(".").lower()
    for kind in ("dns:", "ip:"):
        try:
            return (parse(kind + text),)
        except ValueError:
            continue
    return None if "*" in text else ()


def within(name: Identifier, ceiling: Ceiling) -> bool:
    """Whether the ceiling has room for a name."""
    match name.kind:
        case "dns":
            return any(_below(name.value, allowed) for allowed in ceiling.dns)
        case "email":
            return any(_below(name.value.rpartition("@")[2], allowed) for allowed in ceiling.email)
        case "ip":
            return all(_in_networks(address, ceiling.ip) for address in _meanings(name.value))
        case "uri":
            return not _climbs(name.value) and any(name.value.startswith(beginning) for beginning in ceiling.uri)


def _meanings(text: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address, and the one of IPv4 inside it: Go's verifier, for one, takes ::ffff:192.0.2.1 for 192.0.2.1."""
    address = ipaddress.ip_address(text)
    yield address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        yield address.ipv4_mapped


def _in_networks(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: Sequence[str]) -> bool:
    return any(address in ipaddress.ip_network(network) for network in networks)


def _climbs(uri: str) -> bool:
    """Whether it leaves its beginning again by dot segments (RFC 3986 §5.2.4), however they are written."""
    path = uri.partition("?")[0].partition("#")[0].lower().replace("%2e", ".").replace("%2f", "/").replace("\\", "/")
    return not {".", ".."}.isdisjoint(path.split("/"))


def _below(host: str, allowed: str) -> bool:
    """`*.example.com` has room for what ends so, at any depth, its wildcards among it; not for example.com itself."""
    allowed = allowed.lower()
    if allowed == "*":
        return True
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _key(leaf: Leaf, public_key: object, ceiling: Ceiling, ca: x509.Certificate) -> Iterator[str]:
    algorithm, signing = algorithm_of(public_key), ca.public_key()
    own = algorithm_of(signing)
    if algorithm is None or own is None:
        yield "its public key, or the CA's, is of a kind that is not certified"
        return
    if algorithm not in ceiling.key_algorithms:
        yield f"its key is {algorithm}; the CA's ceiling has {', '.join(ceiling.key_algorithms)}"
    if family(algorithm) != family(own):
        yield f"its key is {algorithm} and the CA's is {own}; AWS takes in what is of one family alone"
    if broken := unsound(public_key):
        yield broken
    if wrong := impossible(leaf.key_usages, algorithm):
        yield wrong
    if isinstance(signing, PublicKey):
        try:
            hash_of(signing, leaf.hash)
        except ValueError as error:
            yield f"signature algorithm: {error}"


def _usages(leaf: Leaf, ceiling: Ceiling) -> Iterator[str]:
    if outside := [use for use in leaf.key_usages if use not in ceiling.key_usages]:
        yield f"key usages {', '.join(outside)}: outside the CA's ceiling"
    if beyond := [use for use in leaf.extended_key_usages if use not in ceiling.extended_key_usages]:
        yield f"extended key usages {', '.join(beyond)}: outside the CA's ceiling"
    if not leaf.extended_key_usages and not ceiling.any_purpose:
        yield "it names no extended key usage, and so is good for all (RFC 5280 §4.2.1.12): outside the CA's ceiling"


def _validity(leaf: Leaf, ceiling: Ceiling, ca: x509.Certificate) -> Iterator[str]:
    begins, ends = leaf.not_before, leaf.not_after
    if ends <= begins:
        yield "validity: it would end before it begins"
    elif ends - begins > ceiling.longest + SKEW:
        yield f"validity: it would last {to_text(ends - begins)}; the CA's ceiling is {to_text(ceiling.longest)}"
    if begins < ca.not_valid_before_utc:
        yield f"validity: it would begin before the CA's certificate, {ca.not_valid_before_utc:%Y-%m-%d %H:%M:%S}Z"
    if ends > ca.not_valid_after_utc:
        yield f"validity: it would end after the CA's certificate, {ca.not_valid_after_utc:%Y-%m-%d %H:%M:%S}Z"
