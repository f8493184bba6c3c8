"""Subject alternative names: DNS name, IP address, URI, e-mail address."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, get_args

from cryptography import x509
from pydantic import PlainSerializer, PlainValidator

from evercert.origins import dns_name, to_a_labels
from evercert.pki import der, placeholders, uris
from evercert.pki.path import general_names
from evercert.schema import printable

Kind = Literal["dns", "ip", "uri", "email"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST = 4_096  # characters; twice a SPIFFE id, the longest name with a limit of its own
LONGEST_LOCAL_PART = 64  # RFC 5321 §4.5.3.1.1
_NOUNS: dict[Kind, str] = {"dns": "a DNS name", "ip": "an IP address", "uri": "a URI", "email": "an e-mail address"}
_LOCAL_PART = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)  # a dot-string


class Identifier(NamedTuple):
    """One subject alternative name, in canonical form (RFC 5280 §4.2.1.6)."""

    kind: Kind
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    def general_name(self) -> x509.GeneralName:
        """Return the name as a type of `cryptography`."""
        match self.kind:
            case "dns":
                return x509.DNSName(self.value)
            case "ip":
                return x509.IPAddress(ipaddress.ip_address(self.value))
            case "uri":
                return x509.UniformResourceIdentifier(self.value)
            case "email":
                return x509.RFC822Name(self.value)


@lru_cache(maxsize=256)  # a name is parsed several times in a run
def parse(text: str) -> Identifier:
    """Parse `dns:www.example.com`, or a name without its kind; raise ValueError if it is invalid.

    Without a kind an address literal is `ip`, text with `://` is `uri`, text with `@` is `email`, the rest is `dns`.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{printable(repr(text[:100]), 100)} has {len(text)} characters; the limit is {LONGEST}")
    kind, value = _split(text)
    if _has_placeholder(kind, value):
        raise ValueError(f"{printable(repr(value), 100)} {placeholders.REASON}; {placeholders.QUESTION}")
    try:
        return _canonical(kind, value)
    except ValueError as error:
        raise ValueError(_explanation(kind, value, str(error))) from None


@lru_cache(maxsize=256)
def parse_valid(text: str) -> Identifier | None:
    """Parse like `parse`; return None for an invalid name, without a search for its mistake, which takes longer."""
    if len(text) > LONGEST:
        return None
    kind, value = _split(text)
    if _has_placeholder(kind, value):
        return None
    with suppress(ValueError):
        return _canonical(kind, value)
    return None


def _has_placeholder(kind: Kind, value: str) -> bool:
    return kind == "dns" and placeholders.is_valid_as_dns_name(value)


def _split(text: str) -> tuple[Kind, str]:
    """Return kind and value; guess the kind of a name without one."""
    kind, separator, value = text.partition(":")
    return (kind, value) if separator and kind in KINDS else (_guess(text), text)


def from_general_name(name: x509.GeneralName) -> Identifier | None:
    """Convert a name of a certificate; return None for kinds that evercert never requests."""
    match name:
        case x509.DNSName():
            return Identifier("dns", name.value.lower())
        case x509.IPAddress():
            return Identifier("ip", str(name.value))
        case x509.UniformResourceIdentifier():
            return Identifier("uri", name.value)
        case x509.RFC822Name():
            local, _, domain = name.value.rpartition("@")
            return Identifier("email", f"{local}@{domain.lower()}")  # RFC 5280 §7.5
    return None


def from_der(name: der.Element) -> Identifier | None:
    """Convert a name of a certificate; return None for malformed ones and kinds that evercert never requests."""
    if name.tag == general_names.IP:
        known = len(name.content) in general_names.IP_BYTES
        return Identifier("ip", str(ipaddress.ip_address(name.content))) if known else None
    text = name.content.decode("ascii", "backslashreplace")
    match name.tag:
        case general_names.DNS:
            return Identifier("dns", text.lower())
        case general_names.URI:
            return Identifier("uri", text)
        case general_names.EMAIL:
            local, _, domain = text.rpartition("@")
            return Identifier("email", f"{local}@{domain.lower()}")  # RFC 5280 §7.5
    return None


def _explanation(kind: Kind, value: str, error: str) -> str:
    """Return why text is not a name of this kind, and what to write."""
    from evercert.pki import embedded_hosts, name_mistakes  # noqa: PLC0415 (few names need it, and it costs every cold start)

    name = f"{printable(repr(value), 100)} is not {_NOUNS[kind]}"
    if kind == "uri" or not value:
        return error
    if kind != "email" and embedded_hosts.is_name(value):
        is_not = "a DNS name, not an IPv4 or IPv6 address; write dns" if kind == "ip" else "an IP address; write ip"
        return f"{name}: it is {is_not}:{value}"
    mistake = name_mistakes.find_in_name(value)
    form = "{}"
    local, _, host = value.rpartition("@")
    if mistake is None and kind == "email":  # the host of an e-mail address has the mistakes of a host
        if embedded_hosts.is_address(host.strip("[]")):
            return f"{name}: its host is an IP address; write the DNS name of the mail host"
        mistake = name_mistakes.find_in_name(host)
        form = f"{_literal(local)}@{{}}"
    if mistake is not None:
        remedy = mistake.proposing(_is_valid, form).remedy("write the name alone")
        return f"{name}: it {mistake.why}; {remedy}"
    return error


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _is_valid(text: str) -> bool:
    return parse_valid(text) is not None


def _guess(text: str) -> Kind:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if "://" in text and not _has_prefix(text):
            return "uri"
        return "email" if "@" in text and "://" not in text else "dns"
    return "ip"


def _has_prefix(text: str) -> bool:
    """Return whether text such as `URI:` precedes a URI; by the grammar, it would be the scheme."""
    if not {":", "="} & set(text.partition("://")[0]):
        return False
    from evercert.pki import surrounding_text  # noqa: PLC0415 (few names need it, and it costs every cold start)

    return surrounding_text.has_prefix(text)


def _canonical(kind: Kind, value: str) -> Identifier:
    if not value:
        raise ValueError(f"empty {kind} name")
    value = _with_a_labels(kind, value)
    if not value.isascii() or not value.isprintable() or " " in value:
        remedy = "one name in each item" if value.isascii() else "an international host as its A-label (xn--…)"
        raise ValueError(f"{printable(repr(value), 100)}: only printable ASCII without spaces; write {remedy}")
    match kind:
        case "dns":
            return Identifier("dns", dns_name(value))
        case "ip":
            if "%" in value:
                raise ValueError(f"{value!r}: remove the zone: certificates contain addresses without it")
            return Identifier("ip", _address(value))
        case "uri":
            return Identifier("uri", uris.checked(value))
        case "email":
            return Identifier("email", _mailbox(value))


def _mailbox(value: str) -> str:
    local, _, domain = value.rpartition("@")
    if not _LOCAL_PART.fullmatch(local) or len(local) > LONGEST_LOCAL_PART or _is_principal(value):
        why = f"its part before the @ is not plain text of 1 to {LONGEST_LOCAL_PART} characters"
        raise ValueError(f"{value!r} is not an e-mail address: {why}; write an address such as ops@example.com")
    try:
        return f"{local}@{dns_name(domain, wildcard=False)}"
    except ValueError as error:
        raise ValueError(f"{value!r} is not an e-mail address: {error}") from error


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise ValueError(f"{error}; write an address such as 192.0.2.1 or 2001:db8::1") from error


def _is_principal(value: str) -> bool:
    """Return whether an e-mail address by its grammar is a Kerberos principal, such as `host/www.example.com@REALM`."""
    if not {"/", "$"} & set(value):
        return False
    from evercert.pki import other_name_kinds  # noqa: PLC0415 (few names need it, and it costs every cold start)

    return other_name_kinds.is_principal(value)


def _with_a_labels(kind: Kind, value: str) -> str:
    """Convert the host of a DNS name or an e-mail address to ASCII; leave other kinds unchanged."""
    before, at, host = value.rpartition("@") if kind == "email" else ("", "", value)
    return value if host.isascii() or kind not in ("dns", "email") else f"{before}{at}{to_a_labels(host)}"


def _validated(value: object) -> Identifier:
    if isinstance(value, Identifier):
        return value
    if isinstance(value, str):
        return parse(value)
    raise ValueError("a name must be text, such as dns:www.example.com or ip:192.0.2.1")


Name = Annotated[Identifier, PlainValidator(_validated), PlainSerializer(str)]
