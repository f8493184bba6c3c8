"""Correct the names of agent documents that Infisical accepts and no client would: each correction is a note.

Infisical takes any text as common name. It joins the alternative names with commas, splits them again, removes spaces,
and takes everything with a scheme, such as `www.example.com:8443`, as a URI.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from evercert.cli.infisical_agent.notes import Notes
from evercert.documents.document import Path
from evercert.pki import embedded_hosts, name_mistakes, placeholders
from evercert.pki.common_name import LONGEST, checked, host_of
from evercert.pki.identifiers import parse_valid
from evercert.schema import printable

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")
_BRACKETS = re.compile(r"(?<![{$#%@~])\{\w+\}(?!\})|\[\[\w*\]\]")  # text for the agent, which renders `{{…}}` only
_ELSEWHERE = {"csr", "csr-path", "certificate-id"}  # where the names come from instead
_NAMES = ("attributes", "alt-names")
_COMMON_NAME = ("attributes", "common-name")
Correction = tuple[str | None, str | None]  # the name, or None to leave it out; the note


def correct(entries: Iterable[dict[str, Any] | None], places: dict[Path, Path], notes: Notes) -> None:
    """Correct the names of all entries; `places` follows the indexes of the alternative names."""
    for number, entry in enumerate(entries):
        if entry is not None and "attributes" in entry and not _ELSEWHERE & entry.keys():
            _correct(entry["attributes"], ("certificates", number), places, notes)


def _correct(attributes: dict[str, Any], where: Path, places: dict[Path, Path], notes: Notes) -> None:
    written = attributes.get("common-name")
    common_name, alternative, note = _common_name(written)
    found = [
        ((*where, *_NAMES, index), *correction)
        for index, text in enumerate(attributes.get("alt-names") or ())
        for correction in _alternatives(text)
    ]
    if alternative is not None:
        found.append(((*where, *_COMMON_NAME), alternative, None))
    if (common_name is None or parse_valid(common_name) is None) and all(name is None for _, name, _ in found):
        return  # nothing would be left: the name is refused with its reason
    if note is not None:
        notes.add(note, *where, *_COMMON_NAME)
    sources = [places.get(path, ()) for path, name, _ in found if name is not None]
    for path, name, reason in found:
        if reason is not None:
            notes.add(reason, *(path if name is not None else (*where, *_NAMES)))
    for index, source in enumerate(sources):
        places[(*where, *_NAMES, index)] = source
    changed = {"common-name": common_name, "alt-names": [name for _, name, _ in found if name is not None]}
    for key, value in changed.items():
        attributes.pop(key, None)
        if value:
            attributes[key] = value


def _common_name(text: str | None) -> tuple[str | None, str | None, str | None]:
    """Return the common name that clients understand, the alternative name that it becomes instead, and the note."""
    if text is None:
        return None, None, None
    bare = text.strip()
    host = host_of(bare)
    if host is not None and len(host.value) > LONGEST:
        why = f"common-name is longer than {LONGEST} characters: the host is requested as an alternative name"
        return None, bare, why
    mistake = name_mistakes.find(bare) if host is None else None
    if mistake is not None and len(mistake.meant) == 1:
        return mistake.meant[0], None, _corrected(text, mistake.why, mistake.meant)
    try:
        checked(bare)
    except ValueError as error:
        if len(bare) <= name_mistakes.LONGEST and placeholders.has_placeholder(_BRACKETS.sub("", bare)):
            return bare, None, None  # refused: the document was not rendered
        return None, None, f"common-name is left out: {error}"
    return bare, None, None if bare == text else _corrected(text, "has spaces around it", (bare,))


def _alternatives(text: str) -> Iterator[tuple[str | None, str | None]]:
    """Yield the names that Infisical reads in one item."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        name, note = _alternative(part)
        if note is None and [part] != [text]:
            why = "has spaces around it" if len(parts) == 1 else "is read as several names, as by Infisical"
            note = _corrected(text, why, (part,))
        yield name, note


def _alternative(text: str) -> Correction:
    if parse_valid(text) is not None:
        return text, None
    is_wildcard = text.startswith("*.") and embedded_hosts.is_name(text[2:])
    mistake = name_mistakes.find(text) if is_wildcard or _URI.fullmatch(text) else None
    if mistake is not None and is_wildcard:
        return None, f"{printable(text, 60)} is left out: it {mistake.why.partition(':')[0]}"
    if mistake is not None and len(mistake.meant) == 1:
        return mistake.meant[0], _corrected(text, mistake.why, mistake.meant)
    return text, None


def _corrected(text: str, why: str, meant: tuple[str, ...]) -> str:
    return f"{printable(text, 60)} {why}: {meant[0]} is requested"
