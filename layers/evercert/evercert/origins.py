"""Where an issuer is asked: addresses, the hosts that an operator allows, and networks that nobody may send to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from evercert.errors import Misconfigured, foreign
from evercert.pki.identifiers import parse

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = {"https": 443, "http": 80}
HIGHEST_PORT = 65_535
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
        name = parse(f"dns:{host}").value
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
        raise Misconfigured(f"IssuerHosts: {foreign(entry, 100)!r}: the port is no number from 1 to {HIGHEST_PORT}")
    star = "*." if host.startswith("*.") else ""
    try:
        name = Origin.of(f"https://{host.removeprefix('*.')}").host
    except Misconfigured:
        name = ""
    if not name or "/" in entry or "*" in name or (star and "." not in name):
        raise Misconfigured(f"IssuerHosts: {foreign(entry, 100)!r} is no host, host:port or *.domain")
    return f"{star}{name}", int(port) if port else None


def _wrong(address: str, why: str) -> Misconfigured:
    return Misconfigured(f"address {foreign(address, 200)!r}: {why}; it should look like https://app.infisical.com")
