"""The document format `evercert/v1`: issuers and certificates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import ValidationError

from evercert.documents.lifecycle import Lifecycle
from evercert.documents.problem import Path, Problem, limited
from evercert.documents.size import excess
from evercert.documents.spec import (
    MOST_DESTINATIONS,
    NAME_PATTERN,
    Attributes,
    Component,
    IssuerName,
    PrivateKeySpec,
    Spec,
)
from evercert.errors import EvercertError
from evercert.registry import Registry
from evercert.schema import Model, closest, nearest, printable

__all__ = ["VERSION", "Document", "Kinds", "Path", "Problem", "places", "problem_of", "read"]

VERSION = "evercert/v1"
AGENT_VERSIONS = ("v1", "v2")
AUTHORITY_VERSION = "authority/v1"


class Document(Model):
    """One document file."""

    version: Literal["evercert/v1"]
    issuers: dict[IssuerName, Component] = {}
    certificates: tuple[Spec, ...] = ()


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
    if (surplus := excess(data)) is not None:
        return [surplus]
    validation = _Validation(data, kinds)
    return limited(validation.problems()) or validation.document()


class _Validation:
    """Validation of one document, a certificate at a time, so that it can end after many problems."""

    def __init__(self, data: dict[str, Any], kinds: Kinds) -> None:
        self._data = data
        self._kinds = kinds
        self._head: Document | None = None
        self._specs: list[Spec] = []

    def problems(self) -> Iterator[Problem]:
        """Validate the document; yield each problem."""
        issuers, certificates = self._data.get("issuers"), self._data.get("certificates")
        entries = certificates if isinstance(certificates, list) else []
        try:
            self._head = Document.model_validate({**self._data, "certificates": []} if entries else self._data)
        except ValidationError as error:
            yield from _form_problems(error, ())
        for name, component in issuers.items() if isinstance(issuers, dict) else ():
            yield from _component_problems(self._kinds.issuers, component, ("issuers", name), {}, [])
        for number, entry in enumerate(entries):
            yield from self._certificate(entry, ("certificates", number))

    def document(self) -> Document:
        """Return the document, which has no problems."""
        if self._head is None:
            raise ValueError("the document was not validated")
        return self._head.model_copy(update={"certificates": tuple(self._specs)})

    def _certificate(self, entry: object, place: Path) -> Iterator[Problem]:
        settings: list[Any] = []
        misconfigured = [*_destination_problems(entry, place, self._kinds.destinations, settings)]
        try:
            spec = Spec.model_validate(entry)
        except ValidationError as error:
            yield from _form_problems(error, place)
            yield from misconfigured
            return
        yield from misconfigured or self._refusals(_resolved(spec, settings), place, settings)

    def _refusals(self, spec: Spec, place: Path, settings: list[Any]) -> Iterator[Problem]:
        """Take the spec; yield a problem for each destination that can never accept it."""
        self._specs.append(spec)
        for index, destination in enumerate(settings):
            try:
                destination.check(spec)
            except EvercertError as error:
                yield Problem((*place, "destinations", index), str(error))


def places(spec: Spec, destinations: Registry) -> list[str]:
    """Return the places that this certificate is written to; two certificates must not share one."""
    return [place_of(component, spec.name, destinations) for component in spec.destinations]


def place_of(component: Component, certificate: str, destinations: Registry) -> str:
    """Return the place of one destination; raise Misconfigured if its settings are invalid."""
    settings = destinations.settings(component, certificate=certificate)
    return f"{settings.place} of {certificate}" if settings.own else str(settings.place)


def _resolved(spec: Spec, settings: list[Any]) -> Spec:
    """Return the spec with explicit destination defaults, so that later defaults do not change it."""
    components = [
        Component(type=component.type, **valid.model_dump(mode="json", by_alias=True, exclude_none=True))
        for component, valid in zip(spec.destinations, settings, strict=True)
    ]
    return spec.model_copy(update={"destinations": tuple(components)})


def _destination_problems(entry: object, place: Path, destinations: Registry, settings: list[Any]) -> Iterator[Problem]:
    """Yield problems in the settings of a certificate's destinations, even if the certificate has other errors.

    Append the valid settings to `settings`.
    """
    targets = entry.get("destinations") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(targets, list):
        return
    name = entry.get("name")
    # A default that is derived from an invalid name would be reported as a second error.
    context = {"certificate": name if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name) else "unnamed"}
    for index, component in enumerate(targets[:MOST_DESTINATIONS]):
        yield from _component_problems(destinations, component, (*place, "destinations", index), context, settings)


def _component_problems(
    register: Registry, raw: object, place: Path, context: dict[str, str], valid: list[Any]
) -> Iterator[Problem]:
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
        valid.append(settings.model_validate(component.settings, context=context))
    except ValidationError as error:
        yield from _form_problems(error, place, settings)


def _form_problems(error: ValidationError, place: Path, model: type[Model] | None = None) -> Iterator[Problem]:
    details = error.errors(include_url=False)
    with_invalid_items = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    for detail in details:
        # Do not report a list with invalid items as too short.
        if detail["type"] != "too_short" or detail["loc"] not in with_invalid_items:
            yield problem_of(detail, place, model)


def _model_at(model: type[Model], path: tuple[str | int, ...]) -> type[Model] | None:
    """Return the model of the mapping at this path, or None if it has no fixed keys."""
    found: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field for name, field in found.model_fields.items()}
        kind = fields[part].annotation if part in fields else None
        found = next(
            (each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, Model)), None
        )
        if found is None:
            return None
    return found  # type: ignore[no-any-return]


def problem_of(detail: Any, place: Path = (), model: type[Model] | None = None) -> Problem:  # noqa: ANN401 (pydantic's)
    """Convert a pydantic error to a readable problem; `model` has the keys that are valid at this place."""
    path = (*place, *(part for part in detail["loc"] if part != "[key]"))
    kind = detail["type"]
    if kind == "extra_forbidden":
        inner = None if model is None else _model_at(model, detail["loc"][:-1])
        known = inner if model else _PARTS.get(tuple(part for part in path[:-1] if isinstance(part, str)))
        keys = [field.alias or name for name, field in known.model_fields.items()] if known is not None else []
        hint = nearest(str(path[-1]), keys) if keys else ""
        return Problem(path, f"unknown key {printable(str(path[-1]), 60)!r}{hint}")
    if kind == "missing":
        return Problem(path, f"the key {path[-1]!r} is missing")
    if kind == "invalid_key":
        return Problem((*path[:-1], str(path[-1])), f"the key {path[-1]!r} is not text; put it in quotes")
    if kind == "literal_error":
        return Problem(path, f"{_label(path)}: {printable(detail['msg'])}{_meant(detail)}")
    words = NOT_A_BOOLEAN if kind == "string_type" and isinstance(detail.get("input"), bool) else _WORDS.get(kind)
    message = detail["msg"].removeprefix("Value error, ") if words is None else words.format(**detail.get("ctx", {}))
    return Problem(path, f"{_label(path)}: {printable(message)}" if path else message)


def _meant(detail: Any) -> str:  # noqa: ANN401 (pydantic's)
    """Return `; did you mean …?` for one of few known words; case, hyphens and underscores do not matter."""
    written = detail.get("input")
    if not isinstance(written, str):
        return ""
    plain = {re.sub("[_-]", "", word.lower()): word for word in re.findall(r"'([^']+)'", detail["ctx"]["expected"])}
    if len(plain) == 1:  # the message names it
        return ""
    near = closest(re.sub("[_-]", "", written.lower()), plain)
    return f"; did you mean {plain[near]!r}?" if near is not None else ""


def _label(path: Path) -> str:
    """Return the last key of the path with its list index: `alt-names[0]`."""
    text = next((part for part in reversed(path) if isinstance(part, str)), "document")
    return f"{printable(text, 60)}[{path[-1]}]" if isinstance(path[-1], int) else printable(text, 60)
