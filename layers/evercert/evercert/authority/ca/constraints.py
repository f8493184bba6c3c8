"""Name constraints that an operator sets for a CA (RFC 5280 §4.2.1.10)."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from cryptography import x509
from pydantic import AfterValidator, model_validator

from evercert.pki.identifiers import parse
from evercert.pki.path.name_constraints import Subtrees
from evercert.schema import Model, printable

ConstrainedKind = Literal["dns", "ip", "email", "uri"]


def _is_host(text: str) -> bool:
    try:
        return "*" not in text and parse(f"dns:{text}").value == text
    except ValueError:
        return False


def _domain(text: str) -> str:
    if not _is_host(text):
        bare = text.removeprefix("*").removeprefix(".")
        hint = f"; {bare} includes all names below it" if _is_host(bare) else ""
        raise ValueError(f"invalid DNS subtree {printable(text, 60)!r}: must be a lower-case name{hint}")
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"invalid network: {printable(str(error), 120)}; use a network such as 10.0.0.0/8") from error


def _host_or_below(text: str) -> str:
    if not _is_host(text.removeprefix(".")):
        raise ValueError(
            f"invalid host {printable(text, 60)!r}: must be a lower-case name, or .example.com for all names below it"
        )
    return text


_Domain = Annotated[str, AfterValidator(_domain)]
_Network = Annotated[str, AfterValidator(_network)]
_Host = Annotated[str, AfterValidator(_host_or_below)]


class ConstrainedNames(Model):
    """Subtrees by kind. `dns`: a name and all below it; `email` and `uri`: a host, or `.example.com` for all below it.

    An empty list does not restrict its kind.
    """

    dns: tuple[_Domain, ...] = ()
    ip: tuple[_Network, ...] = ()
    email: tuple[_Host, ...] = ()
    uri: tuple[_Host, ...] = ()

    def general_names(self) -> list[x509.GeneralName] | None:
        """Return the subtrees as types of `cryptography`, or None without any."""
        found: list[x509.GeneralName] = [
            *map(x509.DNSName, self.dns),
            *(x509.IPAddress(ipaddress.ip_network(network)) for network in self.ip),
            *map(x509.RFC822Name, self.email),
            *map(x509.UniformResourceIdentifier, self.uri),
        ]
        return found or None


class Constraints(Model):
    """Which names the certificates below a CA may have, and which they must not have."""

    permitted: ConstrainedNames = ConstrainedNames()
    excluded: ConstrainedNames = ConstrainedNames()

    @model_validator(mode="after")
    def _require_names(self) -> Self:
        if self.permitted.general_names() is None and self.excluded.general_names() is None:
            raise ValueError("no name constraints: must permit or exclude something (RFC 5280 §4.2.1.10)")
        return self

    def extension(self) -> x509.NameConstraints:
        """Return the extension, which must be critical."""
        return x509.NameConstraints(self.permitted.general_names(), self.excluded.general_names())

    def subtrees(self) -> Subtrees:
        """Return the constraints as path validation reads them."""
        return Subtrees.parse(self.extension().public_bytes())
