"""Issuer addresses: origins, the operator's list of allowed hosts, and forbidden networks."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from evercert.errors import Misconfigured
from evercert.international_names import LONGEST_INTERNATIONAL, a_labels
from evercert.schema import printable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = {"https": 443, "http": 80}
HIGHEST_PORT = 65_535
LONGEST_DNS_NAME = 253  # RFC 1035 §2.3.4, without the root dot
LONGEST_LABEL = 63
DOTS = ".\u3002\uff0e\uff61"  # separators of labels (UTS 46 §2.3)
_ACE_PREFIX = "xn--"  # RFC 5890 §2.3.2.1
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # as URL parsers read the last label (URL Standard, "ends in a number")
_RANGE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}-[0-9]{1,3}")  # a DNS name by its grammar, and never one
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
# Metadata services outside the link-local ranges: EC2 and EKS over IPv6, Alibaba Cloud, Azure's wire server.
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd00:ec2::23", "100.100.100.200", "168.63.129.16")))
_CARRIERS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))  # RFC 6052 §2.1; RFC 4291 §2.5.5.1


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port, to which tokens and credentials are bound; `of` normalizes them."""

    scheme: str
    host: str  # lower case, A-labels; an IPv6 address without its brackets
    port: int

    @classmethod
    def of(cls, address: str) -> Self:
        """Parse a URL; raise Misconfigured if it is invalid or has a user, a query or a fragment."""
        parts = _split(address)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port is None:
            port = PORTS[parts.scheme]
        if port == 0:
            raise _wrong(address, f"invalid port: must be 1 to {HIGHEST_PORT}")
        return cls(parts.scheme, _host(parts.hostname or "", address), port)

    @property
    def address(self) -> Address | None:
        """Return the host as an IP address, or None if it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether the host is `localhost` or a loopback address; names are not resolved."""
        return self.host == "localhost" or (self.address is not None and self.address.is_loopback)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" if self.port == PORTS[self.scheme] else f"{self.scheme}://{host}:{self.port}"


def path_of(address: str) -> str:
    """Return the URL's path without a trailing slash; raise Misconfigured if it is invalid."""
    path = _split(address).path.rstrip("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise _wrong(address, "invalid path: use letters, digits and . _ ~ - between slashes")
    return path


class Hosts:
    """Allowed issuer hosts: `name`, `name:port`, or `*.name` for subdomains of any depth.

    An entry without a port allows all ports. Names are not resolved here; `forbidden` checks the resolved address.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._allowed = [_entry(entry) for entry in entries]

    @classmethod
    def of(cls, text: str) -> Self:
        """Parse the comma-separated parameter IssuerHosts; raise Misconfigured for an invalid entry."""
        return cls(part.strip() for part in text.split(",") if part.strip())

    def allow(self, origin: Origin) -> bool:
        """Whether the list allows this origin."""
        return any(
            (port is None or port == origin.port)
            and (origin.host.endswith(host[1:]) if host.startswith("*.") else origin.host == host)
            for host, port in self._allowed
        )


def forbidden(address: Address, *, local: bool = False) -> str | None:
    """Return why requests to this address are forbidden, or None if they are allowed.

    In Lambda, loopback is the runtime API. Private networks are allowed. An IPv4 address embedded in an IPv6 address
    is judged as IPv4, because the system routes it so.
    """
    address = carried(address)
    if address in METADATA:
        return "a metadata service"
    if address.is_unspecified:
        return "an unspecified address"
    if address.is_loopback:
        return None if local else "a loopback address"
    if address.is_link_local:
        return "a link-local address, where metadata services are"
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        return "a multicast or broadcast address"
    return None


def carried(address: Address) -> Address:
    """Return the IPv4 address that is embedded in an IPv6 address, or else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    # ::1 and :: lie in ::/96 but embed no IPv4 address
    if int(address) > 1 and any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def to_a_labels(name: str) -> str:
    """Convert an international DNS name to A-labels (`xn--bcher-kva.example`); raise ValueError if it is invalid.

    Case and width do not matter. Keeps a wildcard label.
    """
    wildcard, host = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    labels, problem = a_labels(host) if len(name) <= LONGEST_INTERNATIONAL else ([], f"it has {len(name)} characters")
    if "*" in labels:
        problem = "write the wildcard's * in ASCII"
    if problem:
        raise ValueError(
            f"{printable(repr(name[:LONGEST_INTERNATIONAL]))} is not a valid international name: {problem}"
        )
    return dns_name(f"{wildcard}{'.'.join(labels)}")


def dns_name(value: str, *, wildcard: bool = True) -> str:
    """Return the DNS name in lower case; raise ValueError if it is invalid (RFC 1035 §2.3, IDNA2008)."""
    name = value.lower()
    labels = name.split(".")
    if wildcard and name.count(".") > 1 and labels[0] == "*":  # *.com would cover a whole top-level domain
        labels = labels[1:]
    if (why := _invalid(name, labels)) is not None:
        raise ValueError(f"{printable(repr(value), 100)} is not a DNS name: {why}")
    for label in labels:
        if label.startswith(_ACE_PREFIX):
            _check_a_label(label)
    return name


def _invalid(name: str, labels: list[str]) -> str | None:
    """Return why the labels are not a DNS name, or None."""
    if len(name) > LONGEST_DNS_NAME:
        return f"it has {len(name)} characters; the limit is {LONGEST_DNS_NAME}"
    if (label := next((label for label in labels if not _LABEL.fullmatch(label)), None)) is not None:
        return _invalid_label(label)
    if _RANGE.fullmatch(name):
        return "it is a range of IPv4 addresses"
    if all(label.isdigit() for label in labels):
        return "it has only digits, and an IPv4 address has four numbers up to 255"
    if _NUMBER.fullmatch(labels[-1]):
        return "it ends in a number, so programs read it as an IP address"
    return None


def _invalid_label(label: str) -> str:
    if not label:
        return "it has an empty label: a dot too many"
    if "*" in label:
        return "a wildcard is the whole first label of a name with at least two more (*.example.com)"
    if len(label) > LONGEST_LABEL:
        return f"a label has {len(label)} characters; the limit is {LONGEST_LABEL}"
    if label.strip("-") != label:
        return "a label begins or ends with a hyphen"
    character = next(character for character in label if not _LABEL.fullmatch(f"a{character}a"))
    return f"it has {character!r}, and a label has letters, digits, hyphens and underscores only"


def _check_a_label(label: str) -> None:
    import idna  # noqa: PLC0415 (few names need its tables, and they cost every cold start)

    try:
        idna.ulabel(label)
    except idna.IDNAError as error:
        raise ValueError(f"{label!r} is not an A-label of IDNA2008: {printable(str(error))}") from error


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
    except ValueError:
        raise Misconfigured("invalid address: must be https:// and a host, such as https://ca.example.com") from None
    # Checked first and never quoted: the address may contain a password.
    if "@" in address or parts.query or parts.fragment or not address.isprintable():
        raise Misconfigured("invalid address: it has a user, a query or a fragment; remove them")
    if parts.scheme not in PORTS or not parts.netloc:
        raise _wrong(address, "must begin with https://")
    return parts


def _host(host: str, address: str) -> str:
    if "%" in host:
        raise _wrong(address, "remove the zone of the IP address")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = dns_name(host) if host.isascii() else to_a_labels(host)
    except ValueError:
        name = "*"
    # 127.1 and 2130706433 are refused here; 0x7f.1 could be a name, and its resolved address is checked later.
    if "*" in name:
        raise _wrong(address, "its host is neither a DNS name nor an IP address")
    return name


def _entry(entry: str) -> tuple[str, int | None]:
    """Parse one entry of IssuerHosts; raise Misconfigured if it is invalid."""
    host, _, port = entry.rpartition(":")
    if not host or entry.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = entry, ""
    if port and not (port.isdecimal() and 0 < int(port) <= HIGHEST_PORT):
        raise Misconfigured(f"IssuerHosts: {printable(entry, 100)!r}: invalid port: must be 1 to {HIGHEST_PORT}")
    star = "*." if host.startswith("*.") else ""
    try:
        name = Origin.of(f"https://{host.removeprefix('*.')}").host
    except Misconfigured:
        name = ""
    if not name or "/" in entry or "*" in name or (star and "." not in name):
        raise Misconfigured(f"IssuerHosts: {printable(entry, 100)!r} is invalid: must be host, host:port or *.domain")
    return f"{star}{name}", int(port) if port else None


def _wrong(address: str, why: str) -> Misconfigured:
    return Misconfigured(f"invalid address {printable(address, 200)!r}: {why}; example: https://app.infisical.com")
