"""The document format `evercert/v1`: issuers and certificates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from pydantic import ValidationError

from evercert.documents.lifecycle import Lifecycle
from evercert.documents.spec import NAME_PATTERN, Attributes, Component, IssuerName, PrivateKeySpec, Spec
from evercert.errors import EvercertError
from evercert.registry import Registry
from evercert.schema import Model, nearest, printable

VERSION = "evercert/v1"
AGENT_VERSIONS = ("v1", "v2")
AUTHORITY_VERSION = "authority/v1"
MOST_PROBLEMS = 1_000  # of one document
Path = tuple[str | int, ...]


class Document(Model):
    """One document file."""

    version: Literal["evercert/v1"]
    issuers: dict[IssuerName, Component] = {}
    certificates: tuple[Spec, ...] = ()


@dataclass(frozen=True)
class Problem:
    """An error in a document, with its path."""

    path: Path
    message: str


@dataclass(frozen=True)
class Kinds:
    """The issuer and destination types that a document can use."""

    issuers: Registry
    destinations: Registry


NOT_TEXT = "write text; put it in quotes if it looks like a number or a date"
NOT_A_BOOLEAN = "write text in quotes: YAML reads yes, no, on, off, true and false without quotes as true or false"
_WORDS = {
    "tuple_type": "write a list",
    "model_type": "write a mapping",
    "dict_type": "write a mapping",
    "string_type": NOT_TEXT,
    "too_short": "give at least {min_length}",
    "too_long": "give at most {max_length}",
}
_PARTS: dict[Path, type[Model]] = {
    (): Document,
    ("certificates",): Spec,
    ("certificates", "attributes"): Attributes,
    ("certificates", "lifecycle"): Lifecycle,
    ("certificates", "private-key"): PrivateKeySpec,
}


def read(data: object, kinds: Kinds) -> Document | list[Problem]:
    """Validate a document; return it with all destination defaults filled in, or all of its problems."""
    if not isinstance(data, dict):
        return [Problem((), f"a document must be a mapping with version: {VERSION}, issuers: and certificates:")]
    if data.get("version") in AGENT_VERSIONS:
        return [
            Problem(("version",), f"this is a document of the Infisical agent; for evercert write version: {VERSION}")
        ]
    if data.get("version") == AUTHORITY_VERSION:
        return [Problem(("version",), "this is a document of the authority; run: evercert authority apply FILE")]
    problems = [*islice(_settings_problems(data, kinds), MOST_PROBLEMS)]
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        return _form_problems(error) + problems
    if problems:
        return problems
    specs = [_resolved(spec, kinds.destinations) for spec in document.certificates]
    refused = [problem for number, spec in enumerate(specs) for problem in _refusals(spec, number, kinds.destinations)]
    return refused or document.model_copy(update={"certificates": tuple(specs)})


def places(spec: Spec, destinations: Registry) -> list[str]:
    """Return the places that this certificate is written to; two certificates must not share one."""
    found = [destinations.settings(component, certificate=spec.name) for component in spec.destinations]
    return [f"{settings.place} of {spec.name}" if settings.own else settings.place for settings in found]


def _resolved(spec: Spec, destinations: Registry) -> Spec:
    """Return the spec with explicit destination defaults, so that later defaults do not change it."""
    components = []
    for component in spec.destinations:
        settings = destinations.settings(component, certificate=spec.name)
        components.append(
            Component(type=component.type, **settings.model_dump(mode="json", by_alias=True, exclude_none=True))
        )
    return spec.model_copy(update={"destinations": tuple(components)})


def _refusals(spec: Spec, number: int, destinations: Registry) -> Iterator[Problem]:
    """Yield a problem for each destination that can never accept this spec."""
    for index, component in enumerate(spec.destinations):
        try:
            destinations.load(component.type).check(spec)
        except EvercertError as error:
            yield Problem(("certificates", number, "destinations", index), str(error))


def _settings_problems(data: dict[str, Any], kinds: Kinds) -> Iterator[Problem]:
    """Yield problems in the settings of issuers and destinations, even if the document has other errors."""
    issuers, certificates = data.get("issuers"), data.get("certificates")
    for name, component in issuers.items() if isinstance(issuers, dict) else ():
        yield from _component_problems(kinds.issuers, component, ("issuers", name), {})
    for number, certificate in enumerate(certificates if isinstance(certificates, list) else ()):
        targets = certificate.get("destinations") if isinstance(certificate, dict) else None
        for index, component in enumerate(targets if isinstance(targets, list) else ()):
            place = ("certificates", number, "destinations", index)
            name = certificate.get("name")
            # A default that is derived from an invalid name would be reported as a second error.
            context = {"certificate": name if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name) else "unnamed"}
            yield from _component_problems(kinds.destinations, component, place, context)


def _component_problems(register: Registry, raw: object, place: Path, context: dict[str, str]) -> Iterator[Problem]:
    try:
        component = Component.model_validate(raw)
    except ValidationError:
        return  # reported by the validation of the document
    if component.type not in register.entries:
        hint = nearest(component.type, register.entries)
        yield Problem((*place, "type"), f"there is no {register.what} type {component.type!r}{hint}")
        return
    settings = register.load(component.type).Settings
    try:
        settings.model_validate(component.settings, context=context)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            yield problem_of(detail, place, settings)


def _form_problems(error: ValidationError) -> list[Problem]:
    details = error.errors(include_url=False)
    with_invalid_items = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    return [
        problem_of(detail)
        for detail in details[:MOST_PROBLEMS]
        # Do not report a list with invalid items as too short.
        if detail["type"] != "too_short" or detail["loc"] not in with_invalid_items
    ]


def problem_of(detail: Any, place: Path = (), model: type[Model] | None = None) -> Problem:  # noqa: ANN401 (pydantic's)
    """Convert a pydantic error to a readable problem; `model` has the keys that are valid at this place."""
    path = (*place, *(part for part in detail["loc"] if part != "[key]"))
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = model or _PARTS.get(tuple(part for part in path[:-1] if isinstance(part, str)))
        keys = [field.alias or name for name, field in known.model_fields.items()] if known is not None else []
        hint = nearest(str(path[-1]), keys) if keys else ""
        return Problem(path, f"unknown key {printable(str(path[-1]), 60)!r}{hint}")
    if kind == "missing":
        return Problem(path, f"the key {path[-1]!r} is missing")
    if kind == "invalid_key":
        return Problem((*path[:-1], str(path[-1])), f"the key {path[-1]!r} is not text; put it in quotes")
    words = NOT_A_BOOLEAN if kind == "string_type" and isinstance(detail.get("input"), bool) else _WORDS.get(kind)
    message = detail["msg"].removeprefix("Value error, ") if words is None else words.format(**detail.get("ctx", {}))
    return Problem(path, f"{_label(path)}: {printable(message)}" if path else message)


def _label(path: Path) -> str:
    """Return the last key of the path with its list index: `alt-names[0]`."""
    text = next((part for part in reversed(path) if isinstance(part, str)), "document")
    return f"{text}[{path[-1]}]" if isinstance(path[-1], int) else text
