"""Profiles and applications, configured by operators or through the API."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from evercert.authority.configuration.acme_limits import AcmeLimits
from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.policy.policy import Part, Policy
from evercert.schema import Instant, Model, misplaced, text_of

Kind = Literal["project", "policy", "profile", "application"]
EnrollmentType = Literal["api", "acme"]


def id_of(stack: str, kind: Kind, name: str) -> str:
    """Derive a stable id from the name of a project, a policy or profile (`project/name`), or an application."""
    return str(uuid5(NAMESPACE_URL, f"evercert:{stack}:{kind}:{name}"))


def new_generation() -> str:
    """Return the generation of a new profile: a deleted profile of its name, which has the same id, had another one."""
    return str(uuid4())


ChallengeType = Literal["http-01", "dns-01"]


class AcmeOptions(Part):
    """How a profile serves ACME clients.

    `eab: optional` lets any client register an account; `ownership: unchecked` issues without challenges. Both
    together would certify any name for anyone, so they exclude each other.
    """

    eab: Literal["required", "optional"] = "required"
    ownership: Literal["checked", "unchecked"] = "checked"
    challenges: tuple[ChallengeType, ...] = ("http-01", "dns-01")
    terms_of_service: (
        Annotated[str, text_of(r"https://[!-~]{1,500}", "must be a URL that begins with https://")] | None
    ) = None
    limits: AcmeLimits = AcmeLimits()

    @model_validator(mode="after")
    def _require_some_check(self) -> Self:
        if self.eab == "optional" and self.ownership == "unchecked":
            raise misplaced({("ownership",): "unchecked needs eab: required, or anyone could have any name certified"})
        if not self.challenges:
            raise misplaced({("challenges",): "give at least one of http-01 and dns-01"})
        return self

    @model_serializer(mode="wrap")
    def _without_usual_limits(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave `limits` out if they are the usual ones, which a later release may change."""
        found: dict[str, Any] = serialize(self)
        return {key: value for key, value in found.items() if key != "limits" or self.limits != AcmeLimits()}


class ApiOptions(Part):
    """Automatic renewal of certificates that were requested through the API.

    `renew_before_days` is required for automatic renewal.
    """

    auto_renew: Annotated[bool, Field(strict=True)] = False
    renew_before_days: Annotated[int, Field(strict=True, ge=1, le=30)] | None = None

    @model_validator(mode="after")
    def _require_days(self) -> Self:
        if self.auto_renew and self.renew_before_days is None:
            raise misplaced({("renew-before-days",): "Required with automatic renewal: from 1 to 30"})
        return self


class EabCredential(Model):
    """A credential for external account binding (RFC 8555 §7.3.4) that an operator created for one profile.

    `names` are patterns of the names that its accounts may order; empty: all that the profile allows. With `once`, it
    binds one account. `sealed` is the MAC key, encrypted for this credential. `generation` is that of the profile.
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
    generation: str = ""

    @model_serializer(mode="wrap")
    def _without_absent_generation(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the generation of profiles of earlier releases, which refuse unknown keys."""
        return without_absent_generation(serialize(self))

    def is_of(self, profile_id: str, generation: str) -> bool:
        """Return whether the credential is of this profile, and not of a deleted one with its name."""
        return (self.profile, self.generation) == (profile_id, generation)


def without_absent_generation(values: dict[str, Any]) -> dict[str, Any]:
    """Return the stored values, without an empty generation."""
    return {key: value for key, value in values.items() if key != "generation" or value}


_OMITTED_IF_NONE = ("acme", "api", "enrollment", "approval", "issuer")


class Profile(Model):
    """A certificate profile; `cas` are names of issuing CAs, at most one for each key family.

    `defaults` have the keys of the Infisical API: `ttlDays`, `commonName`, `keyAlgorithm`, … `acme` is None if the
    profile serves no ACME clients. `enrollment` limits the profile to one type of clients; None serves all.
    `approval` is None if requests need no approval. `issuer` is the name of the evercert issuer of the type `external`.
    `generation` differs between profiles that had the same name, one after the other; it is empty in those of earlier
    releases.
    """

    id: str
    project: str
    slug: str
    description: str = ""
    issuer_type: Literal["ca", "self-signed", "external"] = "ca"
    cas: tuple[str, ...] = ()
    policy_name: str
    policy: Policy
    defaults: dict[str, Any] = {}
    acme: AcmeOptions | None = None
    api: ApiOptions | None = None
    enrollment: EnrollmentType | None = None
    approval: ApprovalOptions | None = None
    issuer: str | None = None
    generation: str = ""

    @model_serializer(mode="wrap")
    def _without_absent_options(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out later options that are None: releases that do not know them refuse unknown keys."""
        found = without_absent_generation(serialize(self))
        return {key: value for key, value in found.items() if key not in _OMITTED_IF_NONE or value is not None}

    @property
    def key(self) -> str:
        """Return `project/slug`, as in grants and documents."""
        return f"{self.project}/{self.slug}"

    @property
    def acme_enrollment(self) -> AcmeOptions | None:
        """Return the options for ACME clients, None if the profile does not serve them."""
        return None if self.enrollment == "api" else self.acme


class EnrollmentSettings(Model):
    """Settings of a profile in one application; `api` is None if the application's requests are refused."""

    api: ApiOptions | None = None


class Application(Model):
    """A named group of profiles in one project.

    `enrollment` has the settings of profiles by slug; a profile without settings serves all requests.
    """

    id: str
    name: str
    project: str
    profiles: tuple[str, ...]  # slugs
    description: str = ""
    enrollment: dict[str, EnrollmentSettings] = {}

    @model_serializer(mode="wrap")
    def _without_absent_options(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out later fields that are empty: releases that do not know them refuse unknown keys."""
        found: dict[str, Any] = serialize(self)
        return {key: value for key, value in found.items() if key not in ("description", "enrollment") or value}
