"""The contract of an issuer: what it is asked, how it may answer, and what is particular about some of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from evercert.contracts.record import Facts
from evercert.documents.spec import Spec
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey


@dataclass(frozen=True)
class Request:
    """What an issuer is asked for once; the same token means the same question."""

    certificate: str
    spec: Spec
    csr: str | None  # None: the issuer makes the private key
    revision: int
    token: str
    now: datetime
    handle: str | None = None
    asked_before: bool = False  # perhaps: a run that died may have asked, and never saw the answer
    previous: Facts | None = None  # the certificate that this one follows, of the same issuer, for the same request


@dataclass(frozen=True)
class Issued:
    """The answer of an issuer that is done; `reference` is its own name of the certificate."""

    chain: Chain
    private_key: PrivateKey | None = None  # where it made the key
    reference: str | None = None
    profiled: bool = False  # usages that were not asked for are its profile's to choose


@dataclass(frozen=True)
class PendingAnswer:
    """The answer of an issuer that takes time: come back with `handle` at `retry_at`, give up after `deadline`.

    `waits_for`: what a person has to do before it goes on.
    """

    handle: str
    retry_at: datetime
    deadline: datetime
    waits_for: str | None = None


class Issuer(Protocol):
    """What obtains certificates; never sees a private key of ours. Raises Rejected, Unavailable or Misconfigured."""

    def issue(self, request: Request) -> Issued | PendingAnswer:
        """Asks, or, with `request.handle`, asks how it stands."""


@runtime_checkable
class SelfIssuer(Protocol):
    """The one kind of issuer that needs the subject's own key: the subject signs."""

    def issue_with(self, request: Request, private_key: PrivateKey) -> Issued:
        """The certificate, signed by its own key."""


@runtime_checkable
class Revoker(Protocol):
    """An issuer that can take back what it issued."""

    def revoke(self, chain: Chain, reference: str | None) -> None:
        """Revokes the leaf; doing it twice is no error."""


@runtime_checkable
class Canceller(Protocol):
    """An issuer that can forget what it was asked."""

    def cancel(self, handle: str) -> None:
        """Gives up a pending request; doing it twice is no error."""


@runtime_checkable
class Forgetter(Protocol):
    """An issuer that can look for a request whose answer nobody saw, and take it back."""

    def forget(self, request: Request) -> bool:
        """Cancels or revokes what was perhaps asked for; whether there was anything. Raises as `issue` does."""


Status = Literal["good", "revoked", "replaced"]  # replaced: by a newer one that nobody here asked for


@runtime_checkable
class StatusChecker(Protocol):
    """An issuer that can be asked how a certificate of its own is."""

    def status(self, spec: Spec, facts: Facts) -> Status:
        """Of the certificate that destinations hold; raises as `issue` does."""


@runtime_checkable
class KeyAdviser(Protocol):
    """An issuer that knows which kind of private key it wants."""

    def key_algorithm(self) -> KeyAlgorithm | None:
        """For specs that leave it to the issuer; None: it does not care. Raises as `issue` does."""


@runtime_checkable
class Reachable(Protocol):
    """An issuer that can be tried without asking for anything, for an operator who wants to know."""

    def reach(self) -> None:
        """Logs in and looks at what its definition names; raises as `issue` does."""


@dataclass(frozen=True)
class OpenIssuer:
    """An issuer, ready to be asked, and what it is: `identity_hash` changes with address, profile or CA."""

    issuer: Issuer | SelfIssuer
    identity_hash: str
    paused: bool = False  # by an operator: it, or the whole stack


class Issuers(Protocol):
    """The issuers that operators defined."""

    def open(self, name: str) -> OpenIssuer:
        """Raises Misconfigured when there is no such definition, or it is wrong."""
