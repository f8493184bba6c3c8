"""Stored objects of the ACME server; each is read and replaced as a whole, with a version as condition."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from evercert.authority.acme.ordered_names import WILDCARD, base_of
from evercert.authority.configuration.profiles import ChallengeType, without_absent_generation
from evercert.pki.identifiers import Identifier, Kind
from evercert.schema import Instant

AccountStatus = Literal["valid", "deactivated"]
OrderStatus = Literal["pending", "ready", "processing", "valid", "invalid"]
AuthorizationStatus = Literal["pending", "valid", "invalid", "deactivated", "expired"]


class Stored(BaseModel):
    """A frozen object of the state table; unknown members are errors: a replacement must drop nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Account(Stored):
    """An account of one profile (§7.1.2); `jwk` has the required members of its key only.

    `generation` is that of its profile: a later profile of the same name has other accounts.
    """

    id: str
    profile: str  # id
    jwk: dict[str, str]
    thumbprint: str
    status: AccountStatus = "valid"
    contact: tuple[str, ...] = ()
    credential: str | None = None  # id of its EabCredential
    binding: dict[str, str] | None = None  # the verified binding, as the client sent it
    created_at: Instant
    generation: str = ""
    version: int = Field(1, ge=1)

    @model_serializer(mode="wrap")
    def _without_absent_generation(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the generation of profiles of earlier releases, which refuse unknown keys."""
        return without_absent_generation(serialize(self))

    @property
    def scope(self) -> str:
        """Return the scope in which no other account has its key."""
        return scope_of(self.profile, self.generation)


def scope_of(profile_id: str, generation: str) -> str:
    """Return the scope of a profile's accounts; a later profile of the same name has another one."""
    return f"{profile_id}#{generation}" if generation else profile_id


class Challenge(Stored):
    """A challenge of an authorization (§7.1.5); `thumbprint` is of the account key that answered it.

    `error` is the problem document of the last try. `due_at` is the time of the next one, and `resent` how often its
    message was sent again.
    """

    type: ChallengeType
    token: str
    status: Literal["pending", "processing", "valid", "invalid"] = "pending"
    thumbprint: str | None = None
    tries: int = Field(0, ge=0)
    due_at: Instant | None = None
    resent: int = Field(0, ge=0)
    validated_at: Instant | None = None
    error: dict[str, Any] | None = None


class Authorization(Stored):
    """The authorization of one name of one order (§7.1.4); `name` is without `*.`."""

    kind: Kind
    name: str
    wildcard: bool = False
    status: Literal["pending", "valid", "invalid", "deactivated"] = "pending"
    challenges: tuple[Challenge, ...] = ()

    def status_at(self, now: datetime, expires_at: datetime) -> AuthorizationStatus:
        """Return the status; a pending authorization expires with its order."""
        return "expired" if self.status in {"pending", "valid"} and now >= expires_at else self.status

    def challenge(self, kind: str) -> Challenge | None:
        """Return the challenge of this type, or None."""
        return next((one for one in self.challenges if one.type == kind), None)

    def with_challenge(self, changed: Challenge) -> Authorization:
        """Return the authorization with a changed challenge: one valid or invalid challenge decides (§7.1.6)."""
        challenges = tuple(changed if one.type == changed.type else one for one in self.challenges)
        status = changed.status if changed.status in {"valid", "invalid"} else self.status
        return self.model_copy(update={"challenges": challenges, "status": status})


class Order(Stored):
    """An order (§7.1.3) with its authorizations, which belong to no other order.

    `closed` is None until the order is finalized or fails. `request` is the id of the certificate request,
    `certificate` that of the issued certificate, `replaces` the ARI id of the one that it replaces (RFC 9773 §5).
    """

    id: str
    account: str
    profile: str  # id
    application: str | None = None  # id
    created_at: Instant
    expires_at: Instant
    authorizations: tuple[Authorization, ...]
    not_before: Instant | None = None
    not_after: Instant | None = None
    named_profile: str | None = None  # as the client selected it
    replaces: str | None = None
    closed: Literal["processing", "valid", "invalid"] | None = None
    request: str | None = None
    certificate: str | None = None
    error: dict[str, Any] | None = None
    version: int = Field(1, ge=1)

    @property
    def names(self) -> tuple[Identifier, ...]:
        """The ordered names, wildcards with `*.`."""
        return tuple(
            Identifier(one.kind, f"{WILDCARD}{one.name}" if one.wildcard else one.name) for one in self.authorizations
        )

    def status_at(self, now: datetime) -> OrderStatus:
        """Return the status (§7.1.6): of the order itself once it is finalized, else that of its authorizations."""
        if self.closed is not None:
            return self.closed
        found = {one.status_at(now, self.expires_at) for one in self.authorizations}
        if found == {"valid"}:
            return "ready"
        return "pending" if found <= {"valid", "pending"} else "invalid"

    def with_authorization(self, place: int, changed: Authorization) -> Order:
        """Return the next version of the order with a changed authorization."""
        authorizations = (*self.authorizations[:place], changed, *self.authorizations[place + 1 :])
        return self.next(authorizations=authorizations)

    def next(self, **changes: object) -> Order:
        """Return the next version of the order."""
        return self.model_copy(update={**changes, "version": self.version + 1})


def new_authorization(name: Identifier, challenges: tuple[Challenge, ...]) -> Authorization:
    """Return a pending authorization; without challenges, a valid one."""
    base, wildcard = base_of(name)
    status: Literal["pending", "valid"] = "pending" if challenges else "valid"
    return Authorization(kind=base.kind, name=base.value, wildcard=wildcard, status=status, challenges=challenges)


def is_proven(found: Authorization) -> bool:
    """Return whether a challenge of the authorization was validated."""
    return any(one.status == "valid" for one in found.challenges)
