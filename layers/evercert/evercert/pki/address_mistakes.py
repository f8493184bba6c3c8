"""Mistakes in IP addresses: networks, ranges, wildcards, leading zeros."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple

from evercert.pki.embedded_hosts import is_address, is_name

EACH = "write each address: certificates contain single addresses"
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_FOUR_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_WILDCARD = re.compile(r"(?=.*[0-9])[0-9*]+(?:\.[0-9*]+)+|(?=.*:.*:)[0-9A-Fa-f:*]*\*[0-9A-Fa-f:*]*")
_RANGE = re.compile(
    r"(?P<first>[0-9A-Fa-f:.]+?)\s*(?:[-\u2010-\u2015~]|\.{2,}|\bto\b)\s*(?P<last>[0-9A-Fa-f:.]+)(?:/[0-9]{1,3})?"
)
_MASK = re.compile(r"(?P<address>[0-9.]+)(?:\s*/\s*|\s+(?:(?:net)?mask\s+)?)(?P<mask>255\.[0-9.]+)", re.IGNORECASE)
_HARDWARE = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")
_GROUPS = re.compile(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Za-z.]{0,15}){2,12}")


class Mistake(NamedTuple):
    """Reason and remedy for one name.

    `meant` is the name that was certainly meant, or the names of a list. `possible` may have been meant, and
    `condition` says when. `advice` names no name.
    """

    why: str
    meant: tuple[str, ...] = ()
    advice: str = ""
    possible: str = ""
    condition: str = ""

    def remedy(self, otherwise: str) -> str:
        """Return what to write."""
        if len(self.meant) > 1:
            return f"write one item for each name: {', '.join(self.meant)}"
        if self.meant:
            return f"write {self.meant[0]}"
        return f"write {self.possible}{self.condition}" if self.possible else self.advice or otherwise

    def proposing(self, accept: Callable[[str], bool], form: str = "{}") -> Mistake:
        """Return the mistake with its names in a form such as `ops@{}`; without those that are not accepted.

        A list is proposed only as a whole.
        """
        meant = tuple(form.format(name) for name in self.meant)
        possible = form.format(self.possible) if self.possible else ""
        return self._replace(
            meant=meant if all(map(accept, meant)) else (),
            possible=possible if possible and accept(possible) else "",
        )


def meaning(why: str, *meant: str, advice: str = "") -> Mistake:
    """Return a mistake; `meant` counts only if it is a valid name."""
    return Mistake(why, tuple(name for name in meant if is_name(name)), advice)


def leading_zeros(value: str) -> Mistake | None:
    """Report `010.0.0.1`, which some programs read as 8.0.0.1."""
    decimal = _without_zeros(value)
    if decimal == value or not is_address(decimal):
        return None
    why = "has leading zeros, which some programs read as octal numbers"
    return Mistake(why, possible=decimal, condition=" if the numbers are decimal")


def wildcard(value: str) -> Mistake | None:
    """Report `*.192.0.2.1`, `10.*.*.*` and `2001:db8::*`."""
    if "*" not in value or not _WILDCARD.fullmatch(value):
        return None
    return Mistake("has a wildcard in an IP address, and only DNS names have one", advice=EACH)


def address_range(value: str) -> Mistake | None:
    """Report `192.0.2.1-192.0.2.9`, `192.0.2.1-9` and `2001:db8::1 to 2001:db8::9`."""
    found = _RANGE.fullmatch(value)
    if found is None or not is_address(_without_zeros(found["first"])):
        return None
    is_end = ":" in found["first"] or found["last"].replace(".", "").isdigit()
    return Mistake("is a range of addresses", advice=EACH) if is_end else None


def network(value: str) -> Mistake | None:
    """Report `192.0.2.0/24` and `192.0.2.0 255.255.255.0`."""
    if (mask := _MASK.fullmatch(value)) is not None:
        value = f"{mask['address']}/{mask['mask']}"
    address, slash, length = value.partition("/")
    address = _without_zeros(address)
    if not slash or not is_address(address):
        return None
    try:
        found = ipaddress.ip_network(f"{address}/{length}", strict=False)
    except ValueError:
        return meaning("has a path or a prefix length", address)
    if found.num_addresses == 1:
        return meaning("has a prefix length (CIDR)", address)
    return Mistake("is a network (CIDR), not an address", advice=EACH)


def commas(value: str) -> Mistake | None:
    """Report `192,0,2,1`."""
    address = value.replace(",", ".")
    return meaning("has commas instead of dots", address) if address != value and is_address(address) else None


def malformed(value: str) -> Mistake | None:
    """Report text that is an address by its form: four numbers, or groups between colons."""
    if _HARDWARE.fullmatch(value):
        return Mistake("is a hardware (MAC) address, which certificates do not contain", advice="write the DNS name")
    if _GROUPS.fullmatch(value):
        advice = "write groups of one to four hexadecimal digits, such as 2001:db8::1"
        return Mistake("looks like an IPv6 address, and is not one", advice=advice)
    return None


def _without_zeros(value: str) -> str:
    """Return four decimal numbers without leading zeros, other text unchanged."""
    return _LEADING_ZEROS.sub("", value) if _FOUR_NUMBERS.fullmatch(value) else value
