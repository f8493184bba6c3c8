"""What the authority needs of the world; each port has an adapter in `aws/` and a double in the tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evercert.authority.ca.definition import CA
from evercert.authority.ca.signing_orders import CrlOrder, Intent, LeafOrder, Revoked
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, Profile
from evercert.authority.contracts.records import CertificateRecord, RequestRecord, Token
from evercert.errors import Misconfigured
from evercert.pki.keys import PrivateKey


@dataclass(frozen=True)
class Caller:
    """What STS says of who signed."""

    account: str
    arn: str
    user_id: str


class Configuration(Protocol):
    """Raises Unavailable or Misconfigured; None: there is none of this id or name."""

    def ca(self, ca_id: str) -> CA | None:
        """By its id."""

    def cas(self) -> tuple[CA, ...]:
        """All of them."""

    def every_ca(self) -> Mapping[str, CA | Misconfigured]:
        """By id; in place of one that cannot be read stands why, so that it is in no other's way."""

    def profile(self, profile_id: str) -> Profile | None:
        """With its policy."""

    def profiles(self) -> tuple[Profile, ...]:
        """All of them."""

    def project(self, project_id: str) -> str | None:
        """Its slug."""

    def application(self, application_id: str) -> Application | None:
        """By its id."""

    def identity(self, identity_id: str) -> Identity | None:
        """By its id."""

    def identity_of_client(self, client_id: str) -> Identity | None:
        """By the client id of its universal auth."""


class Signer(Protocol):
    """The one thing that may use an issuing key. Raises Refusal (the ceiling), Unavailable, Misconfigured.

    Both calls may be repeated.
    """

    def leaf(self, order: LeafOrder) -> bytes:
        """DER of the certificate."""

    def crl(self, order: CrlOrder) -> bytes:
        """DER of the list; another one may have been signed under this number, then it is that."""


class Ledger(Protocol):
    """Written once, read by no function."""

    def intend(self, intent: Intent) -> Intent | None:
        """The intent of this id that stands now: this one, or an earlier one; None: the serial number is taken."""

    def conclude(self, intent: Intent, der: bytes) -> bytes:
        """The result of this id that stands now: this one, or an earlier one."""


class Tokens(Protocol):
    """Access tokens, lockouts and signatures that were taken; nothing in it is a secret."""

    def keep(self, token: Token) -> None:
        """A new one."""

    def find(self, digest: str) -> Token | None:
        """None: there is none; an expired one may still be found."""

    def use(self, digest: str) -> bool:
        """Takes one use; False: there is none left, or no such token. Only for tokens whose uses are counted."""

    def prolong(self, token: Token, expires_at: datetime | None) -> bool:
        """False: it is gone meanwhile."""

    def forget(self, digest: str) -> None:
        """It is none any more."""

    def take_signature(self, digest: str, until: datetime) -> bool:
        """False: it was taken before."""

    def locked_until(self, client_id: str) -> datetime | None:
        """The end of the latest lockout, which may have passed."""

    def failed(self, client_id: str, now: datetime, most: int, window: float, duration: float) -> datetime | None:
        """Counts a wrong secret (seconds); the end of the lockout, if there is one now."""

    def succeeded(self, client_id: str) -> None:
        """No failures are counted any more."""

    def use_secret(self, secret_id: str, most: int) -> bool:
        """Counts a login with a client secret whose uses are limited; False: there is none left."""


class Certificates(Protocol):
    """Requests and certificates. Every write carries a condition."""

    def open(self, request: RequestRecord, token: str | None) -> RequestRecord:
        """Writes it, and with it the idempotency token and the claim on what it renews.

        The request that stands now under this token, or for this renewal: this one, or an earlier one.
        """

    def request(self, request_id: str) -> RequestRecord | None:
        """By its id."""

    def request_of(self, token: str) -> RequestRecord | None:
        """By the idempotency token that it was opened with."""

    def renewal_of(self, certificate_id: str) -> RequestRecord | None:
        """The request that has claimed to renew it, unless that has failed."""

    def finish(self, request: RequestRecord, kept: CertificateRecord) -> CertificateRecord:
        """The certificate, the request's end and the link from what it renews, together; repeatable.

        The certificate that stands now: this one, or an earlier one.
        """

    def fail(self, request: RequestRecord, error: str) -> None:
        """Ends the request and frees what it wanted to renew; repeatable."""

    def certificate(self, name: str) -> CertificateRecord | None:
        """By its id, or by its SHA-256 in lower-case hexadecimal."""

    def revoke(self, certificate_id: str, at: datetime, reason: str) -> CertificateRecord | None:
        """None: it was revoked before, or there is none. Of `KEY_COMPROMISE` the key is remembered, for ever."""

    def compromised(self, public_key: bytes) -> bool:
        """Whether a certificate of this key (DER SubjectPublicKeyInfo) was ever revoked for `KEY_COMPROMISE`."""

    def requests_of(self, profile_id: str, limit: int) -> Sequence[RequestRecord]:
        """The newest first; what was opened a moment ago may be missing."""

    def revoked(self, ca_id: str, expiring_after: datetime) -> Iterable[Revoked]:
        """What a CRL has to list; what was revoked a moment ago may be missing."""

    def next_crl_number(self, ca_id: str, *, at_least: int = 1) -> int:
        """Each is given once, and is greater than those before."""

    def publish(self, ca_id: str, number: int, der: bytes) -> None:
        """Never an older one over a newer one."""

    def published(self, ca_id: str) -> bytes | None:
        """The newest CRL, in DER."""


class KeySeal(Protocol):
    """Private keys that the authority made, bound to their request."""

    def close(self, private_key: PrivateKey, request_id: str) -> str:
        """Base64 of the ciphertext."""

    def open(self, sealed: str, request_id: str) -> PrivateKey:
        """Raises SealBroken for what does not open."""


class Sts(Protocol):
    """Asks the STS of a region who signed these headers, once, without following anything."""

    def caller(self, region: str, headers: dict[str, str], body: bytes) -> Caller:
        """Raises Refusal when it says nobody, Unavailable when it says nothing."""
