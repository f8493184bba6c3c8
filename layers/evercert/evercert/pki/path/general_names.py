"""General names (RFC 5280 §4.2.1.6) in certificates of other CAs, undecoded."""

from __future__ import annotations

import ipaddress
import re

from evercert.pki import distinguished_names

EMAIL, DNS, URI, IP, DIRECTORY = 0x81, 0x82, 0x86, 0x87, 0xA4  # identifier octets
KINDS = {EMAIL: "e-mail address", DNS: "DNS name", URI: "URI", IP: "IP address", DIRECTORY: "directory name"}
IP_BYTES = (4, 16)
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"  # private CAs use underscores
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII | re.IGNORECASE)


def fault(tag: int, name: bytes) -> str | None:
    """Return why no client can match this alternative name, or None."""
    shown = repr(name.decode("ascii", "replace"))
    if tag == IP and len(name) not in IP_BYTES:
        return "malformed IP address"
    if tag == DNS and not is_host(name, wildcard=True):
        return f"malformed DNS name {shown}"
    if tag == DNS and is_address(name.decode("ascii")):
        return f"an IP address as a DNS name: {shown}"
    if tag == EMAIL and not is_mailbox(name):
        return f"malformed e-mail address {shown}"
    return f"malformed URI {shown}" if tag == URI and not name.isascii() else None


def is_host(name: bytes, *, wildcard: bool = False) -> bool:
    """Return whether it is a host name; `wildcard`: also `*.` and a host."""
    text = name.decode("ascii", "replace")
    return bool(_HOST.fullmatch(text.removeprefix("*.") if wildcard else text))


def is_mailbox(name: bytes) -> bool:
    """Return whether it is `local@host` (RFC 5321 §4.1.2)."""
    local, _, host = name.rpartition(b"@")
    quoted = len(local) > 1 and local.startswith(b'"') and local.endswith(b'"')
    return bool(local) and (quoted or b"@" not in local) and name.isascii() and is_host(host)


def is_address(text: str) -> bool:
    """Return whether it is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def printed(tag: int, name: bytes) -> str:
    """Return the name for messages."""
    if tag == IP and len(name) in IP_BYTES:
        return str(ipaddress.ip_address(name))
    return distinguished_names.printed(name) if tag == DIRECTORY else repr(name.decode("ascii", "replace"))
