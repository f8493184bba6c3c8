"""The YAML that runs the Infisical certificate agent, as a document of evercert's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evercert.cli.infisical_agent import names as agent_names
from evercert.cli.infisical_agent import rules as agent_rules
from evercert.cli.infisical_agent.auth import Auth, Login
from evercert.cli.infisical_agent.entries import Entry, Notes
from evercert.cli.infisical_agent.form import DOCUMENT, Form
from evercert.cli.infisical_agent.host import Gathered, Host
from evercert.cli.infisical_agent.places import Origins
from evercert.documents.document import VERSION, Document, Kinds, Problem
from evercert.documents.document import read as read_document
from evercert.documents.secret_reference import Credential
from evercert.errors import Misconfigured
from evercert.http_client import trust
from evercert.issuers.infisical.settings import HOSTED
from evercert.origins import Origin, path_of

_MARKS = {"infisical", "auth", "sinks", "templates", "cache"}
_INSTEAD = {
    ("infisical", "exit-after-auth"): "means nothing where no process stays",
    ("infisical", "revoke-credentials-on-shutdown"): "means nothing where no process stays; a token ends by itself",
    ("sinks",): "no token is written to a file",
    ("cache",): "nothing is cached on a host; the stack's table remembers",
}
_VARIABLES = {
    "INFISICAL_CUSTOM_HEADERS": "its headers are not sent",
    "INFISICAL_AGENT_CONFIG_BASE64": "evercert reads the files that it is given",
}
MOST_RETRIES = 10
PUBLIC = "infisical.com"  # its servers have certificates of public authorities
AUTHORITIES = "SSL_CERT_FILE"  # what the agent's program trusts in place of the host's own list


@dataclass(frozen=True)
class Agent:
    """One agent document, read. Paths are of the agent's document, but for `data`, which is its translation.

    `absent`: what this host lacks of what the document names, without which it can be checked but not applied.
    """

    document: Document
    data: Mapping[str, Any]
    notes: list[Problem]
    absent: list[Problem]
    credential: Credential | None
    origins: Origins


def is_agent(data: object) -> bool:
    """Whether somebody wrote it for the agent, even with a version that there is not."""
    if not isinstance(data, dict) or data.get("version") == VERSION:
        return False
    return data.get("version") in agent_rules.VERSIONS or bool(_MARKS & data.keys())


def read(data: dict[str, Any], kinds: Kinds, host: Host) -> Agent | list[Problem]:
    """The document that asks for the same, or everything that is wrong."""
    form, notes = Form(), Notes()
    clean = form.read(data, DOCUMENT) or {}
    told = {problem.path for problem in form.problems}
    gathered = Gathered(host, frozenset(path for path, place in form.places.items() if place in told))
    entries = clean.get("certificates") or []
    gathered.problems += agent_rules.of_document(clean, gathered.refused)
    damaged = {problem.path[1] for problem in form.problems if len(problem.path) > 1}
    for number, entry in enumerate(entries):
        if entry is not None:
            gathered.problems += agent_rules.of_certificate(entry, clean.get("version"), number, gathered.refused)
        elif number not in damaged:
            place = ("certificates", number)
            gathered.problems.append(Problem(place, f"certificate {number + 1} is empty; write it, or leave it out"))
    gathered.problems += agent_rules.shared_paths(entries)
    issuer = _issuer(clean, gathered, notes)
    _say_what_is_not_used(clean, host, notes)
    origins = Origins(form.places)
    translated = _translate(entries, issuer, gathered, notes, origins)
    found = read_document(translated, kinds)
    problems = form.problems + origins.placed(gathered.problems)
    if not isinstance(found, Document):
        problems += origins.of_translation(found, damaged)
    if problems or not isinstance(found, Document):
        return [_numbered(problem) for problem in dict.fromkeys(problems)]
    said = form.notes + origins.placed([*notes.all(), *gathered.notes])
    return Agent(found, translated, said, origins.placed(gathered.absent), issuer.login.credential, origins)


@dataclass(frozen=True)
class _Issuer:
    """What all issuers of one document share."""

    address: str
    login: Login
    common: Mapping[str, Any]


def _issuer(clean: Mapping[str, Any], gathered: Gathered, notes: Notes) -> _Issuer:
    server, auth = clean.get("infisical") or {}, clean.get("auth") or {}
    address = _address(server.get("address", HOSTED), gathered)
    login = Login(None)
    if "type" in auth:
        login = Auth(auth.get("config") or {}, address, gathered).read(auth["type"])
    retry = {key: value for key, value in (server.get("retry-strategy") or {}).items() if value}  # 0 is the default
    if retry.get("max-retries", 0) > MOST_RETRIES:
        retry["max-retries"] = MOST_RETRIES
    bundle = _authorities(server.get("ca-bundle"), address, gathered, notes)
    return _Issuer(address, login, {**({"retry": retry} if retry else {}), **({"ca-bundle": bundle} if bundle else {})})


def _address(written: str, gathered: Gathered) -> str:
    """The one address for one server; the agent adds `/api` itself where it is not written."""
    text = written.strip().rstrip("/").removesuffix("/api").rstrip("/")
    try:
        return _secure(text)
    except Misconfigured as error:
        gathered.problems.append(Problem(("infisical", "address"), f"address: {str(error).removeprefix('address ')}"))
        return HOSTED


def _authorities(written: str | None, address: str, gathered: Gathered, notes: Notes) -> str | None:
    """Of a private server: functions know no file of this host, so its text goes along; None: the public ones."""
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
        notes.say(
            f"{AUTHORITIES} is set, but its file is not there, or is no short list of certificates: public authorities "
            "are trusted; if the server's is a private one, write infisical.ca-bundle"
        )
        return None
    notes.say(f"{AUTHORITIES} is set: the certificates in its file become ca-bundle of the issuer")
    return found.strip()


def _secure(text: str) -> str:
    if "@" in text:  # what stands before it may be a password
        raise Misconfigured(f"the address has a user; write the server alone, such as {HOSTED}")
    origin = Origin.of(text)
    if origin.scheme != "https":
        secure = str(origin).replace("http:", "https:", 1)
        raise Misconfigured(f"{origin}: http shows every token on its way; write {secure}")
    return f"{origin}{path_of(text)}"


def _say_what_is_not_used(clean: Mapping[str, Any], host: Host, notes: Notes) -> None:
    for path, instead in _INSTEAD.items():
        part: Any = clean
        for key in path:
            part = (part or {}).get(key)
        if part:
            notes.say(f"{path[-1]}: {instead}", *path)
    for variable, instead in _VARIABLES.items():
        if host.environment.get(variable):
            notes.say(f"{variable} is set: {instead}")
    retries = ((clean.get("infisical") or {}).get("retry-strategy") or {}).get("max-retries", 1)
    place = ("infisical", "retry-strategy", "max-retries")
    if retries == 0:
        notes.say("max-retries: 0 is the default to the agent, and here", *place)
    elif retries > MOST_RETRIES:
        notes.say(f"max-retries is {MOST_RETRIES} at the most; the stack goes on by itself after that", *place)


def _translate(
    entries: list[Any], issuer: _Issuer, gathered: Gathered, notes: Notes, origins: Origins
) -> dict[str, Any]:
    """The document in evercert's words."""
    requests = [_request(entry or {}, number, gathered) for number, entry in enumerate(entries)]
    names, problems = agent_names.certificates(entries, requests)
    issuers: dict[str, Any] = {}
    certificates = []
    for number, entry in enumerate(entries):
        if not entry or ("csr-path" in entry and requests[number] is None):
            problems = [problem for problem in problems if problem.path[:2] != ("certificates", number)]
            continue
        where = _where(entry)
        name = agent_names.issuer(issuer.address, *where.values(), of_project="project" in where)
        if issuer.login.settings is not None and None not in where.values():
            login = {"type": "infisical", "address": issuer.address, "auth": issuer.login.settings}
            issuers.setdefault(name, {**login, **where, **issuer.common})
            origins.owners.setdefault(name, number)
        certificates.append(Entry(entry, number, notes).spec(names[number], name, requests[number]))
        origins.numbers.append(number)
    gathered.problems += problems
    return {"version": VERSION, "issuers": issuers, "certificates": certificates}


def _where(entry: Mapping[str, Any]) -> dict[str, str | None]:
    """The profile, and whose it is; nothing for a certificate that is only followed."""
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
    """Every mistake in a certificate names it, as the agent does: counted from 1."""
    if problem.path[:1] != ("certificates",) or len(problem.path) == 1:
        return problem
    which = f"certificate {int(problem.path[1]) + 1}"
    return problem if problem.message.startswith(which) else replace(problem, message=f"{which}: {problem.message}")
