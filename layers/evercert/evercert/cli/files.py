"""Document files: read together, and every mistake told with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from evercert.applying import Wanted
from evercert.cli.source import Source, Unreadable, load
from evercert.destinations import DESTINATIONS
from evercert.document import Document, Kinds, Path, places, read
from evercert.errors import foreign
from evercert.issuers import ISSUERS
from evercert.spec import Component, Spec

KINDS = Kinds(ISSUERS, DESTINATIONS)


class BadInput(Exception):
    """Something in the files is wrong; one line for each mistake."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Files:
    """All files of one command; `wanted` is what they ask for together."""

    def __init__(self, files: Sequence[str]) -> None:
        """Raises BadInput with everything that is wrong, in all files."""
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

    def wanted(self, prune: dict[str, str] | None) -> Wanted:
        """For `apply`."""
        return Wanted(self.issuers, self.specs, prune)

    def _load(self, file: str) -> None:
        try:
            source = load(file)
        except Unreadable as error:
            self._mistakes.append(f"{file}:{error.line}: {error}" if error.line else f"{file}: {error}")
            return
        found = read(source.data, KINDS)
        if isinstance(found, Document):
            self._read.append((source, found))
        else:
            placed = sorted((source.line(problem.path), problem.message) for problem in found)
            self._mistakes += [f"{file}:{line}: {message}" for line, message in placed]

    def _take(self, source: Source, document: Document) -> None:
        for name, definition in document.issuers.items():
            self._once(source, ("issuers", name), "issuer", name)
            self.issuers[name] = definition
        for index, spec in enumerate(document.certificates):
            path = ("certificates", index)
            self._once(source, (*path, "name"), "certificate", spec.name)
            for number, place in enumerate(places(spec, DESTINATIONS)):
                self._once(source, (*path, "destinations", number), "destination", place)
            self.specs.append(spec)
            self._note(source, path, spec)

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
        if wish is not None and wish.within(ttl or timedelta(days=90)) > (ttl or timedelta(days=90)) * 2 / 3:
            line = source.line((*path, "lifecycle"))
            self.notes.append(
                f"{source.file}:{line}: {spec.name}: renew-before-expiry {wish.text} is more than two thirds of the "
                "lifetime; it will be renewed after one third"
            )
        for place, text, name in _international(source.data, path, spec):
            where = f"{source.file}:{source.line(place)}: {spec.name}"
            self.notes.append(f"{where}: {foreign(text)} is {name} in the certificate")
        if "*" in spec.name:
            self.notes.append(f"{spec.name} is stored in {', '.join(places(spec, DESTINATIONS))}")


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
