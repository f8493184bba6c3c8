"""The names a certificate can carry: DNS name, IP address, URI, e-mail address."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from cryptography import x509
from pydantic import PlainSerializer, PlainValidator

from evercert.errors import foreign

Kind = Literal["dns", "ip", "uri", "email"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LONGEST_DNS_NAME = 253  # RFC 1035 §2.3.4, without the root dot
_ACE_PREFIX = "xn--"  # RFC 5890 §2.3.2.1
LONGEST_LOCAL_PART = 64  # RFC 5321 §4.5.3.1.1
_LOCAL_PART = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)  # a dot-string
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # as URL parsers read the last label (URL Standard, "ends in a number")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


class Identifier(NamedTuple):
    """One subject alternative name, in canonical form (RFC 5280 §4.2.1.6)."""

    kind: Kind
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    def general_name(self) -> x509.GeneralName:
        """The same name as `cryptography` wants it."""
        match self.kind:
            case "dns":
                return x509.DNSName(self.value)
            case "ip":
                return x509.IPAddress(ipaddress.ip_address(self.value))
            case "uri":
                return x509.UniformResourceIdentifier(self.value)
            case "email":
                return x509.RFC822Name(self.value)


@lru_cache(maxsize=256)  # a name is read several times on its way
def parse(text: str) -> Identifier:
    """`dns:www.example.com`, or the same without its kind where that is plain; raises ValueError.

    Without a kind an address literal is `ip`, text with `://` is `uri`, text with `@` is `email`, the rest is `dns`.
    """
    kind, separator, value = text.partition(":")
    if separator and kind in KINDS:
        return _canonical(kind, value)
    return _canonical(_guess(text), text)


def to_a_labels(name: str) -> str:
    """A DNS name with international labels as certificates hold it: `xn--bcher-kva.example`; raises ValueError.

    IDNA2008 (RFC 5891) after the mapping of UTS 46, so that case and width make no other name. A wildcard stays one.
    """
    import idna  # noqa: PLC0415 (few names need its tables, and they cost every cold start)

    wildcard, host = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        labels = idna.uts46_remap(host, std3_rules=False).split(".")
        labels = [label if label.isascii() else idna.alabel(label).decode() for label in labels]
    except idna.IDNAError as error:
        raise ValueError(f"{name!r} is no international name: {foreign(str(error))}") from error
    if "*" in labels:
        raise ValueError(f"{name!r} is no international name: write the star of a wildcard in ASCII")
    return _dns(f"{wildcard}{'.'.join(labels)}")


def from_general_name(name: x509.GeneralName) -> Identifier | None:
    """A name found in a certificate; None for kinds that evercert never asks for."""
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


def _guess(text: str) -> Kind:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return "uri" if "://" in text else "email" if "@" in text else "dns"
    return "ip"


def _canonical(kind: Kind, value: str) -> Identifier:
    if not value:
        raise ValueError(f"an empty {kind} name")
    value = _with_a_labels(kind, value)
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(
            f"{value!r}: only printable ASCII without spaces; write an international host as its A-label (xn--…)"
        )
    match kind:
        case "dns":
            return Identifier("dns", _dns(value))
        case "ip":
            if "%" in value:
                raise ValueError(f"{value!r}: no certificate can hold the zone of an address")
            return Identifier("ip", str(ipaddress.ip_address(value)))
        case "uri":
            return Identifier("uri", _uri(value))
        case "email":
            local, _, domain = value.rpartition("@")
            if not _LOCAL_PART.fullmatch(local) or len(local) > LONGEST_LOCAL_PART:
                raise ValueError(f"{value!r} is not an e-mail address")
            return Identifier("email", f"{local}@{_dns(domain, wildcard=False)}")


def _with_a_labels(kind: Kind, value: str) -> str:
    """The host of a DNS name or a mail address in ASCII; nothing else is changed."""
    before, at, host = value.rpartition("@") if kind == "email" else ("", "", value)
    return value if host.isascii() or kind not in ("dns", "email") else f"{before}{at}{to_a_labels(host)}"


def _dns(value: str, *, wildcard: bool = True) -> str:
    name = value.lower()
    labels = name.split(".")
    if wildcard and name.count(".") > 1 and labels[0] == "*":  # *.com would be for everybody
        labels = labels[1:]
    if len(name) > LONGEST_DNS_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{value!r} is not a DNS name (a wildcard is the whole first label: *.example.com)")
    if all(label.isdigit() for label in labels):
        raise ValueError(f"{value!r} is not a DNS name: it has only digits")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError(f"{value!r} is not a DNS name: it ends in a number, so that programs take it for an address")
    for label in labels:
        if label.startswith(_ACE_PREFIX):
            _check_a_label(label)
    return name


def _check_a_label(label: str) -> None:
    import idna  # noqa: PLC0415 (few names need its tables, and they cost every cold start)

    try:
        idna.ulabel(label)
    except idna.IDNAError as error:
        raise ValueError(f"{label!r} is not an A-label of IDNA2008: {foreign(str(error))}") from error


def _uri(value: str) -> str:
    parts = urlsplit(value)
    if not parts.scheme or not (parts.netloc or parts.path):
        raise ValueError(f"{value!r} is not a URI with a scheme, such as spiffe://example.org/web")
    return value


def _validated(value: object) -> Identifier:
    if isinstance(value, Identifier):
        return value
    if isinstance(value, str):
        return parse(value)
    raise ValueError("a name is text, such as dns:www.example.com or ip:192.0.2.1")


Name = Annotated[Identifier, PlainValidator(_validated), PlainSerializer(str)]
