"""Requests as bytes: signed, and with changes of the bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.changes import changed_tree, mutated, mutated_text
from tests.fuzz.server.contents import Chance
from tests.fuzz.server.drafts import Draft


@dataclass
class Wire:
    """A request to send; `event` replaces members of the event of API Gateway, which HTTP cannot express."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    encoded: bool = False
    event: dict[str, Any] = field(default_factory=dict)


def sent(draft: Draft, chance: Chance, changed: bool) -> Wire:
    """Sign the request; change members or bytes of the JWS if `changed`."""
    members: Any = draft.members()
    if changed and draft.key is not None and chance.random() < 0.5:
        members = changed_tree(members, chance)
    body = json.dumps(members).encode() if draft.key is not None else b""
    if changed:
        body = _changed_body(body, chance)
    headers = {} if draft.content_type is None else {"Content-Type": draft.content_type}
    wire = Wire(draft.method, draft.url, headers, body, encoded=chance.random() < 0.2 or not _is_text(body))
    if changed and chance.random() < 0.1:
        text = mutated_text(body.decode("latin-1"), chance)
        events: list[dict[str, Any]] = [
            {"isBase64Encoded": True, "body": text}, {"isBase64Encoded": True, "body": ""}, {"body": None}, {"headers": {}},
            {"rawQueryString": None}, {"rawQueryString": text[:50]}, {"isBase64Encoded": False, "body": text},
        ]  # fmt: skip
        wire.event = chance.choice(events)
    return wire


def _changed_body(body: bytes, chance: Chance) -> bytes:
    match chance.randrange(8):
        case 0:
            return mutated(body, chance)
        case 1:
            return mutated_text(body.decode(), chance).encode("utf-8", "surrogatepass")
        case 2:
            return body.replace(b'"payload"', b'"payload": "AAAA", "payload"', 1)
        case 3:
            return chance.choice(
                (b"[" * 9_000, b'{"a":' * 3_000, b" " * 60_000 + body, b"\xef\xbb\xbf" + body, body * 2, b"null")
            )
        case _:
            return body


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
