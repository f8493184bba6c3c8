"""Faults and unusual behavior that a test switches on; all of it is what some server does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.doubles.infisical.http_server import Answer

KINDS = frozenset(
    {
        "directory", "newNonce", "newAccount", "newOrder", "revokeCert", "account", "order", "authorization",
        "challenge", "finalize", "certificate", "renewalInfo", "keyChange",
    }
)  # fmt: skip


@dataclass
class Fault:
    """An answer in place of the server's own, or a dropped connection (None), for the next requests of one kind."""

    on: str
    answer: Answer | None
    times: int
    after: bool  # the request takes effect before

    def __post_init__(self) -> None:
        if self.on not in KINDS:
            raise ValueError(self.on)


@dataclass
class Faults:
    """All switches. Counts go down to zero; those of orders are taken over when an order is placed."""

    refused_nonces: int = 0
    processing_challenges: int = 0  # reads of an order until its answered challenges are validated
    late_ready: int = 0  # reads of an order as pending although all of its authorizations are valid
    late_finalize: int = 0  # finalize requests answered with orderNotReady although the order is ready
    processing_orders: int = 0  # reads of an order as processing after finalize
    finalize_without_location: bool = False
    order_limit: tuple[int, timedelta] | None = None  # new orders of an account without `replaces`, and in which time
    reuse_orders: bool = False  # answer newOrder with an open order of the same account and names
    retry_after: dict[str, str] = field(default_factory=dict)  # by kind of resource
    proven: set[str] = field(default_factory=set)  # names whose authorizations are valid from the beginning
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)  # names with kind and detail, at newOrder
    failing: dict[str, tuple[str, str]] = field(default_factory=dict)  # the same, at the validation of a challenge
    failing_orders: tuple[str, str] | None = None  # kind and detail of the error after finalize
    arrange: Callable[[list[str]], Sequence[str]] = list  # the authorizations' URLs in an order
    challenge_types: tuple[str, ...] = ("dns-01", "http-01", "tls-alpn-01")
    algorithms: tuple[str, ...] = ("ES256", "ES384", "RS256", "EdDSA")
    directory: Callable[[dict[str, Any]], Any] | None = None  # changes the directory before it is sent
    certificate: Callable[[list[str]], str] | None = None  # the text of a chain, from its PEM certificates
    rewrite: Callable[[str, bytes], bytes] | None = None  # changes the body of any answer, by kind of resource
    instead: list[Fault] = field(default_factory=list)

    def answer(self, on: str, answer: Answer, *, times: int = 1, after: bool = False) -> None:
        """Answer the next requests of this kind so; `after` they took effect."""
        self.instead.append(Fault(on, answer, times, after))

    def drop(self, on: str, *, times: int = 1, after: bool = True) -> None:
        """Close the connection of the next requests of this kind without an answer."""
        self.instead.append(Fault(on, None, times, after))

    def next(self, kind: str) -> Fault | None:
        """Return the fault of a request that arrived, or None."""
        for fault in self.instead:
            if fault.on == kind and fault.times > 0:
                fault.times -= 1
                return fault
        return None
