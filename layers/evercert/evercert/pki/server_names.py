"""Whether a certificate covers the name of a server (RFC 9525 §6.3)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def covers(names: Iterable[str], host: str) -> bool:
    """Whether one of the alternative names, such as `dns:*.example.com`, covers a host or IP address."""
    known = frozenset(names)
    try:
        return f"ip:{ipaddress.ip_address(host)}" in known
    except ValueError:
        name = host.lower().rstrip(".")
    return f"dns:{name}" in known or f"dns:*.{name.partition('.')[2]}" in known
