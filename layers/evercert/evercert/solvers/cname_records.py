"""CNAME records of the DNS: a challenge's record may lead to a zone of its own (RFC 8555 §8.4, RFC 1034 §3.6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from evercert.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from evercert.contracts.solver import CNAMEs
    from evercert.deadline import Deadline

MOST_HOPS = 8
TRIES = 2
LIMIT = timedelta(seconds=3)  # of one try, with all name servers
DNS_PORT = 53


def end_of(name: str, records: CNAMEs) -> str:
    """Follow CNAMEs; return the name that has none. Raise Misconfigured after too many of them."""
    seen = [name]
    while (target := records.target(seen[-1])) is not None:
        if len(seen) > MOST_HOPS or target in seen:
            raise Misconfigured(
                f"cannot find the record of {name}: its CNAMEs form a loop or a chain of more than {MOST_HOPS} "
                f"(…, {seen[-1]}, {target}); correct them"
            )
        seen.append(target)
    return seen[-1]


class DNSRecords:
    """Looks CNAMEs up with the resolvers of the machine; dnspython is imported for the first lookup."""

    def __init__(self, deadline: Deadline | None = None, servers: Sequence[str] = (), port: int = DNS_PORT) -> None:
        self._deadline = deadline
        self._servers = servers
        self._port = port
        self._resolver: Any = None

    def target(self, name: str) -> str | None:
        """Return the target in lower case; None if the name or its CNAME is missing, but not after a failure."""
        import dns.exception  # noqa: PLC0415 (only the solver of DNS challenges pays for it: decision 23)
        import dns.resolver  # noqa: PLC0415

        problem = ""
        for _ in range(TRIES):
            if self._deadline is not None:
                self._deadline.require(LIMIT, f"the DNS lookup of {name}")
            try:
                answer = self._open().resolve(f"{name}.", "CNAME", lifetime=LIMIT.total_seconds(), search=False)
                return str(answer[0].target.to_text(omit_final_dot=True)).lower()
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                return None
            except (dns.exception.DNSException, OSError) as error:
                problem = type(error).__name__
        raise Unavailable(f"cannot look up the CNAME of {name}: the DNS did not answer ({problem}); check its servers")

    def _open(self) -> Any:  # noqa: ANN401 (of dnspython)
        import dns.resolver  # noqa: PLC0415

        if self._resolver is None:
            self._resolver = dns.resolver.Resolver(configure=not self._servers)
            if self._servers:
                self._resolver.nameservers, self._resolver.port = list(self._servers), self._port
        return self._resolver
