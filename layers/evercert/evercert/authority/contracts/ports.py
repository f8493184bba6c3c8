"""Ports of the authority; each has an adapter in `aws/` and a double in the tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evercert.authority.ca.definition import CA
from evercert.authority.ca.public_files import PublicFile
from evercert.authority.ca.signing_orders import CrlOrder, Intent, LeafOrder, Revoked
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, EabCredential, Profile
from evercert.authority.contracts.automatic_renewals import AutomaticRenewals
from evercert.authority.contracts.inventory import Inventory
from evercert.authority.contracts.issuance_trail import Actor, IssuanceTrail
from evercert.authority.contracts.records import CertificateRecord, ListedRequest, LoginFailures, RequestRecord, Token
from evercert.errors import Misconfigured
from evercert.pki.keys import PrivateKey


@dataclass(frozen=True)
class Caller:
    """The signer of a request, as reported by STS."""

    account: str
    arn: str
    user_id: str


class CallScope(Protocol):
    """Scope of the objects that the reads of one call share."""

    def call(self, kind: str) -> AbstractContextManager[None]:
        """Begin a call, and forget at its end what it read.

        `kind` groups calls that need similar objects, such as those of one route.
        """


class Configuration(Protocol):
    """Read access to the configuration; raises Unavailable or Misconfigured, returns None if an object is missing.

    A call may see an object as it was at any time since the call began, and never as it was before.
    """

    def refresh(self) -> None:
        """Forget what the call has read: later reads return the objects as they are by then."""

    def ca(self, ca_id: str) -> CA | None:
        """Return the CA with this id, or None."""

    def cas(self) -> tuple[CA, ...]:
        """Return all CAs."""

    def every_ca(self) -> Mapping[str, CA | Misconfigured]:
        """Return all CAs by id; an unreadable one is replaced by its error, so that the others stay usable."""

    def issuing_cas(self, names: Sequence[str]) -> Mapping[str, CA | Misconfigured]:
        """Return at least the existing issuing CAs with these names, by id; may return all CAs."""

    def profile(self, profile_id: str) -> Profile | None:
        """Return the profile with this id and its policy, or None."""

    def profiles(self) -> tuple[Profile, ...]:
        """Return all profiles."""

    def project(self, project_id: str) -> str | None:
        """Return the slug of the project with this id, or None."""

    def application(self, application_id: str) -> Application | None:
        """Return the application with this id, or None."""

    def identity(self, identity_id: str) -> Identity | None:
        """Return the identity with this id, or None."""

    def eab_credential(self, credential_id: str) -> EabCredential | None:
        """Return the credential for external account binding with this id, or None."""

    def identity_of_client(self, client_id: str) -> Identity | None:
        """Return the identity with this universal auth client ID, or None."""


class Signer(Protocol):
    """The only component that may use issuing keys; both calls are idempotent.

    Raises Refusal (beyond the ceiling), Unavailable, Misconfigured.
    """

    def leaf(self, order: LeafOrder) -> bytes:
        """Sign a certificate; return it in DER."""

    def crl(self, order: CrlOrder) -> bytes:
        """Sign a CRL and return it in DER; if this number was signed before, return the earlier CRL."""


class Ledger(Protocol):
    """Write-once record of everything the signer signs; no function reads it."""

    def intend(self, intent: Intent) -> Intent | None:
        """Store an intent; return the stored or an earlier one, or None if the serial number is taken."""

    def conclude(self, intent: Intent, der: bytes) -> bytes:
        """Store a result; return the stored or an earlier one of the same id."""


class Tokens(Protocol):
    """Access tokens, lockouts and used signatures; contains no secrets."""

    def keep(self, token: Token) -> None:
        """Store a new token."""

    def find(self, digest: str) -> Token | None:
        """Return the token, or None; it may be expired."""

    def use(self, digest: str) -> bool:
        """Consume one use of a limited token; return False if none is left or the token is missing."""

    def prolong(self, token: Token, expires_at: datetime | None) -> bool:
        """Set a new expiry; return False if the token was deleted."""

    def forget(self, digest: str) -> None:
        """Delete the token."""

    def take_signature(self, digest: str, until: datetime, holder: str | None = None) -> bool:
        """Mark a signature as used; return False if it was used before.

        The same `holder` may use it again with the same `until`.
        """

    def login_failures(self, client_id: str) -> LoginFailures:
        """Return the failures of a client ID; their times may be in the past."""

    def replace_login_failures(
        self, client_id: str, seen: LoginFailures, changed: LoginFailures | None
    ) -> LoginFailures | None:
        """Replace `seen` by `changed`, or delete it (None), in one atomic write.

        Return None on success, or the current failures if another login changed them.
        """

    def secret_used_up(self, secret_id: str, most: int) -> bool:
        """Return whether a limited client secret has no use left."""

    def use_secret(self, secret_id: str, most: int) -> bool:
        """Consume one use of a limited client secret; return False if none is left."""


class Certificates(AutomaticRenewals, Inventory, IssuanceTrail, Protocol):
    """Requests and certificates; every write is conditional, and stores its entry of the issuance trail."""

    def open(self, request: RequestRecord, token: str | None, key: bytes | None = None) -> RequestRecord:
        """Store a request, its token and its claim on a renewal; return it, or an earlier one with one of these.

        Raise Refusal (400) if `key` (DER SubjectPublicKeyInfo) was revoked as compromised: then nothing is stored.
        """

    def request(self, request_id: str) -> RequestRecord | None:
        """Return the request with this id, or None."""

    def request_of(self, token: str) -> RequestRecord | None:
        """Return the request with this idempotency token, or None."""

    def renewal_of(self, certificate_id: str) -> RequestRecord | None:
        """Return the request that claims to renew this certificate, unless it failed."""

    def finish(self, request: RequestRecord, record: CertificateRecord) -> CertificateRecord:
        """Store the certificate, the request status and the link from the renewed certificate atomically.

        Idempotent; returns the stored certificate, which may be an earlier one.
        """

    def fail(self, request: RequestRecord, error: str, by: Actor | None = None) -> None:
        """Mark the request as failed and release its claim on a renewal; idempotent. `by` cancelled it."""

    def certificate(self, name: str) -> CertificateRecord | None:
        """Return the certificate with this id or lower-case hexadecimal SHA-256, or None."""

    def revoke(self, certificate_id: str, at: datetime, reason: str, by: Actor) -> CertificateRecord | None:
        """Revoke a certificate; return None if it is missing, imported or already revoked.

        For `KEY_COMPROMISE`, the key stays blocked indefinitely.
        """

    def compromised(self, public_key: bytes) -> bool:
        """Return whether this key (DER SubjectPublicKeyInfo) was ever revoked for `KEY_COMPROMISE`."""

    def requests_of(
        self, profile_id: str, limit: int, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[ListedRequest]:
        """Return index entries of a profile's newest requests in a period, newest first; eventually consistent."""

    def requests_by_id(self, ids: Sequence[str]) -> Sequence[RequestRecord]:
        """Return the requests with these ids, in their order, without those that are missing."""

    def revoked(self, ca_id: str, expiring_after: datetime) -> Iterable[Revoked]:
        """Return the entries for a CRL; eventually consistent."""

    def next_crl_number(self, ca_id: str, *, at_least: int = 1) -> int:
        """Return a unique CRL number, greater than all before."""

    def lease_crl(self, ca_id: str, now: datetime, until: datetime) -> bool:
        """Reserve the publication of a CA's CRL; return False while another publisher has it."""

    def release_crl(self, ca_id: str, until: datetime) -> None:
        """End the lease that was taken until this time; does nothing if another publisher has it by now."""

    def publish(self, ca_id: str, number: int, der: bytes) -> None:
        """Store a CRL, unless a newer one is stored."""

    def published(self, ca_id: str) -> bytes | None:
        """Return the newest CRL in DER, or None."""


class PublicStore(Protocol):
    """Copies of CRLs and CA certificates that clients may load over http."""

    def put(self, file: PublicFile) -> bool:
        """Store a file unless this or a newer one is already stored; return whether it was written.

        Raise Unavailable or Misconfigured; the file may have been stored nevertheless.
        """


class RenewalAnnouncer(Protocol):
    """Announcement of failed automatic renewals."""

    def failed(self, record: CertificateRecord, error: str, next_attempt: datetime | None) -> None:
        """Publish that a renewal failed; raise Unavailable or Misconfigured."""


class KeySeal(Protocol):
    """Encryption of generated private keys, bound to their request."""

    def close(self, private_key: PrivateKey, request_id: str) -> str:
        """Encrypt a private key; return the ciphertext in base64."""

    def open(self, sealed: str, request_id: str) -> PrivateKey:
        """Decrypt a private key; raise SealBroken if that fails."""


class Sts(Protocol):
    """Sends a signed request to the STS of a region once, without following redirects."""

    def caller(self, region: str, headers: dict[str, str], body: bytes) -> Caller:
        """Return the signer; raise Refusal if STS rejects the request, Unavailable without an answer."""
