"""Models of the entries in an authority document, and readable problems for invalid ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.configuration.profiles import AcmeOptions, ApiOptions, EnrollmentSettings, EnrollmentType
from evercert.authority.policy.policy import (
    Algorithms,
    BasicConstraintsRule,
    ExtendedKeyUsageRule,
    KeyUsageRule,
    NameRule,
    Part,
    Policy,
    SubjectRule,
    Validity,
    kebab,
    kebab_keys,
)
from evercert.authority.requests.defaults import Defaults
from evercert.documents.document import Path, Problem, problem_of
from evercert.documents.spec import IssuerName
from evercert.schema import nearest, printable, text_of

Slug = Annotated[str, text_of(r"[a-z0-9-]{1,255}", "must be 1 to 255 lower-case letters, digits and hyphens")]
Name = Annotated[str, text_of(r"[a-zA-Z0-9_-]{1,255}", "must be 1 to 255 letters, digits, _ and -")]
Description = Annotated[str, StringConstraints(max_length=1000)]


class ProfileEntry(Part):
    """A profile entry; `policy` names a policy of the document, or a preset.

    Without the key `api` or `enrollment`, the profile keeps what the API has set.
    """

    slug: Slug
    project: Slug
    description: Description = ""
    issuer_type: Literal["ca", "self-signed", "external"] = "ca"
    issuer: IssuerName | None = None
    cas: tuple[Name, ...] = ()
    policy: Name
    defaults: Annotated[dict[str, Any], AfterValidator(kebab_keys)] = {}
    acme: AcmeOptions | None = None
    approval: ApprovalOptions | None = None
    api: ApiOptions | None = None
    enrollment: EnrollmentType | None = None


class ApplicationEntry(Part):
    """An application entry, with slugs of profiles in one project.

    Without the key `description` or `enrollment`, the application keeps what the API has set.
    """

    name: Name
    project: Slug
    profiles: tuple[Slug, ...]
    description: Description = ""
    enrollment: dict[Slug, EnrollmentSettings] = {}


class Form(Part):
    """The top level of a document; its policies are validated one by one."""

    version: Literal["authority/v1"]
    policies: dict[Name, dict[str, Any]] = {}
    profiles: tuple[ProfileEntry, ...] = ()
    applications: tuple[ApplicationEntry, ...] = ()


_PARTS: dict[str, type[BaseModel]] = {
    "profiles": ProfileEntry,
    "applications": ApplicationEntry,
    "acme": AcmeOptions,
    "api": ApiOptions,
    "approval": ApprovalOptions,
    "subject": SubjectRule,
    "sans": NameRule,
    "key-usages": KeyUsageRule,
    "extended-key-usages": ExtendedKeyUsageRule,
    "algorithms": Algorithms,
    "validity": Validity,
    "basic-constraints": BasicConstraintsRule,
}


def kebab_keys_of(data: dict[Any, Any]) -> dict[Any, Any]:
    """Convert keys to kebab-case; duplicate keys are reported elsewhere."""
    return {kebab(key): value for key, value in data.items()}


def problems_of(error: ValidationError, root: type[BaseModel], place: Path = ()) -> Iterator[Problem]:
    """Yield each problem at its kebab-case path; suggest the nearest known key for an unknown one."""
    for detail in error.errors(include_url=False, include_input=False):
        loc = tuple(str(kebab(part)) if isinstance(part, str) and root is Defaults else part for part in detail["loc"])
        if detail["type"] != "extra_forbidden":
            yield problem_of({**detail, "loc": loc}, place)
            continue
        parent = next((part for part in reversed(loc[:-1]) if isinstance(part, str)), None)
        model = root if parent is None else _PARTS.get(parent)
        keys = [] if model is None else [str(kebab(field.alias or name)) for name, field in model.model_fields.items()]
        if model is Policy:
            keys.append("preset")
        hint = nearest(str(loc[-1]), keys) if keys else ""
        yield Problem((*place, *loc), f"unknown key {printable(str(loc[-1]), 60)!r}{hint}")
