"""Translate a document of the Infisical certificate agent to an `evercert/v1` document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evercert.cli.infisical_agent import names, requested_names, rules
from evercert.cli.infisical_agent.auth import Auth, Login
from evercert.cli.infisical_agent.entries import Entry
from evercert.cli.infisical_agent.form import Form
from evercert.cli.infisical_agent.host import Gathered, Host
from evercert.cli.infisical_agent.notes import Notes
from evercert.cli.infisical_agent.places import Origins
from evercert.cli.infisical_agent.shapes import DOCUMENT
from evercert.documents.document import VERSION, Document, Kinds
from evercert.documents.document import read as read_document
from evercert.documents.problem import Problem, limited
from evercert.documents.secret_reference import Credential
from evercert.documents.size import excess
from evercert.errors import Misconfigured
from evercert.http_client import trust
from evercert.issuers.infisical.settings import HOSTED
from evercert.origins import Origin, path_of

_MARKS = {"infisical", "auth", "sinks", "templates", "cache"}
_IGNORED = {
    ("infisical", "exit-after-auth"): "ignored, because no process keeps running",
    (
        "infisical",
        "revoke-credentials-on-shutdown",
    ): "ignored, because no process keeps running; tokens expire by themselves",
    ("sinks",): "ignored, because no token is written to a file",
    ("cache",): "ignored, because the stack's table replaces the cache",
}
_VARIABLES = {
    "INFISICAL_CUSTOM_HEADERS": "its headers are not sent",
    "INFISICAL_AGENT_CONFIG_BASE64": "evercert ignores it and reads the files on its command line",
}
MOST_RETRIES = 10
PUBLIC = "infisical.com"  # its servers use certificates of public CAs
AUTHORITIES = "SSL_CERT_FILE"  # the agent's program trusts this file instead of the host's CAs


@dataclass(frozen=True)
class Agent:
    """A translated agent document; `data` is the translation. Paths refer to the agent's document.

    `absent`: values that this host lacks; the document can be checked without them, but not applied.
    """

    document: Document
    data: Mapping[str, Any]
    notes: list[Problem]
    absent: list[Problem]
    login: Login
    origins: Origins

    @property
    def credential(self) -> Credential | None:
        """The credential to store."""
        return self.login.credential


def is_agent(data: object) -> bool:
    """Return whether the document is meant for the agent, even if its version is unsupported."""
    if not isinstance(data, dict) or data.get("version") == VERSION:
        return False
    return data.get("version") in rules.VERSIONS or bool(_MARKS & data.keys())


def read(data: dict[str, Any], kinds: Kinds, host: Host) -> Agent | list[Problem]:
    """Return the translated document, or all its problems."""
    form, notes = Form(), Notes()
    clean = form.read(data, DOCUMENT) or {}
    if (surplus := excess(clean)) is not None:
        return [*map(_numbered, Origins(form.places).placed([surplus]))]
    reported = {problem.path for problem in form.problems}
    gathered = Gathered(host, frozenset(path for path, place in form.places.items() if place in reported))
    entries = clean.get("certificates") or []
    requested_names.correct(entries, form.places, notes)
    gathered.problems += rules.of_document(clean, gathered.refused)
    damaged = {problem.path[1] for problem in form.problems if len(problem.path) > 1}
    for number, entry in enumerate(entries):
        if entry is not None:
            gathered.problems += rules.of_certificate(entry, clean.get("version"), number, gathered.refused)
        elif number not in damaged:
            place = ("certificates", number)
            gathered.problems.append(Problem(place, f"certificate {number + 1} is empty; fill it in or remove it"))
    for shared in rules.shared_paths(entries):
        notes.add(shared.message, *shared.path)
    issuer = _issuer(clean, gathered, notes)
    _note_ignored(clean, host, notes)
    origins = Origins(form.places)
    translated = _translate(entries, issuer, gathered, notes, origins)
    found = read_document(translated, kinds)
    problems = form.problems + origins.placed(gathered.problems)
    if not isinstance(found, Document):
        problems += origins.of_translation(found, damaged)
    if problems or not isinstance(found, Document):
        return limited(_numbered(problem) for problem in dict.fromkeys(problems + form.mistyped))
    absent = origins.placed(gathered.absent)
    if absent:  # a mistyped key may be the reason
        absent += [problem for problem in form.mistyped if problem.path[0] == "auth"]
    all_notes = form.notes.all() + origins.placed([*notes.all(), *gathered.notes])
    return Agent(found, translated, [note for note in all_notes if note not in absent], absent, issuer.login, origins)


@dataclass(frozen=True)
class _Issuer:
    """The settings that all issuers of one document share."""

    address: str
    login: Login
    common: Mapping[str, Any]


def _issuer(clean: Mapping[str, Any], gathered: Gathered, notes: Notes) -> _Issuer:
    server, auth = clean.get("infisical") or {}, clean.get("auth") or {}
    address = _address(server.get("address", HOSTED), gathered)
    login = Login(None)
    if "type" in auth:
        login = Auth(auth.get("config") or {}, address, gathered).read(auth["type"])
    retry = {key: value for key, value in (server.get("retry-strategy") or {}).items() if value}  # 0 means the default
    if retry.get("max-retries", 0) > MOST_RETRIES:
        retry["max-retries"] = MOST_RETRIES
    bundle = _authorities(server.get("ca-bundle"), address, gathered, notes)
    return _Issuer(address, login, {**({"retry": retry} if retry else {}), **({"ca-bundle": bundle} if bundle else {})})


def _address(written: str, gathered: Gathered) -> str:
    """Normalize the server's address; the agent accepts it with and without `/api`."""
    text = written.strip().rstrip("/").removesuffix("/api").rstrip("/")
    try:
        return _secure(text)
    except Misconfigured as error:
        gathered.problems.append(Problem(("infisical", "address"), f"address: {str(error).removeprefix('address ')}"))
        return HOSTED


def _authorities(written: str | None, address: str, gathered: Gathered, notes: Notes) -> str | None:
    """Return the CA bundle of a private server as text, because functions cannot read this host's files; else None."""
    if written is not None:
        is_text = "-----BEGIN" in written
        return written if is_text else gathered.file(written, ("infisical", "ca-bundle"), "ca-bundle")
    host = gathered.host
    name, where = host.environment.get(AUTHORITIES), Origin.of(address).host
    if not name or where == PUBLIC or where.endswith(f".{PUBLIC}"):
        return None
    try:
        found = host.file(name)
    except (OSError, ValueError):
        found = None
    if found is None or trust.problem(found) is not None:
        notes.add(
            f"{AUTHORITIES} is ignored: its file is missing or not a short list of certificates; "
            "evercert trusts public CAs: if the server has a private CA, set infisical.ca-bundle"
        )
        return None
    notes.add(f"{AUTHORITIES} is set: its certificates become the issuer's ca-bundle")
    return found.strip()


def _secure(text: str) -> str:
    if "@" in text:  # the part before it may be a password
        raise Misconfigured(f"the address contains a user; write only the server, such as {HOSTED}")
    origin = Origin.of(text)
    if origin.scheme != "https":
        secure = str(origin).replace("http:", "https:", 1)
        raise Misconfigured(f"{origin}: http exposes tokens; write {secure}")
    return f"{origin}{path_of(text)}"


def _note_ignored(clean: Mapping[str, Any], host: Host, notes: Notes) -> None:
    for path, instead in _IGNORED.items():
        part: Any = clean
        for key in path:
            part = (part or {}).get(key)
        if part:
            notes.add(f"{path[-1]}: {instead}", *path)
    for variable, instead in _VARIABLES.items():
        if host.environment.get(variable):
            notes.add(f"{variable} is set: {instead}")
    retries = ((clean.get("infisical") or {}).get("retry-strategy") or {}).get("max-retries", 1)
    place = ("infisical", "retry-strategy", "max-retries")
    if retries == 0:
        notes.add("max-retries: 0 means the default, as for the agent", *place)
    elif retries > MOST_RETRIES:
        notes.add(f"max-retries is lowered to {MOST_RETRIES}, the maximum; the stack retries later by itself", *place)


def _translate(
    entries: list[Any], issuer: _Issuer, gathered: Gathered, notes: Notes, origins: Origins
) -> dict[str, Any]:
    """Return the document as `evercert/v1`."""
    requests = [_request(entry or {}, number, gathered) for number, entry in enumerate(entries)]
    certificate_names, problems = names.certificates(entries, requests)
    issuers: dict[str, Any] = {}
    certificates = []
    for number, entry in enumerate(entries):
        if not entry or ("csr-path" in entry and requests[number] is None):
            problems = [problem for problem in problems if problem.path[:2] != ("certificates", number)]
            continue
        profile = _profile_settings(entry)
        name = names.issuer(issuer.address, *profile.values(), of_project="project" in profile)
        if issuer.login.settings is not None and None not in profile.values():
            login = {"type": "infisical", "address": issuer.address, "auth": issuer.login.settings}
            issuers.setdefault(name, {**login, **profile, **issuer.common})
            origins.owners.setdefault(name, number)
        certificates.append(Entry(entry, number, notes).spec(certificate_names[number], name, requests[number]))
        origins.numbers.append(number)
    gathered.problems += problems
    return {"version": VERSION, "issuers": issuers, "certificates": certificates}


def _profile_settings(entry: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the profile and its owner; empty for a certificate that is only followed."""
    if "certificate-id" in entry:
        return {}
    owner = "project" if "project-slug" in entry else "application"
    return {owner: entry.get("project-slug") or entry.get("application-name"), "profile": entry.get("profile-name")}


def _request(entry: Mapping[str, Any], number: int, gathered: Gathered) -> str | None:
    if "csr" in entry or "csr-path" not in entry:
        return entry.get("csr")
    place = ("certificates", number, "csr-path")
    return gathered.file(entry["csr-path"], place, f"certificate {number + 1}: failed to read CSR file")


def _numbered(problem: Problem) -> Problem:
    """Prefix the problem of a certificate with its number, counted from 1 as by the agent."""
    if problem.path[:1] != ("certificates",) or len(problem.path) == 1:
        return problem
    which = f"certificate {int(problem.path[1]) + 1}"
    return problem if problem.message.startswith(which) else replace(problem, message=f"{which}: {problem.message}")
