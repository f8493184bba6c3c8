"""Read the host's part of an agent document: names, files and hooks. Nothing of it comes from the stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, cast

from evercert.cli.files import BadInput
from evercert.cli.infisical_agent import names, requested_names, rules
from evercert.cli.infisical_agent.form import Form
from evercert.cli.infisical_agent.host import Gathered, Host, here
from evercert.cli.infisical_agent.notes import Notes
from evercert.cli.infisical_agent.shapes import DOCUMENT, HOOKS, MORE_OUTPUTS, OUTPUTS, STORES
from evercert.cli.infisical_agent.translation import is_agent
from evercert.cli.source import Source, Unreadable, load
from evercert.documents.problem import Problem
from evercert.host.certificate import HookEvent, HostCertificate
from evercert.host.file_set import ROOT
from evercert.host.hooks import DEFAULT_LIMIT, Hook
from evercert.host.outputs import Kind, Output

IGNORED = "auth is ignored: the agent reads the stack with this host's AWS role, and never logs in to the issuer"
LONGEST_LIMIT, LARGEST_MODE = 3_600, 0o777
DEFAULT_ALIAS = "certificate"
NO_AGENT = "is not a document of the Infisical agent: the agent reads its version v1 and v2, with file-output"


@dataclass(frozen=True)
class HostFile:
    """The certificates of a host's file, and notes about what the agent ignores."""

    certificates: list[HostCertificate]
    notes: list[str] = field(default_factory=list)


def read(file: str, host: Host | None = None) -> HostFile:
    """Return the certificates of a file; raise BadInput with every mistake and its line."""
    try:
        source = load(file)
    except Unreadable as error:
        raise BadInput([f"{file}:{error.line}: {error}" if error.line else f"{file}: {error}"]) from None
    if not is_agent(source.data):
        raise BadInput([f"{file}:1: {NO_AGENT}"])
    return _Reader(source, host or here()).read()


class _Reader:
    """Reads one file."""

    def __init__(self, source: Source, host: Host) -> None:
        self._source = source
        self._form, self._notes = Form(), Notes()
        self._gathered = Gathered(host)

    def read(self) -> HostFile:
        data = dict(self._source.scalars)
        has_login = data.pop("auth", None) is not None
        clean = self._form.read(data, DOCUMENT) or {}
        entries = clean.get("certificates") or []
        requested_names.correct(entries, self._form.places, self._notes)
        problems = [problem for problem in rules.of_document(clean) if problem.path != ("auth",)]
        for number, entry in enumerate(entries):
            problems += rules.of_certificate(entry or {}, clean.get("version"), number)
        found, unnamed = names.certificates(entries, [self._request(entry or {}, n) for n, entry in enumerate(entries)])
        problems += [*self._form.problems, *self._form.mistyped, *unnamed, *self._gathered.absent]
        certificates = []
        if not problems:
            for number, (name, entry) in enumerate(zip(found, entries, strict=True)):
                wrong = [*self._problems(entry, number)]
                problems += wrong
                certificates += [] if wrong else [self._certificate(name, entry, number)]
            problems += [*_repeated(found), *_same_files(certificates)]
        if problems:
            raise BadInput([self._located(problem) for problem in dict.fromkeys(problems)])
        notes = [self._located(Problem(("auth",), IGNORED))] if has_login else []
        return HostFile(certificates, notes)

    def _request(self, entry: Mapping[str, Any], number: int) -> str | None:
        """Return the CSR, from which the certificate may take its name."""
        if "csr" in entry or "csr-path" not in entry or "name" in entry:
            return entry.get("csr")
        place = ("certificates", number, "csr-path")
        return self._gathered.file(entry["csr-path"], place, f"certificate {number + 1}: cannot read its name")

    def _certificate(self, name: str, entry: Mapping[str, Any], number: int) -> HostCertificate:
        outputs = entry.get("file-output") or {}
        hooks = entry.get("post-hooks") or {}
        return HostCertificate(
            name=name,
            outputs=tuple(
                _output(cast("Kind", kind), outputs[kind]) for kind in (*OUTPUTS, *MORE_OUTPUTS) if kind in outputs
            ),
            hooks={
                cast("HookEvent", event): _hook(hooks[event]) for event in HOOKS if "command" in hooks.get(event, {})
            },
            common_name=(entry.get("attributes") or {}).get("common-name"),
            place=f"{self._source.file}:{self._source.line(('certificates', number))}",
        )

    def _problems(self, entry: Mapping[str, Any], number: int) -> Iterator[Problem]:
        for kind in STORES:
            if "passphrase-file" not in (entry.get("file-output") or {}).get(kind, {"passphrase-file": ""}):
                message = f"certificate {number + 1}: file-output.{kind}.passphrase-file is required"
                yield Problem(("certificates", number, "file-output", kind), message)
        for kind, settings in (entry.get("file-output") or {}).items():
            if (wrong := _path_problem(settings)) is not None:
                message = f"certificate {number + 1}: invalid file-output.{kind}: {wrong}"
                yield Problem(("certificates", number, "file-output", kind), message)
        place = ("certificates", number, "post-hooks")
        for event, hook in (entry.get("post-hooks") or {}).items():
            if hook.get("timeout", 0) > LONGEST_LIMIT:
                message = f"certificate {number + 1}: invalid {event}.timeout: must be 1 to {LONGEST_LIMIT} seconds"
                yield Problem((*place, event, "timeout"), message)
            if event == "on-failure" and hook.get("rollback-on-failure"):
                rule = "allowed for on-issuance and on-renewal only"
                message = f"certificate {number + 1}: invalid on-failure.rollback-on-failure: {rule}; remove it"
                yield Problem((*place, event, "rollback-on-failure"), message)

    def _located(self, problem: Problem) -> str:
        path = self._form.places.get(problem.path, problem.path)
        return f"{self._source.file}:{self._source.line(path)}: {problem.message}"


def _output(kind: Kind, settings: Mapping[str, Any]) -> Output:
    mode = settings.get("permission")
    return Output(
        kind=kind,
        path=FilePath(settings["path"]).expanduser().absolute(),
        mode=None if mode is None else int(mode.removeprefix("0o"), 8),
        owner=settings.get("owner"),
        group=settings.get("group"),
        omit_root=settings.get("omit-root", True),
        passphrase_file=FilePath(settings["passphrase-file"]).expanduser().absolute() if kind in STORES else None,
        alias=settings.get("alias", DEFAULT_ALIAS),
    )


def _hook(settings: Mapping[str, Any]) -> Hook:
    limit = settings.get("timeout") or DEFAULT_LIMIT  # 0 is the default, as for the Infisical agent
    return Hook(settings["command"], limit, settings.get("rollback-on-failure", False))


def _path_problem(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with path or permission of an output, or None."""
    if ROOT in FilePath(settings["path"]).parts:
        return f"the agent keeps its sets in folders {ROOT}: write another path"
    if "permission" in settings and int(settings["permission"].removeprefix("0o"), 8) > LARGEST_MODE:
        return "permission must be at most 0777"
    return None


def _same_files(certificates: list[HostCertificate]) -> Iterator[Problem]:
    """Yield a problem for two outputs of one file, however its path is written."""
    taken: dict[str, str] = {}
    for number, certificate in enumerate(certificates):
        for output in certificate.outputs:
            path = f"{output.path.parent.resolve() / output.path.name}"
            owner = f"{output.kind} of {certificate.name}"
            if taken.setdefault(path, owner) != owner:
                message = f"certificate {number + 1}: {path} is also the {taken[path]}; write another path"
                yield Problem(("certificates", number, "file-output", output.kind), message)


def _repeated(found: list[str]) -> Iterator[Problem]:
    folders = [name.replace("*", "_wildcard") for name in found]  # of sets, and of states
    for number, name in enumerate(folders):
        if folders.index(name) != number:
            message = (
                f"certificate {number + 1}: {found[number]} is also certificate {folders.index(name) + 1}; remove one"
            )
            yield Problem(("certificates", number), message)
        if set(name) == {"."}:
            message = f"certificate {number + 1}: a certificate named {name} has no files; rename it"
            yield Problem(("certificates", number), message)
