"""Settings of the validator function, from environment variables."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import Variables
from evercert.errors import Misconfigured

LOCAL, LOCAL_RESOLVER = "EVERCERT_LOCAL_VALIDATION", "EVERCERT_LOCAL_RESOLVER"
DNS_PORT = 53
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class NetworkSettings:
    """Settings of connections to hosts that others choose; no template sets `local`."""

    networks: tuple[Network, ...]  # private ones in which hosts may be asked
    resolvers: tuple[tuple[str, int], ...]  # addresses and ports; empty: those of the machine
    local: tuple[str, int] | None  # loopback address and port of all hosts, for development

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment; raise Misconfigured for the first variable that is missing or invalid."""
        local = environment.get(LOCAL)
        resolvers = [environment[LOCAL_RESOLVER]] if LOCAL_RESOLVER in environment else []
        return cls(
            networks=tuple(_network(text) for text in _entries(environment, "VALIDATION_NETWORKS")),
            resolvers=tuple(_server(text) for text in resolvers or _entries(environment, "VALIDATION_RESOLVERS")),
            local=_server(local) if local else None,
        )


@dataclass(frozen=True)
class ValidatorSettings:
    """Settings of the validations of ACME challenges."""

    table: str
    queue: str  # URL
    network: NetworkSettings

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment; raise Misconfigured for the first variable that is missing or invalid."""
        variables = Variables(environment)
        return cls(
            variables.text("AUTHORITY_TABLE"), variables.text("VALIDATION_QUEUE"), NetworkSettings.of(environment)
        )


def _entries(environment: Mapping[str, str], name: str) -> list[str]:
    return [text.strip() for text in environment.get(name, "").split(",") if text.strip()]


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise Misconfigured(f"ValidationNetworks: {error}; write networks such as 10.0.0.0/8") from None


def _server(text: str) -> tuple[str, int]:
    """Return address and port of `192.0.2.1`, `192.0.2.1:53` or `[2001:db8::1]:53`."""
    host, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", str(DNS_PORT))
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise Misconfigured(f"ValidationResolvers: {text!r} is not the address of a resolver") from None
