"""What a document of the authority is made of, and how a mistake in it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

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
from evercert.schema import nearest, printable, text_of

Slug = Annotated[str, text_of(r"[a-z0-9-]{1,255}", "a slug is lower-case letters, digits and hyphens, up to 255")]
Name = Annotated[str, text_of(r"[a-zA-Z0-9_-]{1,255}", "a name is letters, digits, _ and -, up to 255")]
Description = Annotated[str, StringConstraints(max_length=1000)]


class ProfileEntry(Part):
    """A profile as it is written; `policy` is one of the document, or a preset's name."""

    slug: Slug
    project: Slug
    description: Description = ""
    issuer_type: Literal["ca", "self-signed"] = "ca"
    cas: tuple[Name, ...] = ()
    policy: Name
    defaults: Annotated[dict[str, Any], AfterValidator(kebab_keys)] = {}


class ApplicationEntry(Part):
    """Profiles, by their slugs, of one project."""

    name: Name
    project: Slug
    profiles: tuple[Slug, ...]


class Form(Part):
    """One file; what its policies say is read one by one."""

    version: Literal["authority/v1"]
    policies: dict[Name, dict[str, Any]] = {}
    profiles: tuple[ProfileEntry, ...] = ()
    applications: tuple[ApplicationEntry, ...] = ()


_PARTS: dict[str, type[BaseModel]] = {
    "profiles": ProfileEntry,
    "applications": ApplicationEntry,
    "subject": SubjectRule,
    "sans": NameRule,
    "key-usages": KeyUsageRule,
    "extended-key-usages": ExtendedKeyUsageRule,
    "algorithms": Algorithms,
    "validity": Validity,
    "basic-constraints": BasicConstraintsRule,
}


def kebab_keys_of(data: dict[Any, Any]) -> dict[Any, Any]:
    """The same, whatever is wrong with it: that is told elsewhere."""
    return {kebab(key): value for key, value in data.items()}


def problems_of(error: ValidationError, root: type[BaseModel], place: Path = ()) -> Iterator[Problem]:
    """Each mistake at its key as documents write it, with the nearest key that there is."""
    for detail in error.errors(include_url=False, include_input=False):
        loc = tuple(str(kebab(part)) if isinstance(part, str) and root is Defaults else part for part in detail["loc"])
        if detail["type"] != "extra_forbidden":
            yield problem_of({**detail, "loc": loc}, place)
            continue
        above = next((part for part in reversed(loc[:-1]) if isinstance(part, str)), None)
        model = root if above is None else _PARTS.get(above)
        keys = [] if model is None else [str(kebab(field.alias or name)) for name, field in model.model_fields.items()]
        if model is Policy:
            keys.append("preset")
        hint = nearest(str(loc[-1]), keys) if keys else ""
        yield Problem((*place, *loc), f"unknown key {printable(str(loc[-1]), 60)!r}{hint}")
