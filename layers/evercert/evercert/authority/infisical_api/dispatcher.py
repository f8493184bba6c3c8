"""One call of the API: read, carried out, answered, and told in one line; nothing that was not foreseen gets out."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from evercert.authority.api_errors import Refusal, bad_request, invalid, not_found, too_large
from evercert.authority.configuration.identity import Identity
from evercert.authority.infisical_api.endpoint import Call, Route, Said
from evercert.authority.infisical_api.public_downloads import Binary
from evercert.authority.infisical_api.services import Services
from evercert.errors import EvercertError, Misconfigured, OutOfTime, Unavailable, Unexpected

LARGEST_BODY = 64 * 1_024  # bytes: a CSR with a hundred names, and as much metadata as there may be, is less
MOST_FIELDS = 50  # of a query
RETRY_AFTER = 5  # seconds
JSON = "application/json; charset=utf-8"
_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_ALWAYS = {"X-Content-Type-Options": "nosniff"}
_BROKEN = ("InternalServerError", "Something went wrong")
_UNSET = ("InternalServerError", "The authority is not set up for this; its operator finds the reason in its log")
_BUSY = ("ServiceUnavailable", "The authority cannot do this now; ask again")


@dataclass(frozen=True)
class Answer:
    """`body` is text, or bytes of another kind."""

    status: int
    kind: str
    body: str | bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class CallLog:
    """What the log line says of a call: never a body, a token, or a header."""

    method: str
    route: str
    outcome: str = "answered"
    status: int = 200
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "outcome": self.outcome,
            "method": self.method,
            "route": self.route,
            "status": self.status,
            **self.facts,
        }


class Api:
    """Never raises."""

    def __init__(self, front: Services) -> None:
        self._front = front

    def answer(self, route: Route | None, event: Mapping[str, Any], ids: Mapping[str, str]) -> tuple[Answer, CallLog]:
        """Of an event of API Gateway (payload 2.0); `route` None: no such path."""
        context = event.get("requestContext", {})
        told = CallLog(str(context.get("http", {}).get("method", "?"))[:10], route.template if route else "?")
        try:
            answer = _said(self._carried_out(route, event, ids, told))
        except Refusal as refusal:
            told.outcome, told.facts["error"] = "refused", refusal.error
            answer = _refused(refusal, context)
        except (Unavailable, OutOfTime) as error:
            told.outcome, told.facts["message"] = Unavailable.kind, str(error)
            answer = _refused(Refusal(503, *_BUSY), context, {"Retry-After": str(RETRY_AFTER)})
        except Misconfigured as error:
            told.outcome, told.facts["message"] = error.kind, str(error)
            answer = unset(context)
        except Exception as error:  # noqa: BLE001 (its text could hold a secret)
            known = error if isinstance(error, EvercertError) else Unexpected.of(error)
            told.outcome, told.facts["message"] = "unexpected", str(known)
            answer = _refused(Refusal(500, *_BROKEN), context)
        told.status = answer.status
        return answer, told

    def _carried_out(
        self, route: Route | None, event: Mapping[str, Any], ids: Mapping[str, str], told: CallLog
    ) -> Said:
        if route is None:
            raise not_found("Route not found")
        headers = {str(name).lower(): str(value) for name, value in event.get("headers", {}).items()}
        identity: Identity | None = None
        if route.login:  # first of all: nothing is read of who has no token
            identity = self._front.access_tokens.identity_of(headers.get("authorization"))
            told.facts["identity"] = identity.id
        call = Call(
            ids={name: unquote(value, errors="replace") for name, value in ids.items()},
            query=_query(event) if route.query else {},
            body=_body(event) if route.method == "POST" else None,
            identity=identity,
            key=headers.get("idempotency-key"),
        )
        said = route.handler(self._front, call)
        told.facts |= _facts(said)
        return said


def unset(context: Mapping[str, Any]) -> Answer:
    """What is not set up is for the operator, who finds it in the log."""
    return _refused(Refusal(500, *_UNSET), context)


def _query(event: Mapping[str, Any]) -> dict[str, str]:
    try:
        return dict(parse_qsl(str(event.get("rawQueryString", "")), max_num_fields=MOST_FIELDS))
    except ValueError:
        raise invalid([(("query",), f"at most {MOST_FIELDS} fields")]) from None


def _body(event: Mapping[str, Any]) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """None where there is none; raises Refusal."""
    text = event.get("body") or ""
    if len(text) > LARGEST_BODY * 4 // 3 + 4:
        raise too_large(f"Body is larger than {LARGEST_BODY} bytes")
    try:
        raw = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, ValueError):
        raise bad_request("Body is not valid JSON") from None
    if len(raw) > LARGEST_BODY:
        raise too_large(f"Body is larger than {LARGEST_BODY} bytes")
    if not raw.strip():
        return None
    try:
        found = json.loads(raw.decode(), parse_constant=_no_constant)
        if b"\\u" in raw:
            json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        raise bad_request("Body is not valid JSON") from None
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _said(said: Said) -> Answer:
    if isinstance(said, Binary):
        return Answer(200, said.kind, said.content, {**_ALWAYS, "Cache-Control": f"public, max-age={said.seconds}"})
    if isinstance(said, str):
        return Answer(200, "text/plain; charset=utf-8", said, {**_ALWAYS, **_NOT_KEPT})
    return Answer(200, JSON, json.dumps(said), {**_ALWAYS, **_NOT_KEPT})


def _refused(refusal: Refusal, context: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Answer:
    body = refusal.body(str(context.get("requestId", "")))
    return Answer(refusal.status, JSON, json.dumps(body), {**_ALWAYS, **_NOT_KEPT, **(more or {})})


def _facts(said: Said) -> dict[str, str]:
    """Ids of what was made or ended."""
    if not isinstance(said, dict):
        return {}
    inner = said.get("certificate")
    whole = {**(inner if isinstance(inner, dict) else {}), **said}
    names = {"certificateId": "certificate", "certificateRequestId": "request", "serialNumber": "serial_number"}
    found = {word: str(whole[name]) for name, word in names.items() if whole.get(name)}
    return {**found, "crl_published": str(whole["crlPublished"]).lower()} if "crlPublished" in whole else found
