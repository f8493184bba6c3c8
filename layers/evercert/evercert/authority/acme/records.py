"""Stored objects of the ACME server; each is read and replaced as a whole, with a version as condition."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evercert.schema import Instant

AccountStatus = Literal["valid", "deactivated"]


class Stored(BaseModel):
    """A frozen object of the state table; unknown members are errors: a replacement must drop nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class EabCredential(Stored):
    """A credential for external account binding (§7.3.4) that an operator created for one profile.

    `names` are patterns of the names that its accounts may order; empty: all that the profile allows. With `once`, it
    binds one account. `sealed` is the MAC key, encrypted for this credential.
    """

    id: str
    profile: str  # id
    sealed: str = Field(repr=False)
    created_at: Instant
    expires_at: Instant | None = None
    once: bool = False
    revoked: bool = False
    names: tuple[str, ...] = ()
    description: str = ""


class Account(Stored):
    """An account of one profile (§7.1.2); `jwk` has the required members of its key only."""

    id: str
    profile: str  # id
    jwk: dict[str, str]
    thumbprint: str
    status: AccountStatus = "valid"
    contact: tuple[str, ...] = ()
    credential: str | None = None  # id of its EabCredential
    binding: dict[str, str] | None = None  # the verified binding, as the client sent it
    created_at: Instant
    version: int = Field(1, ge=1)
