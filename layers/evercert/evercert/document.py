"""`evercert/v1`: issuers and certificates as an operator writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from evercert.errors import EvercertError, foreign
from evercert.register import Register, nearest
from evercert.spec import Attributes, Component, IssuerName, Lifecycle, Model, PrivateKeySpec, Spec

VERSION = "evercert/v1"
AGENT_VERSIONS = ("v1", "v2")
Path = tuple[str | int, ...]


class Document(Model):
    """One file."""

    version: Literal["evercert/v1"]
    issuers: dict[IssuerName, Component] = {}
    certificates: tuple[Spec, ...] = ()


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where in the document."""

    path: Path
    message: str


@dataclass(frozen=True)
class Kinds:
    """What issuers and destinations a document can name."""

    issuers: Register
    destinations: Register


_PARTS: dict[Path, type[Model]] = {
    (): Document,
    ("certificates",): Spec,
    ("certificates", "attributes"): Attributes,
    ("certificates", "lifecycle"): Lifecycle,
    ("certificates", "private-key"): PrivateKeySpec,
}


def read(data: object, kinds: Kinds) -> Document | list[Problem]:
    """The document with every destination's settings filled in, or everything that is wrong with it."""
    if not isinstance(data, dict):
        return [Problem((), f"a document is a mapping with version: {VERSION}, issuers: and certificates:")]
    if data.get("version") in AGENT_VERSIONS:
        return [Problem(("version",), f"documents of the Infisical agent are not read yet; write version: {VERSION}")]
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        return [_problem(detail) for detail in error.errors(include_url=False)]
    problems: list[Problem] = []
    for name, definition in document.issuers.items():
        problems += _settings_problems(kinds.issuers, definition, ("issuers", name))
    specs = [_resolved(spec, kinds.destinations, number, problems) for number, spec in enumerate(document.certificates)]
    return problems or document.model_copy(update={"certificates": tuple(specs)})


def places(spec: Spec, destinations: Register) -> list[str]:
    """Where this certificate is written; no two may share one."""
    return [destinations.settings(component, certificate=spec.name).place for component in spec.destinations]


def _resolved(spec: Spec, destinations: Register, number: int, problems: list[Problem]) -> Spec:
    """The spec with the settings that its destinations take by default, so that they never change under it."""
    components = []
    for index, component in enumerate(spec.destinations):
        place: Path = ("certificates", number, "destinations", index)
        found = _settings_problems(destinations, component, place, certificate=spec.name)
        if found:
            problems += found
            continue
        settings = destinations.settings(component, certificate=spec.name)
        components.append(Component(type=component.type, **settings.model_dump(mode="json", by_alias=True)))
        try:
            destinations.load(component.type).check(spec)
        except EvercertError as error:
            problems.append(Problem(place, str(error)))
    return spec.model_copy(update={"destinations": tuple(components)})


def _settings_problems(register: Register, component: Component, place: Path, **context: str) -> list[Problem]:
    if component.type not in register.entries:
        hint = nearest(component.type, register.entries)
        return [Problem((*place, "type"), f"there is no {register.what} type {component.type!r}{hint}")]
    settings = register.load(component.type).Settings
    try:
        settings.model_validate(component.settings, context=context)
    except ValidationError as error:
        return [_problem(detail, place, settings) for detail in error.errors(include_url=False)]
    return []


def _problem(detail: Any, place: Path = (), model: type[Model] | None = None) -> Problem:  # noqa: ANN401 (pydantic's)
    path = (*place, *(part for part in detail["loc"] if part != "[key]"))
    if detail["type"] == "extra_forbidden":
        known = model or _PARTS.get(tuple(part for part in path[:-1] if isinstance(part, str)))
        keys = [field.alias or name for name, field in known.model_fields.items()] if known is not None else []
        hint = nearest(str(path[-1]), keys) if keys else ""
        return Problem(path, f"unknown key {foreign(str(path[-1]), 60)!r}{hint}")
    if detail["type"] == "missing":
        return Problem(path, f"the key {path[-1]!r} is missing")
    if detail["type"] == "too_short":
        return Problem(path, f"{_label(path)}: give at least {detail['ctx']['min_length']}")
    message = foreign(detail["msg"].removeprefix("Value error, "))
    return Problem(path, f"{_label(path)}: {message}" if path else message)


def _label(path: Path) -> str:
    """The last key of the path, with its place in a list: `alt-names[0]`."""
    text = next((part for part in reversed(path) if isinstance(part, str)), "document")
    return f"{text}[{path[-1]}]" if isinstance(path[-1], int) else text
