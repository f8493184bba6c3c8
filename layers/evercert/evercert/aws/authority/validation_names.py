"""DNS lookups of the validator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dns.exception
import dns.rdatatype
import dns.resolver

from evercert.authority.validation.ports import NotValidated
from evercert.aws.authority.validation_pages import NoAddress

LIMIT = timedelta(seconds=8)  # of a lookup of TXT records, with all name servers
# Of lookups of addresses: a server that drops the second question does not hide the answer to the first one.
_ADDRESSES = {"A": timedelta(seconds=5), "AAAA": timedelta(seconds=2)}
MOST_TEXTS = 100
DNS_PORT = 53


class ValidationNames:
    """Looks names up with the resolvers of the operator, or else of the machine; search domains do not count."""

    def __init__(self, servers: Sequence[tuple[str, int]] = ()) -> None:
        """`servers` are addresses and ports of resolvers."""
        self._servers = tuple(servers)
        self._resolver: dns.resolver.Resolver | None = None

    def texts(self, name: str) -> Sequence[bytes]:
        """Return the TXT values at the name, CNAMEs followed; empty if there is none. Raises NotValidated."""
        try:
            answer = self._look_up(name, "TXT", LIMIT)
        except dns.exception.DNSException as error:
            raise NotValidated("dns", f"cannot look up {name}: {type(error).__name__}") from None
        return [b"".join(record.strings) for record in answer][:MOST_TEXTS]

    def addresses(self, host: str) -> list[str]:
        """Return the addresses of a host, IPv4 first; raise NoAddress."""
        found, failure = list[str](), ""
        for kind, limit in _ADDRESSES.items():
            try:
                found += [record.address for record in self._look_up(host, kind, limit)]
            except dns.exception.DNSException as error:
                failure = type(error).__name__
        if not found:
            raise NoAddress(f"{host} has no address{f' ({failure})' if failure else ''}")
        return found

    def _look_up(self, name: str, kind: str, limit: timedelta) -> list[Any]:
        try:
            return list(self._open().resolve(f"{name}.", kind, lifetime=limit.total_seconds(), search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []

    def _open(self) -> dns.resolver.Resolver:
        if self._resolver is None:
            resolver = dns.resolver.Resolver(configure=not self._servers)
            resolver.cache = None
            if self._servers:
                resolver.nameservers = [address for address, _ in self._servers]
                resolver.nameserver_ports = dict(self._servers)
            self._resolver = resolver
        return self._resolver
