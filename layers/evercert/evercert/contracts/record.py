"""The record of one certificate: state, revisions, and the revision in progress."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import Field, StringConstraints

from evercert.canonical_json import digest
from evercert.contracts.consumers import LateConsumers
from evercert.contracts.probe import ProbeState
from evercert.contracts.record_part import LAST_COUNT, Count, Part
from evercert.contracts.revisions import RollbackRequest
from evercert.documents.spec import Spec
from evercert.errors import Rejected
from evercert.pki.certificate import Chain
from evercert.schema import Instant

WAITS_FOR_CHAIN = "a chain that peers accept"  # `Pending.waits_for` of an issued certificate whose chain cannot be used

Reason = Literal[
    "missing",
    "spec-changed",
    "issuer-changed",
    "requested",
    "revoked",
    "replaced",
    "not-yet-valid",
    "near-expiry",
    "drifted",
    "rolled-back",
]
State = Literal["new", "pending", "ready", "undelivered", "failing", "stopped", "paused"]
Uid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
_LONGEST = 9_999 * 366 * 86_400  # seconds that two times can be apart


class Claim(Part):
    """A time-limited exclusive right to issue one revision."""

    id: str
    until: Instant


class Facts(Part):
    """The certificate that the destinations hold now."""

    revision: Count
    serial_number: str
    not_before: Instant
    not_after: Instant
    fingerprint_sha256: str
    common_name: str | None = None
    names: tuple[str, ...]
    obtained_at: Instant | None = None
    reference: str | None = None  # the issuer's own id of the certificate

    @classmethod
    def of(
        cls, chain: Chain, revision: int, obtained_at: datetime | None = None, reference: str | None = None
    ) -> Facts:
        """Return the facts of the chain's leaf; it ends when the first certificate of its chain does."""
        return cls(
            revision=revision,
            serial_number=chain.serial_number,
            not_before=chain.leaf.not_valid_before_utc,
            not_after=chain.ends,
            fingerprint_sha256=chain.fingerprint_sha256,
            common_name=chain.common_name,
            names=tuple(map(str, chain.identifiers)),
            obtained_at=obtained_at,
            reference=reference,
        )

    @property
    def lifetime(self) -> timedelta:
        """The time from notBefore to notAfter."""
        return self.not_after - self.not_before


class Delivery(Part):
    """The state of one destination and of a delivery in progress there."""

    revision: Count = 0  # 0: nothing is delivered yet
    location: str = ""
    version: str = ""
    intended_at: Instant | None = None  # start of a delivery whose outcome is not stored yet
    turn: Instant | None = None  # the slot of its next write
    retry_at: Instant | None = None  # earliest retry after a failure of this destination

    @property
    def in_doubt(self) -> bool:
        """Whether the destination may have a newer revision than this one."""
        return self.revision > 0 and self.intended_at is not None


class Finding(Part):
    """A problem that a status check found with one revision, so that a new revision is due."""

    reason: Literal["revoked", "replaced", "drifted"]
    revision: Count
    found_at: Instant


class RenewalAdvice(Part):
    """The period in which the CA suggests a renewal of one revision (RFC 9773)."""

    revision: Count
    start: Instant
    end: Instant
    explanation: str | None = None


class Streak(Part):
    """Consecutive issuances without a request, the last valid for `lifetime` seconds; an edit or request ends it."""

    times: tuple[Instant, ...]
    lifetime: Annotated[int, Field(ge=-_LONGEST, le=_LONGEST)]
    generation: Count
    requested_at: Instant | None = None


class KeptKey(Part):
    """The sealed private key that every revision uses if the spec says `rotate: never`."""

    sealed_key: str
    revision: Count
    algorithm: str


class Pending(Part):
    """A revision in progress: key sealed, perhaps requested, perhaps issued, not yet delivered everywhere."""

    revision: Count
    reason: Reason
    generation: Count
    requested_at: Instant | None = None
    issuer: str
    request_hash: str
    issuer_hash: str
    sealed_key: str | None = None  # None: the user supplied a CSR, or the issuer generates the key
    csr: str | None = None  # None: the issuer generates the key, or the chain is here, which has the public key
    nonce: str | None = None  # instead of a CSR, if the issuer generates the key
    followed: bool = False  # issued elsewhere: evercert must not revoke it
    restores: Count | None = None  # the kept revision that a rollback delivers again
    handle: str | None = None
    retry_at: Instant | None = None
    deadline: Instant | None = None
    chain: str | None = None
    obtained_at: Instant | None = None
    reference: str | None = None
    waits_for: str | None = None
    gave_up: str | None = None
    failures: Count | None = None  # in a row, once one of several issuers may have accepted the request

    @property
    def asked(self) -> str:
        """The CSR or nonce, unique to this revision even if a restored record reuses its number."""
        return self.csr or self.nonce or ""


class Failure(Part):
    """The last failure, and the spec, request and issuer that it applies to; a change of these is tried at once."""

    kind: str
    message: str
    at: Instant
    generation: Count
    requested_at: Instant | None = None
    issuer_hash: str | None = None


class Record(Part):
    """The complete record of one certificate.

    Operators write `spec`, `generation`, `requested_at`, `request_reason`, `woken_at` and `rollback`; the issuer writes
    the rest, and removes `rollback` when it is done.
    """

    name: str
    uid: Uid
    spec: Spec
    generation: Count
    requested_at: Instant | None = None
    request_reason: str | None = None
    woken_at: Instant | None = None
    rollback: RollbackRequest | None = None
    state: State = "new"
    revision: Count = 0
    outcomes: Count = 0
    facts: Facts | None = None
    not_after: Instant | None = None  # the earliest of the certificates in use: a destination may lag
    request_hash: str | None = None
    issuer_hash: str | None = None
    served: Instant | None = None
    deliveries: dict[str, Delivery] = {}
    pending: Pending | None = None
    failures: Count = 0
    last_error: Failure | None = None
    retry_at: Instant | None = None
    renew_at: Instant | None = None
    check_at: Instant | None = None
    warned: Count = 0
    finding: Finding | None = None
    advice: RenewalAdvice | None = None
    probed: ProbeState | None = None
    behind: LateConsumers | None = None
    streak: Streak | None = None
    kept_key: KeptKey | None = None
    resting: bool = False
    claim: Claim | None = None
    due_at: Instant | None = None

    @property
    def rolls_back(self) -> bool:
        """Whether a rollback is requested or in progress."""
        return self.rollback is not None or (self.pending is not None and self.pending.restores is not None)

    @property
    def next_failures(self) -> int:
        """The failures in a row after one more, at most LAST_COUNT."""
        return min(self.failures + 1, LAST_COUNT)

    @property
    def next_revision(self) -> int:
        """The next revision: higher than every known one, even after a manual edit of the count.

        Raises Rejected after the last number.
        """
        others = [part.revision for part in (self.facts, self.pending) if part is not None]
        last = max([self.revision, *(delivery.revision for delivery in self.deliveries.values()), *others])
        if last >= LAST_COUNT:
            raise Rejected(f"no revision follows {last}: a manual edit set it; delete {self.name} and apply it again")
        return last + 1

    def token(self, revision: int, asked: str) -> str:
        """Return the idempotency token of one revision, equal for every attempt to obtain it.

        It includes the CSR or the nonce, because a restored record reuses revision numbers with other keys.
        """
        return str(uuid5(UUID(self.uid), f"revision#{revision}#{digest(asked)}"))

    def delivered(self, revision: int) -> bool:
        """Whether every destination of the spec has this revision, without doubt."""
        found = (self.deliveries.get(destination.key, Delivery()) for destination in self.spec.destinations)
        return all(here.revision == revision and not here.in_doubt for here in found)
