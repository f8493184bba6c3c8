"""Run the validator with its real adapter for pages in network namespaces.

`python -m tests.tools.validator_stage`, in the namespaces of `private_network.command`, prints a result for each case
as JSON.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import socket
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from evercert.authority.validation.ports import NotValidated, Page
from evercert.aws.authority.validation_pages import ValidationPages
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.tools.private_network import (
    HTTP,
    LISTED,
    METADATA,
    PATH,
    PRIVATE,
    PRIVATE_6,
    PUBLIC,
    connect_namespaces,
    server,
    synchronize,
)

EVERYTHING = ("0.0.0.0/0", "::/0")
LOOPBACK = ("127.0.0.1", "127.8.8.8", "0.0.0.0", "::1", "::ffff:127.0.0.1")
FORMS = (
    "2130706433",
    "0177.0.0.1",
    "0x7f000001",
    "0x7f.1",
    "127.1",
    "0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::1]",
)
REDIRECTED = ("2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", METADATA[0])  # as targets of redirects
_WITHIN = timedelta(seconds=3)


@dataclass(frozen=True)
class Case:
    """An order for one name or address; `networks` is the operator's parameter ValidationNetworks."""

    identifier: str
    networks: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()  # of the name
    redirect: str | None = None


@dataclass
class Result:
    """The status of the authorization, the problem, and the addresses to which connections were made.

    `logged` is the reason in the operator's log.
    """

    status: str
    detail: str
    logged: str = ""
    connections: list[str] = field(default_factory=list)


def cases() -> dict[str, Case]:
    """Return the cases by id."""
    found = {
        "public": Case("public.example.com", (), (PUBLIC,)),
        "private": Case("private.example.com", (), (LISTED,)),
        "private-listed": Case("listed.example.com", ("10.77.0.0/24",), (LISTED,)),
        "private-other-listed": Case("other.example.com", ("10.77.0.0/24",), (PRIVATE,)),
        "private-address": Case(LISTED),
        "private-address-listed": Case(LISTED, ("10.0.0.0/8",)),
        "private-6": Case("six.example.com", ("10.0.0.0/8",), (PRIVATE_6,)),
        "private-6-listed": Case("six-listed.example.com", ("fd12::/16",), (PRIVATE_6,)),
        "public-and-private": Case("both.example.com", (), (PUBLIC, PRIVATE)),
        "redirect-private": Case("to-private.example.com", ("10.77.0.0/24",), (PUBLIC,), f"http://{PRIVATE}/x"),
        "redirect-listed": Case("to-listed.example.com", ("10.77.0.0/24",), (PUBLIC,), "http://listed.example.com/x"),
        "redirect-own": Case("own.example.com", ("10.77.0.0/24",), (LISTED,), "http://own.example.com/x"),
        "redirect-name": Case("to-name.example.com", ("10.77.0.0/24",), (PUBLIC,), "http://other.example.com/x"),
    }
    for address in (LOOPBACK[0], METADATA[0]):
        found[f"listed-{address}"] = Case(f"listed-{len(found)}.example.com", EVERYTHING, (address,))
    for form in REDIRECTED:
        name = f"form-{len(found)}.example.com"
        found[f"redirect-{form}"] = Case(name, EVERYTHING, (PUBLIC,), f"http://{form}/")
    return found


class Stage:
    """The authority with the real adapter for pages, and the logs of the servers."""

    def __init__(self, client: Any, logs: Sequence[Path]) -> None:
        self.client, self.logs = client, logs
        self.seen = [0] * len(logs)
        self.known = {case.identifier: case.addresses for case in cases().values()}

    def connections(self) -> list[str]:
        """Return the addresses of all connections since the last call."""
        synchronize()
        lines = [log.read_text().split() for log in self.logs]
        new = [line for own, seen in zip(lines, self.seen, strict=True) for line in own[seen:]]
        self.seen = [len(own) for own in lines]
        return new

    def resolve(self, host: str) -> list[str]:
        """Return the addresses of a name; the system reads the other forms of an address."""
        if host in self.known:
            return list(self.known[host])
        return [str(one[4][0]) for one in socket.getaddrinfo(host, HTTP, type=socket.SOCK_STREAM)]

    def pages(self, networks: Sequence[str]) -> Any:
        return ValidationPages(self.resolve, [ipaddress.ip_network(one) for one in networks])

    def order(self, case: Case) -> Result:
        """Order the name and answer its challenge until it is decided."""
        authority = self.client.authority
        pages, reasons = self.pages(case.networks), list[str]()

        def load(url: str, within: timedelta, *, private: bool) -> Page:
            try:
                return pages.load(url, within, private=private)  # type: ignore[no-any-return]
            except NotValidated as error:
                reasons.append(error.logged)
                raise

        authority.network.load = load
        placed = self.client.order(case.identifier).json
        self.client.prove(placed)
        found = self.client.read(placed["authorizations"][0]).json
        detail = next((one["error"]["detail"] for one in found["challenges"] if "error" in one), "")
        return Result(found["status"], detail, reasons[-1] if reasons else "", self.connections())

    def load(self, host: str) -> Result:
        """Load a page of a host, without an order; the operator lists all networks."""
        try:
            status = str(self.pages(EVERYTHING).load(f"http://{host}/", _WITHIN, private=True).status)
        except NotValidated as error:
            return Result(error.kind, str(error), error.logged, self.connections())
        return Result(status, "", "", self.connections())

    def reach(self, address: str) -> Result:
        """Connect without any check, which shows that a server is there."""
        with socket.create_connection((address, HTTP), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            connection.recv(100)
        return Result("reached", "", "", self.connections())


def main() -> None:
    """Make the network, run all cases, print the results."""
    os.environ["PATH"] = PATH
    connect_namespaces()
    authority = AcmeAuthority()
    authority.module.logger.setLevel(logging.CRITICAL)
    client = AcmeClient(authority)
    client.register()
    redirects = {case.identifier: case.redirect for case in cases().values() if case.redirect is not None}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = client.thumbprint, json.dumps(redirects)
        namespaces = {"loopback": (), "hosts": ("ip", "netns", "exec", "hosts")}
        logs = [stack.enter_context(server(folder, name, own, *settings)) for name, own in namespaces.items()]
        stage = Stage(client, logs)
        found = {name: stage.order(case) for name, case in cases().items()}
        found |= {f"load-{form}": stage.load(form) for form in FORMS}
        for one in (*LOOPBACK, *METADATA):
            stage.known["name.example.com"] = (one,)
            found[f"load-{one}"] = stage.load("name.example.com")
        found |= {
            f"reach-{one}": stage.reach(one) for one in (PUBLIC, LISTED, PRIVATE, PRIVATE_6, *LOOPBACK, *METADATA)
        }
    print(json.dumps({name: vars(result) for name, result in found.items()}))


if __name__ == "__main__":
    main()
