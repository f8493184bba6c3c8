"""Derive names for the certificates and issuers of agent documents, independent of their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from evercert.canonical_json import digest
from evercert.documents.document import Problem
from evercert.documents.spec import NAME_PATTERN
from evercert.issuers.infisical.settings import HOSTED
from evercert.pki import csr_parser
from evercert.pki.identifiers import parse_valid
from evercert.schema import printable

LONGEST_ISSUER_NAME = 100
_PART, _DIGEST = re.compile("[A-Za-z0-9_-]+"), re.compile("[0-9a-f]{12}")
_HOST = re.compile(r"https://((?:[a-z0-9-]+\.)*(?![a-z0-9-]*-[0-9]+(?::|$))[a-z0-9-]+)(?::([0-9]+))?")
Entry = Mapping[str, Any]


def certificates(entries: Sequence[Entry | None], requests: Sequence[str | None]) -> tuple[list[str], list[Problem]]:
    """Return a name for each entry, and problems.

    An entry whose name cannot be derived gets a number; its problem is reported here or where its cause is.
    """
    bases = [_base(entry or {}, request) for entry, request in zip(entries, requests, strict=True)]
    count = Counter(base for base, entry in zip(bases, entries, strict=True) if base and "name" not in (entry or {}))
    names, problems = [], []
    owners: dict[str, int] = {}
    for number, (base, entry) in enumerate(zip(bases, entries, strict=True)):
        name, certificate = base, entry or {}
        place = ("certificates", number)
        if base is not None and "name" not in certificate and "certificate-id" not in certificate and count[base] > 1:
            name = f"{base}-{certificate.get('profile-name', '')}"
            if (first := owners.setdefault(name, number)) != number:
                message = f"same names and profile as certificate {first + 1}; add a name to one of them"
                problems.append(Problem(place, f"certificate {number + 1}: {message}"))
        if name is not None and "name" not in certificate and not re.fullmatch(NAME_PATTERN, name):
            message = f"{printable(name, 60)!r} is not a valid certificate name; add one, such as name: web"
            if _has_identifier(certificate):
                problems.append(Problem(place, f"certificate {number + 1}: {message}"))
            name = None
        elif name is None and requests[number] is not None and _is_readable(requests[number]):
            message = "its CSR has neither a common name nor a DNS name; add a name, such as name: web"
            problems.append(Problem(place, f"certificate {number + 1}: {message}"))
        names.append(name or f"certificate-{number + 1}")
    return names, problems


def _base(entry: Entry, request: str | None) -> str | None:
    for key in ("name", "certificate-id"):
        if key in entry:
            return str(entry[key])
    if "csr" in entry or "csr-path" in entry:
        return next(_of_request(request), None) if request is not None else None
    attributes = entry.get("attributes") or {}
    if "common-name" in attributes:
        return _plain(attributes["common-name"])
    return min(map(_plain, attributes.get("alt-names") or []), default=None)


def _has_identifier(entry: Entry) -> bool:
    """Return whether the entry has an identifier; without one, that is the error that is reported."""
    attributes = entry.get("attributes") or {}
    if "alt-names" in attributes or "common-name" not in attributes or "csr" in entry or "csr-path" in entry:
        return True
    return parse_valid(attributes["common-name"]) is not None


def _of_request(request: str) -> Iterator[str]:
    with suppress(ValueError):
        requested = csr_parser.read(request).attributes
        if requested.common_name is not None:
            yield _plain(requested.common_name)
        yield from (name.value for name in requested.alt_names if name.kind == "dns")


def _is_readable(request: str | None) -> bool:
    with suppress(ValueError):
        return request is not None and bool(csr_parser.read(request))
    return False


def _plain(text: str) -> str:
    """Return a DNS name as it appears in certificates, and other text unchanged."""
    name = parse_valid(text)
    return text if name is None else name.value


def issuer(address: str, owner: str | None = None, profile: str | None = None, *, of_project: bool = False) -> str:
    """Return `infisical.<application>.<profile>` or `infisical-project.<project>.<profile>`.

    Return `infisical` without a profile, for certificates that are only followed. A host other than the hosted
    default comes second. Names are unique: an ambiguous part is replaced by its digest.
    """
    parts = [_part(text) for text in (owner, profile) if text is not None]
    if address != HOSTED:
        parts = [_host(address), *parts]
    kind = "infisical-project" if of_project else "infisical"
    while len(name := ".".join([kind, *parts])) > LONGEST_ISSUER_NAME:
        longest = max(range(len(parts)), key=lambda index: len(parts[index]))
        parts[longest] = _digest(parts[longest])
    return name


def _part(text: str) -> str:
    return text if _PART.fullmatch(text) and not _DIGEST.fullmatch(text) else _digest(text)


def _host(address: str) -> str:
    """Write dots as `_` and the port after a `-`; use a digest for hosts that would be ambiguous in this notation."""
    match = _HOST.fullmatch(address)
    if match is None:
        return _digest(address)
    return _part(match[1].replace(".", "_") + (f"-{match[2]}" if match[2] else ""))


def _digest(text: str) -> str:
    return digest(text)[:12]
