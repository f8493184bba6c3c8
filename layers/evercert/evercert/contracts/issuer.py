"""The protocols of an issuer: request, answers, and optional capabilities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
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

    `waits_for` names the manual step that is missing, such as an approval. `pause`: the same run may ask
    again after this time, at most two seconds. Not with `waits_for`, which ends the run.
    """

    handle: str
    retry_at: datetime
    deadline: datetime
    waits_for: str | None = None
    pause: timedelta | None = None


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


@dataclass(frozen=True)
class RenewalWindow:
    """The period in which the issuer suggests a renewal; `explanation` is the URL of a page for operators."""

    start: datetime
    end: datetime
    explanation: str | None = None


@dataclass(frozen=True)
class Advice:
    """The issuer's answer about a renewal: ask again at `again_at`; without a window, the last one remains."""

    again_at: datetime
    window: RenewalWindow | None = None


@runtime_checkable
class RenewalAdviser(Protocol):
    """An issuer that suggests when to renew (RFC 9773)."""

    def advise(self, facts: Facts, now: datetime) -> Advice | None:
        """Return the advice for the delivered certificate; None if the issuer gives none for it.

        Raises nothing: a server that does not answer must not delay a renewal. Changes nothing.
        """


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
class CAANamed(Protocol):
    """An issuer whose CA obeys CAA records."""

    def caa_identities(self) -> tuple[str, ...]:
        """Return the domains that a CAA record names to allow the CA; raise as `Issuer.issue` does. Changes nothing."""


@runtime_checkable
class LoginCheck(Protocol):
    """An issuer whose credential can be tried alone."""

    def check_login(self) -> None:
        """Log in and out; raise LoginRefused, or else as `Issuer.issue` does. Changes nothing."""


@runtime_checkable
class DryRun(Protocol):
    """An issuer whose definition an operator can test for names, without an order or a registration.

    Methods return one line for people, and raise as `Issuer.issue` does. They change nothing.
    """

    def check_credentials(self) -> str:
        """Read the credentials; return which ones, never their values."""

    def check_account(self) -> str:
        """Return whether the CA has registered the account."""

    def check_name(self, name: str) -> str:
        """Return the solver that is chosen for the name; raise if it cannot prove control of it."""


class IssuerAccount(Protocol):
    """The account of an issuer at its CA. Methods return one line for people, and raise as `Issuer.issue` does.

    Each can be repeated after a crash, and then finishes what the first call began.
    """

    def rotate_key(self) -> str:
        """Replace the key of the account by a new one."""

    def deactivate(self) -> str:
        """Deactivate the account, which is irreversible; orders then fail until an operator registers another one."""

    def register(self) -> str:
        """Register the account, or another one after a deactivation."""


@runtime_checkable
class HasAccount(Protocol):
    """An issuer with an account at its CA."""

    account: IssuerAccount


@dataclass(frozen=True)
class OpenIssuer:
    """An issuer that is ready for requests; `identity_hash` changes with its address, profile or CA."""

    issuer: Issuer | SelfIssuer
    identity_hash: str
    paused: bool = False  # an operator paused this issuer, the certificate or the whole stack
    name: str = ""

    @property
    def service(self) -> str:
        """The name of its circuit breaker; an edit makes it another service."""
        return f"issuer {self.name} {self.identity_hash[:8]}"


class Issuers(Protocol):
    """Opens the issuers that operators defined."""

    def open(self, name: str, certificate: str | None = None) -> OpenIssuer:
        """Return the issuer of this name, for this certificate.

        Raises Misconfigured if its definition is missing or invalid.
        """
