"""Where an issuer is asked: addresses, the hosts that an operator allows, and networks that nobody may send to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from evercert.errors import Misconfigured
from evercert.schema import printable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = {"https": 443, "http": 80}
HIGHEST_PORT = 65_535
LONGEST_DNS_NAME = 253  # RFC 1035 §2.3.4, without the root dot
_ACE_PREFIX = "xn--"  # RFC 5890 §2.3.2.1
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # as URL parsers read the last label (URL Standard, "ends in a number")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
# The metadata services that are not link-local: EC2 and EKS over IPv6, Alibaba Cloud, Azure's own wire server.
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd00:ec2::23", "100.100.100.200", "168.63.129.16")))
_CARRIERS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))  # RFC 6052 §2.1; RFC 4291 §2.5.5.1


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port: what a token or a credential is bound to; `of` gives equal ones for what is the same."""

    scheme: str
    host: str  # lower case, A-labels; an IPv6 address without its brackets
    port: int

    @classmethod
    def of(cls, address: str) -> Self:
        """Raises Misconfigured with what is wrong; user, query and fragment are no part of an address."""
        parts = _split(address)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port is None:
            port = PORTS[parts.scheme]
        if port == 0:
            raise _wrong(address, "its port is no number from 1 to 65535")
        return cls(parts.scheme, _host(parts.hostname or "", address), port)

    @property
    def address(self) -> Address | None:
        """The IP address that the host is, if it is one."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this very machine by its name alone."""
        return self.host == "localhost" or (self.address is not None and self.address.is_loopback)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" if self.port == PORTS[self.scheme] else f"{self.scheme}://{host}:{self.port}"


def path_of(address: str) -> str:
    """What comes after the origin, without a slash at its end; raises Misconfigured."""
    path = _split(address).path.rstrip("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise _wrong(address, "its path has characters that no API's path has")
    return path


class Hosts:
    """The hosts that issuers may be asked at: `name`, `name:port`, `*.name` for names of any depth below it.

    Without a port all ports are meant. A name stands for whatever it resolves to; `forbidden` looks at that.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._allowed = [_entry(entry) for entry in entries]

    @classmethod
    def of(cls, text: str) -> Self:
        """From parameter IssuerHosts, separated by commas; raises Misconfigured."""
        return cls(part.strip() for part in text.split(",") if part.strip())

    def allow(self, origin: Origin) -> bool:
        """Whether the list names it."""
        return any(
            (port is None or port == origin.port)
            and (origin.host.endswith(host[1:]) if host.startswith("*.") else origin.host == host)
            for host, port in self._allowed
        )


def forbidden(address: Address, *, local: bool = False) -> str | None:
    """Why nothing may be sent there; None: it may. In Lambda, loopback is the runtime API; private networks are fine.

    An IPv4 address inside an IPv6 one counts as what it is inside: the system would send it there.
    """
    address = _carried(address)
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


def _carried(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    # ::1 and :: lie in ::/96 and are themselves
    if int(address) > 1 and any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


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
        raise ValueError(f"{name!r} is no international name: {printable(str(error))}") from error
    if "*" in labels:
        raise ValueError(f"{name!r} is no international name: write the star of a wildcard in ASCII")
    return dns_name(f"{wildcard}{'.'.join(labels)}")


def dns_name(value: str, *, wildcard: bool = True) -> str:
    """Return the DNS name in lower case; raise ValueError if it is invalid (RFC 1035 §2.3, IDNA2008)."""
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
        raise ValueError(f"{label!r} is not an A-label of IDNA2008: {printable(str(error))}") from error


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
    except ValueError:
        raise Misconfigured("the address is none; write https:// and a host, such as https://ca.example.com") from None
    # First, and never with a word of it: it may hold a password, whatever else is wrong.
    if "@" in address or parts.query or parts.fragment or not address.isprintable():
        raise Misconfigured("the address has a user, a query or a fragment; leave them out")
    if parts.scheme not in PORTS or not parts.netloc:
        raise _wrong(address, "it does not begin with https://")
    return parts


def _host(host: str, address: str) -> str:
    if "%" in host:
        raise _wrong(address, "the zone of an IP address is no part of it")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = dns_name(host) if host.isascii() else to_a_labels(host)
    except ValueError:
        name = "*"
    # 127.1 and 2130706433 are refused here; 0x7f.1 could be a name, and what it resolves to is looked at later.
    if "*" in name:
        raise _wrong(address, "its host is no DNS name and no IP address")
    return name


def _entry(entry: str) -> tuple[str, int | None]:
    """One entry of the list; raises Misconfigured."""
    host, _, port = entry.rpartition(":")
    if not host or entry.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = entry, ""
    if port and not (port.isdecimal() and 0 < int(port) <= HIGHEST_PORT):
        raise Misconfigured(f"IssuerHosts: {printable(entry, 100)!r}: the port is no number from 1 to {HIGHEST_PORT}")
    star = "*." if host.startswith("*.") else ""
    try:
        name = Origin.of(f"https://{host.removeprefix('*.')}").host
    except Misconfigured:
        name = ""
    if not name or "/" in entry or "*" in name or (star and "." not in name):
        raise Misconfigured(f"IssuerHosts: {printable(entry, 100)!r} is no host, host:port or *.domain")
    return f"{star}{name}", int(port) if port else None


def _wrong(address: str, why: str) -> Misconfigured:
    return Misconfigured(f"address {printable(address, 200)!r}: {why}; it should look like https://app.infisical.com")
