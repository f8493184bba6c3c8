"""Names for the certificates and issuers of agent documents, which give none; the same in whatever order they stand."""

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
from evercert.pki import csr_parser as csrs
from evercert.pki.identifiers import parse
from evercert.schema import printable

LONGEST_ISSUER_NAME = 100
_PART, _DIGEST = re.compile("[A-Za-z0-9_-]+"), re.compile("[0-9a-f]{12}")
_HOST = re.compile(r"https://((?:[a-z0-9-]+\.)*(?![a-z0-9-]*-[0-9]+(?::|$))[a-z0-9-]+)(?::([0-9]+))?")
Entry = Mapping[str, Any]


def certificates(entries: Sequence[Entry | None], requests: Sequence[str | None]) -> tuple[list[str], list[Problem]]:
    """A name for each entry; one whose name cannot be known is numbered, and told here or where its mistake is."""
    bases = [_base(entry or {}, request) for entry, request in zip(entries, requests, strict=True)]
    count = Counter(base for base, entry in zip(bases, entries, strict=True) if base and "name" not in (entry or {}))
    names, problems = [], []
    owners: dict[str, int] = {}
    for number, (base, entry) in enumerate(zip(bases, entries, strict=True)):
        name, given = base, entry or {}
        place = ("certificates", number)
        if base is not None and "name" not in given and "certificate-id" not in given and count[base] > 1:
            name = f"{base}-{given.get('profile-name', '')}"
            if (first := owners.setdefault(name, number)) != number:
                message = f"certificate {first + 1} has the same names and profile; give one of them a name of its own"
                problems.append(Problem(place, f"certificate {number + 1}: {message}"))
        if name is not None and "name" not in given and not re.fullmatch(NAME_PATTERN, name):
            message = f"{printable(name, 60)!r} is no name for a certificate here; give it one, such as name: web"
            if _names_something(given):
                problems.append(Problem(place, f"certificate {number + 1}: {message}"))
            name = None
        elif name is None and requests[number] is not None and _reads(requests[number]):
            message = "its CSR has neither a common name nor a DNS name to be called by; give it one, such as name: web"
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


def _names_something(entry: Entry) -> bool:
    """Otherwise that is the mistake, and is told; with a DNS name as common name it has a name."""
    attributes = entry.get("attributes") or {}
    if "alt-names" in attributes or "common-name" not in attributes or "csr" in entry or "csr-path" in entry:
        return True
    with suppress(ValueError):
        return bool(parse(attributes["common-name"]))
    return False


def _of_request(request: str) -> Iterator[str]:
    with suppress(ValueError):
        asked = csrs.read(request).attributes
        if asked.common_name is not None:
            yield _plain(asked.common_name)
        yield from (name.value for name in asked.alt_names if name.kind == "dns")


def _reads(request: str | None) -> bool:
    with suppress(ValueError):
        return request is not None and bool(csrs.read(request))
    return False


def _plain(text: str) -> str:
    """A DNS name as certificates hold it; other text as it is."""
    with suppress(ValueError):
        return parse(text).value
    return text


def issuer(address: str, owner: str | None = None, profile: str | None = None, *, of_project: bool = False) -> str:
    """`infisical.<application>.<profile>` or `infisical-project.<project>.<profile>`.

    Without a profile, for certificates that are only followed, `infisical`. The host comes second where it is not the
    hosted default. No two have one name: a part that could be taken for several, or for a digest, is its digest there.
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
    """Dots as `_`, the port after a `-`; a host that has a `_`, or ends like a port, could be taken for another."""
    match = _HOST.fullmatch(address)
    if match is None:
        return _digest(address)
    return _part(match[1].replace(".", "_") + (f"-{match[2]}" if match[2] else ""))


def _digest(text: str) -> str:
    return digest(text)[:12]
