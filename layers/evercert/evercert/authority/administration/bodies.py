"""Parse the bodies of the management API; unknown keys are ignored, except in the rules of a policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints, ValidationError

from evercert.authority.api_errors import invalid
from evercert.authority.configuration.document_entries import Name, Slug
from evercert.authority.requests.attribute_fields import Body
from evercert.authority.requests.bodies import to_refusal, uuid_text
from evercert.documents.spec import IssuerName

Description = Annotated[str, StringConstraints(max_length=1000)]
Uuid = Annotated[str, AfterValidator(uuid_text)]
T = TypeVar("T", bound=BaseModel)
_POLICY_KEYS = ("subject", "sans", "keyUsages", "extendedKeyUsages", "algorithms", "validity", "basicConstraints")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class ApiConfigBody(Body):
    """Automatic renewal of certificates that are requested through the API."""

    auto_renew: bool = False
    renew_before_days: Annotated[int, Field(ge=1, le=30)] | None = None


class AcmeConfigBody(Body):
    """Checks that ACME clients may skip."""

    skip_dns_ownership_verification: bool | None = None
    skip_eab_binding: bool | None = None


class ApprovalConfigBody(Body):
    """Approvals of requests (evercert only); with 0 required approvals, requests need none."""

    required_approvals: Annotated[int, Field(ge=0, le=10)] = 1
    deadline_hours: Annotated[int, Field(ge=1, le=2_160)] = 168
    renewals: bool = True


class _Described(Body):
    """An object with a description, which null clears; a missing one leaves it as it is."""

    description: Description | None = None

    def description_after(self, before: str) -> str:
        """Return the description of an object that had another one."""
        return (self.description or "") if "description" in self.model_fields_set else before


class ProfileBody(_Described):
    """The fields of a profile; `caIds` allows one CA for each key family.

    A missing field stays as it is, and so does one that is null, except for `description` and `defaults`.
    """

    project_id: Uuid | None = None
    slug: Slug | None = None
    enrollment_type: Annotated[Literal["api", "acme", "est", "scep"], BeforeValidator(_lower)] | None = None
    issuer_type: Literal["ca", "self-signed", "external"] | None = None
    issuer: IssuerName | None = None
    ca_id: Uuid | None = None
    ca_ids: Annotated[list[Uuid], Field(min_length=1, max_length=10)] | None = None
    certificate_policy_id: Uuid | None = None
    certificate_template_id: Uuid | None = None
    api_config: ApiConfigBody | None = None
    acme_config: AcmeConfigBody | None = None
    est_config: dict[str, Any] | None = None
    scep_config: dict[str, Any] | None = None
    external_configs: dict[str, Any] | None = None
    approval_config: ApprovalConfigBody | None = None
    defaults: dict[str, Any] | None = None
    default_ttl_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @property
    def clears_defaults(self) -> bool:
        """Return whether the body says that there are no defaults."""
        return self.defaults is None and "defaults" in self.model_fields_set

    @property
    def policy_id(self) -> str | None:
        """Return the id of the policy, which older clients call a template."""
        return self.certificate_policy_id or self.certificate_template_id


class PolicyBody(_Described):
    """The name of a policy; `policy_rules` returns its rules."""

    project_id: Uuid | None = None
    name: Name | None = None


class ApplicationBody(_Described):
    """The fields of an application."""

    project_id: Uuid | None = None
    name: Name | None = None
    profile_ids: Annotated[list[Uuid], Field(max_length=100)] | None = None


def read(model: type[T], data: object, *required: str) -> T:
    """Parse a body; raise Refusal (422) with every invalid or missing field."""
    if not isinstance(data, dict):
        raise invalid([((), "Expected an object")])
    try:
        body = model.model_validate(data)
    except ValidationError as error:
        raise to_refusal(error) from None
    if missing := [name for name in required if data.get(name) is None]:
        raise invalid([((name,), "Required") for name in missing])
    return body


def policy_rules(data: dict[str, Any]) -> dict[str, Any]:
    """Return the rules in the body of a policy; null leaves one out."""
    return {key: data[key] for key in _POLICY_KEYS if data.get(key) is not None}


def validated(build: Callable[[], T]) -> T:
    """Build a model of stored configuration from a body; raise Refusal (422) with every invalid field."""
    try:
        return build()
    except ValidationError as error:
        raise to_refusal(error) from None
