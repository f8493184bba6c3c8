"""Document files: read together, and every mistake told with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from evercert.cli.infisical_agent import host as hosts
from evercert.cli.infisical_agent.host import Host
from evercert.cli.infisical_agent.translation import Agent, is_agent
from evercert.cli.infisical_agent.translation import read as read_agent
from evercert.cli.source import Source, Unreadable, load
from evercert.destinations import DESTINATIONS
from evercert.documents.document import Document, Kinds, Path, Problem, places, read
from evercert.documents.secret_reference import Credential
from evercert.documents.spec import Component, Spec
from evercert.issuers import ISSUERS
from evercert.operations.apply import ApplyInput
from evercert.schema import printable

KINDS = Kinds(ISSUERS, DESTINATIONS)


class BadInput(Exception):
    """Something in the files is wrong; one line for each mistake."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Files:
    """All files of one command; `wanted` is what they ask for together."""

    def __init__(
        self, files: Sequence[str], *, form_only: bool = False, host: Host | None = None, kinds: Kinds = KINDS
    ) -> None:
        """Raises BadInput with everything that is wrong, in all files.

        `form_only`: what this host lacks of what a document of the agent names is a note, and no mistake.
        """
        self._form_only = form_only
        self._host = host or hosts.here()
        self._kinds = kinds
        self._agents: set[str] = set()
        self._credentials: dict[str, tuple[str, Credential]] = {}
        self._mistakes: list[str] = []
        self._read: list[tuple[Source, Document]] = []
        self._where: dict[tuple[str, str], tuple[Source, Path]] = {}
        self.notes: list[str] = []
        for file in dict.fromkeys(files):
            self._load(file)
        self.issuers: dict[str, Component] = {}
        self.specs: list[Spec] = []
        for source, document in self._read:
            self._take(source, document)
        if self._mistakes:
            raise BadInput(self._mistakes)

    def wanted(self, prune: dict[str, str] | None) -> ApplyInput:
        """For `apply`."""
        return ApplyInput(self.issuers, self.specs, prune)

    def _load(self, file: str) -> None:
        try:
            source = load(file)
        except Unreadable as error:
            self._mistakes.append(f"{file}:{error.line}: {error}" if error.line else f"{file}: {error}")
            return
        if is_agent(source.data):
            self._load_agent(source)
            return
        found = read(source.data, self._kinds)
        if isinstance(found, Document):
            self._read.append((source, found))
        else:
            self._mistakes += _told(source, found)

    def _load_agent(self, source: Source) -> None:
        found = read_agent(source.data, self._kinds, self._host)
        if not isinstance(found, Agent):
            self._mistakes += _told(source, found)
            return
        self.notes += _told(source, found.notes)
        lacking = self.notes if self._form_only else self._mistakes
        lacking += _told(source, found.absent)
        # From here on it is a document like any other, whose lines are those of the agent's.
        lines = {path: source.line(found.origins.place(path)) for path in _paths(found.data)}
        self._read.append((Source(source.file, found.data, lines), found.document))
        self._agents.add(source.file)
        if found.credential is not None:
            self._take_credential(source.file, found.credential)

    def _take_credential(self, file: str, credential: Credential) -> None:
        other, known = self._credentials.setdefault(credential.name, (file, credential))
        if known != credential:
            self._mistakes.append(
                f"{file}: {other} gives other credentials for the same login; make them the same in both"
            )

    @property
    def credentials(self) -> list[Credential]:
        """What was found in documents of the agent, or beside them, and belongs into secrets."""
        return [credential for _, credential in self._credentials.values()]

    def _take(self, source: Source, document: Document) -> None:
        for name, definition in document.issuers.items():
            if not self._said_before(source, name, definition):
                self._once(source, ("issuers", name), "issuer", name)
            self.issuers[name] = definition
        for index, spec in enumerate(document.certificates):
            path = ("certificates", index)
            self._once(source, (*path, "name"), "certificate", spec.name)
            for number, place in enumerate(places(spec, DESTINATIONS)):
                self._once(source, (*path, "destinations", number), "destination", place)
            self.specs.append(spec)
            self._note(source, path, spec)

    def _said_before(self, source: Source, name: str, definition: Component) -> bool:
        """Documents of the agent name no issuers: one and the same in several of them is fine."""
        first, place = self._where.get(("issuer", name), (source, ()))
        if first is source or not {first.file, source.file} <= self._agents:
            return False
        if self.issuers[name] != definition:
            there = f"{first.file}:{first.line(place)}"
            self._mistakes.append(
                f"{source.file}:{source.line(('issuers', name))}: issuer {name} is meant otherwise at {there}; "
                "one identity is enough for the stack: give both documents the same auth, retry-strategy and ca-bundle"
            )
        return True

    def _once(self, source: Source, path: Path, what: str, name: str) -> None:
        first, place = self._where.setdefault((what, name), (source, path))
        if (first, place) != (source, path):
            here, there = f"{source.file}:{source.line(path)}", f"{first.file}:{first.line(place)}"
            clause = (
                f"{name} is written by two certificates" if what == "destination" else f"there are two {what}s {name!r}"
            )
            self._mistakes.append(f"{here}: {clause}; the other one is at {there}")

    def _note(self, source: Source, path: Path, spec: Spec) -> None:
        wish, ttl = spec.lifecycle.renew_before_expiry, spec.attributes.ttl
        if (
            wish is not None
            and not wish.never
            and wish.within(ttl or timedelta(days=90)) > (ttl or timedelta(days=90)) * 2 / 3
        ):
            line = source.line((*path, "lifecycle"))
            self.notes.append(
                f"{source.file}:{line}: {spec.name}: renew-before-expiry {wish.text} is more than two thirds of the "
                "lifetime; it will be renewed after one third"
            )
        for place, text, name in _international(source.data, path, spec):
            where = f"{source.file}:{source.line(place)}: {spec.name}"
            self.notes.append(f"{where}: {printable(text)} is {name} in the certificate")
        if "*" in spec.name:
            self.notes.append(f"{spec.name} is stored in {', '.join(places(spec, DESTINATIONS))}")


def _told(source: Source, problems: list[Problem]) -> list[str]:
    placed = sorted((source.line(problem.path), problem.message) for problem in problems)
    return [f"{source.file}:{line}: {message}" for line, message in placed]


def _paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Of everything in the value."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _paths(part, (*path, key))


def _international(data: Any, path: Path, spec: Spec) -> Iterator[tuple[Path, str, str]]:  # noqa: ANN401 (as read)
    """Names that stand in the certificate in other letters than in the document: where, as written, as issued."""
    path = (*path, "attributes")
    written = data[path[0]][path[1]].get("attributes") or {}
    if (
        not (common_name := written.get("common-name") or "").isascii()
        and (spec.attributes.common_name or "").isascii()
    ):
        yield (*path, "common-name"), common_name, spec.attributes.common_name or ""
    for index, text in enumerate(written.get("alt-names") or ()):
        if not text.isascii():
            name = spec.attributes.alt_names[index]
            yield (*path, "alt-names", index), text.removeprefix(f"{name.kind}:"), name.value
