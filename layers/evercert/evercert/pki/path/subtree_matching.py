"""Comparison of names with subtrees of name constraints, by kind (RFC 5280 §4.2.1.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from evercert.pki.distinguished_names import Name, canonical
from evercert.pki.path.general_names import DIRECTORY, DNS, EMAIL, IP, IP_BYTES, URI, is_address, is_host, is_mailbox


def _text(name: bytes) -> str:
    return name.decode("ascii").lower()  # UnicodeDecodeError is a ValueError


def _host(name: bytes) -> str:
    if not is_host(name, wildcard=True):
        raise ValueError("malformed host")
    return _text(name).rstrip(".")


def _mailbox(name: bytes) -> tuple[str, str]:
    if not is_mailbox(name):
        raise ValueError("malformed e-mail address")
    local, _, host = name.decode("ascii").rpartition("@")
    return local, host.lower()


def _uri_host(name: bytes) -> str:
    host = urlsplit(name.decode("ascii")).hostname
    if not host or is_address(host):
        raise ValueError("a URI without a host name")
    return host


def _address(name: bytes) -> bytes:
    if len(name) not in IP_BYTES:
        raise ValueError("malformed IP address")
    return name


def _subtree_host(base: bytes) -> str:
    host = base.removeprefix(b".")
    if host != b"" and not is_host(host):
        raise ValueError("malformed host")
    return _text(base).rstrip(".") if host else _text(base)


def _subtree_mailbox(base: bytes) -> tuple[str | None, str]:
    return _mailbox(base) if b"@" in base else (None, _subtree_host(base))


def _network(base: bytes) -> tuple[bytes, bytes]:
    half = len(base) // 2
    inverted = ~int.from_bytes(base[half:]) & ((1 << half * 8) - 1)
    if half not in IP_BYTES or len(base) % 2 or inverted & (inverted + 1):
        raise ValueError("malformed network")
    return base[:half], base[half:]


def _below(host: str, base: str) -> bool:
    """Return whether the host is the base or below it; a base with a leading dot means subdomains only."""
    if base.startswith("."):
        return host.endswith(base)
    return base in ("", host) or host.endswith(f".{base}")


def overlaps(host: str, base: str) -> bool:
    """Return whether some host that a wildcard covers is in the subtree, although the wildcard itself is not."""
    if not host.startswith("*."):
        return False
    first, _, parent = base.removeprefix(".").partition(".")
    return bool(first) and parent == host[2:]


def _at(host: str, base: str) -> bool:
    """Return whether it is this host, or below a base with a leading dot; an empty base is every host."""
    return base == "" or (host.endswith(base) if base.startswith(".") else host == base)


def _email_within(name: tuple[str, str], base: tuple[str | None, str]) -> bool:
    return base == name if base[0] is not None else _at(name[1], base[1])


def _ip_within(name: bytes, base: tuple[bytes, bytes]) -> bool:
    address, mask = base
    return len(name) == len(address) and all(n & m == a & m for n, a, m in zip(name, address, mask, strict=True))


def _directory_within(name: Name, base: Name) -> bool:
    return name[: len(base)] == base


# By the tag of a general name: decoders of names and of bases, which raise ValueError, and the comparison of both.
DECODERS: dict[int, Callable[[bytes], Any]] = {
    EMAIL: _mailbox,
    DNS: _host,
    DIRECTORY: canonical,
    URI: _uri_host,
    IP: _address,
}
BASES: dict[int, Callable[[bytes], Any]] = {
    EMAIL: _subtree_mailbox,
    DNS: _subtree_host,
    DIRECTORY: canonical,
    URI: _subtree_host,
    IP: _network,
}
MATCHES: dict[int, Callable[[Any, Any], bool]] = {
    EMAIL: _email_within,
    DNS: _below,
    DIRECTORY: _directory_within,
    URI: _at,
    IP: _ip_within,
}
