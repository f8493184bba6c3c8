"""What is known of one certificate: its state, its revisions, what is under way."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from evercert.canonical_json import digest
from evercert.documents.spec import Spec
from evercert.pki.certificate import Chain
from evercert.schema import Instant

# 1: without what status checks, warnings, turns and kept keys need; 2: without what an issuer that makes keys, knows
# its certificates by a name of its own and waits for people needs.
SCHEMA = 3

Reason = Literal[
    "missing", "spec-changed", "issuer-changed", "requested", "revoked", "replaced", "near-expiry", "drifted"
]
State = Literal["new", "pending", "ready", "undelivered", "failing", "stopped", "paused"]
Uid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Count = Annotated[int, Field(ge=0, le=99_999_999)]  # as many digits as an outcome's key has room for


class Part(BaseModel):
    """A frozen part of a record; unknown attributes are refused, so that a newer schema is never half read."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Claim(Part):
    """A short exclusive right to issue one revision."""

    id: str
    until: Instant


class Facts(Part):
    """The certificate that destinations hold now."""

    revision: int
    serial_number: str
    not_before: Instant
    not_after: Instant
    fingerprint_sha256: str
    common_name: str | None = None
    names: tuple[str, ...]
    obtained_at: Instant | None = None
    reference: str | None = None  # the issuer's own name of it

    @classmethod
    def of(
        cls, chain: Chain, revision: int, obtained_at: datetime | None = None, reference: str | None = None
    ) -> Facts:
        """The facts of this chain's leaf."""
        return cls(
            revision=revision,
            serial_number=chain.serial_number,
            not_before=chain.leaf.not_valid_before_utc,
            not_after=chain.leaf.not_valid_after_utc,
            fingerprint_sha256=chain.fingerprint_sha256,
            common_name=chain.common_name,
            names=tuple(map(str, chain.identifiers)),
            obtained_at=obtained_at,
            reference=reference,
        )

    @property
    def lifetime(self) -> timedelta:
        """From notBefore to notAfter."""
        return self.not_after - self.not_before


class Delivery(Part):
    """What one destination has, and how far a delivery there has come.

    `revision` 0: it has nothing yet. `intended_at`: a first delivery was begun then, and its answer may be lost.
    `turn`: when its next write may go out. `retry_at`: not before then, after a failure of its own.
    """

    revision: int = 0
    location: str = ""
    version: str = ""
    intended_at: Instant | None = None
    turn: Instant | None = None
    retry_at: Instant | None = None


class Finding(Part):
    """What a status check found wrong with one revision, so that a new one is due."""

    reason: Literal["revoked", "replaced", "drifted"]
    revision: int
    found_at: Instant


class Streak(Part):
    """Issuances in a row that nobody asked for, the last good for `lifetime` seconds; an edit or request ends it."""

    times: tuple[Instant, ...]
    lifetime: int
    generation: int
    requested_at: Instant | None = None


class KeptKey(Part):
    """The sealed private key that every revision uses, where the spec says `rotate: never`."""

    sealed_key: str
    revision: int
    algorithm: str


class Pending(Part):
    """A revision under way: sealed, perhaps asked for, perhaps answered, not yet everywhere."""

    revision: int
    reason: Reason
    generation: int
    requested_at: Instant | None = None
    issuer: str
    request_hash: str
    issuer_hash: str
    sealed_key: str | None = None  # None: the user has the key, and gave a CSR; or the issuer is still to make it
    csr: str | None = None  # None: the issuer makes the key; what tells this revision from others is then `nonce`
    nonce: str | None = None
    followed: bool = False  # it was issued elsewhere, and is nobody's here to take back
    handle: str | None = None
    retry_at: Instant | None = None
    deadline: Instant | None = None
    chain: str | None = None
    obtained_at: Instant | None = None
    reference: str | None = None
    waits_for: str | None = None
    gave_up: str | None = None

    @property
    def asked(self) -> str:
        """What tells it from every other revision, even from one of the same number in a restored record."""
        return self.csr or self.nonce or ""


class Failure(Part):
    """Why the last try failed, and for which wish, so that another wish is tried at once."""

    kind: str
    message: str
    at: Instant
    generation: int
    requested_at: Instant | None = None
    issuer_hash: str | None = None


class Record(Part):
    """All of it.

    `spec`, `generation`, `requested_at`, `request_reason` and `woken_at` are the operator's, the rest is the issuer's.
    """

    name: str
    uid: Uid
    spec: Spec
    generation: int
    requested_at: Instant | None = None
    request_reason: str | None = None
    woken_at: Instant | None = None
    state: State = "new"
    revision: Count = 0
    outcomes: Count = 0
    facts: Facts | None = None
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
    streak: Streak | None = None
    kept_key: KeptKey | None = None
    resting: bool = False
    claim: Claim | None = None
    due_at: Instant | None = None

    @property
    def next_revision(self) -> int:
        """Higher than any that is known, even if somebody lowered the count."""
        known = [self.revision, *(delivery.revision for delivery in self.deliveries.values())]
        return max([*known, self.facts.revision if self.facts is not None else 0]) + 1

    def token(self, revision: int, asked: str) -> str:
        """The idempotency token of one revision: the same for every try to obtain it.

        The CSR (or the nonce, where there is none) is in it because a restored record counts revisions anew, and its
        next one has another key.
        """
        return str(uuid5(UUID(self.uid), f"revision#{revision}#{digest(asked)}"))

    def delivered(self, revision: int) -> bool:
        """Whether every destination of the spec has this revision."""
        return all(
            (delivery := self.deliveries.get(destination.key)) is not None and delivery.revision == revision
            for destination in self.spec.destinations
        )
