"""Read document files together; report every mistake with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from evercert.cli.infisical_agent import host as host_module
from evercert.cli.infisical_agent.host import Host
from evercert.cli.infisical_agent.translation import Agent, is_agent
from evercert.cli.infisical_agent.translation import read as read_agent
from evercert.cli.memory import garbage_collection_paused
from evercert.cli.source import Source, Translation, Unreadable, load
from evercert.destinations import DESTINATIONS
from evercert.documents.document import VERSION, Document, Kinds, Path, Problem, places, read
from evercert.documents.secret_reference import Credential, CredentialFile
from evercert.documents.spec import Component, Spec
from evercert.issuers import ISSUERS
from evercert.operations.apply import ApplyInput
from evercert.pki import csr_parser, name_mistakes
from evercert.pki.usages import OCSP_SIGNING_NOTE
from evercert.schema import printable

KINDS = Kinds(ISSUERS, DESTINATIONS)

MEANT = f"invalid version: the document has the keys of evercert; did you mean version: {VERSION}?"


class BadInput(Exception):
    """Invalid input, with one line for each mistake."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Files:
    """All document files of one command, read as one document."""

    def __init__(
        self, files: Sequence[str], *, form_only: bool = False, host: Host | None = None, kinds: Kinds = KINDS
    ) -> None:
        """Read the files; raise BadInput with the mistakes of all files.

        `form_only`: a file or variable that an agent document names and this host lacks is a note, not a mistake.
        """
        self._form_only = form_only
        self._host = host or host_module.here()
        self._kinds = kinds
        self._agents: set[str] = set()
        self._credentials: dict[str, tuple[str, Credential]] = {}
        self._mistakes: list[str] = []
        self._read: list[tuple[Source, Document]] = []
        self._where: dict[tuple[str, str], tuple[Source, Path]] = {}
        self.notes: list[str] = []
        self.removals: list[CredentialFile] = []
        self.stored_earlier: dict[str, str] = {}  # the document by secret name
        self.issuers: dict[str, Component] = {}
        self.specs: list[Spec] = []
        with garbage_collection_paused():
            for file in dict.fromkeys(files):
                self._load(file)
            for source, document in self._read:
                self._take(source, document)
        if self._mistakes:
            raise BadInput(self._mistakes)
        if form_only:
            self.notes += self._unknown_issuers()

    def _unknown_issuers(self) -> list[str]:
        used = {name: spec.name for spec in self.specs for name in spec.issuer_names if name not in self.issuers}
        return [
            f"{certificate}: issuer {printable(name, 60)!r} is in none of the files; `apply` looks for it in the stack"
            for name, certificate in used.items()
        ]

    def wanted(self, prune: dict[str, str] | None, *, allow_staging: bool = False) -> ApplyInput:
        """Return the input of `apply`."""
        return ApplyInput(self.issuers, self.specs, prune, allow_staging)

    def _load(self, file: str) -> None:
        try:
            source = load(file)
        except Unreadable as error:
            self._mistakes.append(f"{file}:{error.line}: {error}" if error.line else f"{file}: {error}")
            return
        if is_agent(source.data):
            if _has_own_keys(source.data):
                self._mistakes.append(f"{source.file}:{source.line(('version',))}: {MEANT}")
                return
            self._load_agent(source)
            return
        found = read(source.data, self._kinds)
        if isinstance(found, Document):
            self._read.append((source, found))
        else:
            self._mistakes += _locate(source, found)

    def _load_agent(self, source: Source) -> None:
        found = read_agent(source.scalars, self._kinds, self._host)
        if not isinstance(found, Agent):
            self._mistakes += _locate(source, found)
            return
        self.notes += _locate(source, found.notes)
        lacking = self.notes if self._form_only else self._mistakes
        lacking += _locate(source, found.absent)
        translation = Translation(source.file, found.data, original=source, origin=found.origins.place)
        self._read.append((translation, found.document))
        self._agents.add(source.file)
        if found.credential is not None:
            self._take_credential(source.file, found.credential)
        if found.login.remove is not None:
            self.removals.append(found.login.remove)
        if found.login.stored is not None:
            self.stored_earlier[found.login.stored] = source.file

    def _take_credential(self, file: str, credential: Credential) -> None:
        other, known = self._credentials.setdefault(credential.name, (file, credential))
        if known != credential:
            self._mistakes.append(
                f"{file}: {other} has different credentials for the same login; use the same credentials in both"
            )

    @property
    def credentials(self) -> list[Credential]:
        """Return the credentials of agent documents, to be stored in secrets."""
        return [credential for _, credential in self._credentials.values()]

    def _take(self, source: Source, document: Document) -> None:
        for name, definition in document.issuers.items():
            if not self._is_repeated(source, name, definition):
                self._require_unique(source, ("issuers", name), "issuer", name)
            self.issuers[name] = definition
        for index, spec in enumerate(document.certificates):
            path = ("certificates", index)
            self._require_unique(source, (*path, "name"), "certificate", spec.name)
            for number, place in enumerate(places(spec, DESTINATIONS)):
                self._require_unique(source, (*path, "destinations", number), "destination", place)
            self.specs.append(spec)
            self._note(source, path, spec)

    def _is_repeated(self, source: Source, name: str, definition: Component) -> bool:
        """Return whether another agent document defines this issuer; several may, because issuers are unnamed there."""
        first, place = self._where.get(("issuer", name), (source, ()))
        if first is source or not {first.file, source.file} <= self._agents:
            return False
        if self.issuers[name] != definition:
            there = f"{first.file}:{first.line(place)}"
            self._mistakes.append(
                f"{source.file}:{source.line(('issuers', name))}: issuer {name} is defined differently at {there}; "
                "use the same auth, retry-strategy and ca-bundle in both documents: the stack needs only one identity"
            )
        return True

    def _require_unique(self, source: Source, path: Path, kind: str, name: str) -> None:
        first, place = self._where.setdefault((kind, name), (source, path))
        if (first, place) != (source, path):
            here, there = f"{source.file}:{source.line(path)}", f"{first.file}:{first.line(place)}"
            clause = f"two certificates write {name}" if kind == "destination" else f"there are two {kind}s {name!r}"
            self._mistakes.append(f"{here}: {clause}; the other one is at {there}")

    def _note(self, source: Source, path: Path, spec: Spec) -> None:
        renewal, ttl = spec.lifecycle.renew_before_expiry, spec.attributes.ttl
        if (
            renewal is not None
            and not renewal.never
            and renewal.within(ttl or timedelta(days=90)) > (ttl or timedelta(days=90)) * 2 / 3
        ):
            line = source.line((*path, "lifecycle"))
            self.notes.append(
                f"{source.file}:{line}: {spec.name}: renew-before-expiry {renewal.text} is more than two thirds of the "
                "lifetime; the certificate will be renewed after one third of it"
            )
        for place, text, name in _international(source.data, path, spec):
            where = f"{source.file}:{source.line(place)}: {spec.name}"
            self.notes.append(f"{where}: {printable(text)} is {name} in the certificate")
        for place, text, host in _urls(source.data, path) if source.file not in self._agents else ():
            where = f"{source.file}:{source.line(place)}: {spec.name}"
            self.notes.append(f"{where}: {printable(text, 100)} is requested as a URI; for the host write {host}")
        for note in csr_parser.read(spec.csr).notes if spec.csr is not None else ():
            self.notes.append(f"{source.file}:{source.line((*path, 'csr'))}: {spec.name}: csr: {note}")
        if "ocsp_signing" in spec.attributes.extended_key_usages:
            line = source.line((*path, "csr" if spec.csr is not None else "attributes"))
            self.notes.append(f"{source.file}:{line}: {spec.name}: {OCSP_SIGNING_NOTE}")
        if "*" in spec.name:
            self.notes.append(f"{spec.name} is stored in {', '.join(places(spec, DESTINATIONS))}")


def _has_own_keys(data: Any) -> bool:  # noqa: ANN401 (as read)
    """Whether a document with the agent's version has keys that only documents of evercert have."""
    entries = data.get("certificates")
    keys = (
        {key for entry in entries if isinstance(entry, dict) for key in entry} if isinstance(entries, list) else set()
    )
    return "issuers" in data or not keys.isdisjoint(("issuer", "issuers", "destinations"))


def _locate(source: Source, problems: list[Problem]) -> list[str]:
    placed = sorted((source.line(problem.path), problem.message) for problem in problems)
    return [f"{source.file}:{line}: {message}" for line, message in placed]


def _international(data: Any, path: Path, spec: Spec) -> Iterator[tuple[Path, str, str]]:  # noqa: ANN401 (as read)
    """Yield names that are encoded in the certificate (IDNA): path, text in the document, name in the certificate."""
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


def _urls(data: Any, path: Path) -> Iterator[tuple[Path, str, str]]:  # noqa: ANN401 (as read)
    """Yield web addresses among the alternative names, which are valid but seldom meant: path, text, host."""
    written = data[path[0]][path[1]].get("attributes") or {}
    for index, text in enumerate(written.get("alt-names") or ()):
        if text.lower().startswith(("https://", "http://")) and (mistake := name_mistakes.find(text)) and mistake.meant:
            yield (*path, "attributes", "alt-names", index), text, mistake.meant[0]
