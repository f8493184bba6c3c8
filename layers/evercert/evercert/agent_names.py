"""Names for the certificates and issuers of agent documents, which give none; the same in whatever order they stand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from evercert import csr as csrs
from evercert.canonical import digest
from evercert.document import Problem
from evercert.errors import foreign
from evercert.identifiers import parse
from evercert.spec import NAME_PATTERN

HOSTED = "https://app.infisical.com"
LONGEST_ISSUER_NAME = 100
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
            message = f"{foreign(name, 60)!r} is no name for a certificate here; give it one, such as name: web"
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


def issuer(address: str, owner: str | None = None, profile: str | None = None) -> str:
    """`infisical-<application or project>-<profile>`, with the host where it is not the hosted default.

    Without a profile it is the issuer of certificates that are only followed. What a name cannot hold is told apart by
    a hash.
    """
    parts = ["infisical", "" if address == HOSTED else address.removeprefix("https://"), owner or "", profile or ""]
    whole = "-".join(filter(None, parts))
    name = re.sub(r"[^A-Za-z0-9._-]", "-", whole)
    if name == whole and len(name) <= LONGEST_ISSUER_NAME:
        return name
    return f"{name[: LONGEST_ISSUER_NAME - 13]}-{digest(parts)[:12]}"
