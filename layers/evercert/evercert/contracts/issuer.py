"""The protocols of an issuer: request, answers, and optional capabilities."""

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
    """A certificate request; every attempt to obtain one revision has the same token."""

    certificate: str
    spec: Spec
    csr: str | None  # None: the issuer generates the private key
    revision: int
    token: str
    now: datetime
    handle: str | None = None
    asked_before: bool = False  # an interrupted run may have sent this request
    previous: Facts | None = None  # the certificate to renew, from the same issuer for the same request


@dataclass(frozen=True)
class Issued:
    """An issued certificate; its chain may be in any order.

    `reference` is the issuer's own id of it, `handle` makes `Issuer.issue` return the same certificate again.
    """

    chain: Chain
    private_key: PrivateKey | None = None  # set if the issuer generated the key
    reference: str | None = None
    handle: str | None = None
    profiled: bool = False  # the issuer's profile chooses usages that were not requested


@dataclass(frozen=True)
class PendingAnswer:
    """A request in progress: poll with `handle` at `retry_at`, give up after `deadline`.

    `waits_for` names the manual step that is missing, such as an approval.
    """

    handle: str
    retry_at: datetime
    deadline: datetime
    waits_for: str | None = None


class Issuer(Protocol):
    """Obtains certificates without access to private keys. Raises Rejected, Unavailable or Misconfigured."""

    def issue(self, request: Request) -> Issued | PendingAnswer:
        """Request a certificate, or poll the pending request `request.handle`.

        Idempotent by `request.token` where the issuer's API supports it; otherwise raises AnswerLost if the response
        is lost. Raises GaveUp if the issuer missed its deadline.
        """


@runtime_checkable
class SelfIssuer(Protocol):
    """An issuer of self-signed certificates, which needs the subject's private key."""

    def issue_with(self, request: Request, private_key: PrivateKey) -> Issued:
        """Return a certificate that is signed by its own key; raise Rejected if the key cannot sign it."""


@runtime_checkable
class Revoker(Protocol):
    """An issuer that can revoke its certificates."""

    def revoke(self, chain: Chain, reference: str | None) -> None:
        """Revoke the leaf. Idempotent; raises as `Issuer.issue` does."""


@runtime_checkable
class Canceller(Protocol):
    """An issuer that can cancel a pending request."""

    def cancel(self, handle: str) -> None:
        """Cancel a pending request. Idempotent; raises as `Issuer.issue` does."""


@runtime_checkable
class Withdrawer(Protocol):
    """An issuer that can find a request whose response was lost, and withdraw it."""

    def withdraw(self, request: Request) -> bool:
        """Cancel or revoke what this request obtained; return whether there was anything.

        Idempotent; raises as `Issuer.issue` does.
        """


Status = Literal["good", "revoked", "replaced"]  # replaced: the issuer renewed it by itself


@runtime_checkable
class StatusChecker(Protocol):
    """An issuer that reports the status of its certificates."""

    def status(self, spec: Spec, facts: Facts) -> Status:
        """Return the status of the delivered certificate; raise as `Issuer.issue` does. Changes nothing."""


@runtime_checkable
class KeyAdviser(Protocol):
    """An issuer that prescribes a key algorithm."""

    def key_algorithm(self) -> KeyAlgorithm | None:
        """Return the algorithm for specs with `algorithm: issuer`, or None; raise as `Issuer.issue` does."""


@runtime_checkable
class Reachable(Protocol):
    """An issuer that an operator can test without requesting a certificate."""

    def reach(self) -> None:
        """Log in and read what the definition names; raise as `Issuer.issue` does. Changes nothing."""


@runtime_checkable
class LoginCheck(Protocol):
    """An issuer whose credential can be tried alone."""

    def check_login(self) -> None:
        """Log in and out; raise LoginRefused, or else as `Issuer.issue` does. Changes nothing."""


@dataclass(frozen=True)
class OpenIssuer:
    """An issuer that is ready for requests; `identity_hash` changes with its address, profile or CA."""

    issuer: Issuer | SelfIssuer
    identity_hash: str
    paused: bool = False  # an operator paused this issuer or the whole stack


class Issuers(Protocol):
    """Opens the issuers that operators defined."""

    def open(self, name: str) -> OpenIssuer:
        """Return the issuer of this name; raise Misconfigured if its definition is missing or invalid."""
