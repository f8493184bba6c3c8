"""Link headers (RFC 8288): `<url>;rel="alternate"`."""

from __future__ import annotations

import re

MOST_LINKS = 20
LONGEST_HEADER = 16_384
_PARAMETER = re.compile(r'\s{0,9};\s{0,9}([^\s"=,;<>]{1,40})(?:\s?=\s?(?:"((?:[^"\\]|\\.)*)"|([^\s",;]{0,200})))?')
_LINK = re.compile(rf"<([^<>]{{1,2000}})>((?:{_PARAMETER.pattern})*)")


def links(header: str | None, relation: str) -> list[str]:
    """Return the targets with this relation type, as they are written; several headers are joined by commas.

    Only the first `rel` of a link counts (§3.3).
    """
    found = []
    for link in _LINK.finditer((header or "")[:LONGEST_HEADER]):
        parameters = _PARAMETER.findall(link[2])
        relations = next((quoted or plain for name, quoted, plain in parameters if name.lower() == "rel"), "")
        if relation in relations.lower().split():
            found.append(link[1])
    return found[:MOST_LINKS]
