"""Dispatch of one API call: parse, authenticate, execute, respond and log; unexpected errors stay inside."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote

from evercert import json_parser
from evercert.authority.api_errors import Refusal, bad_request, invalid, too_large
from evercert.authority.ca.public_files import PublicFile
from evercert.authority.configuration.identity import Identity
from evercert.authority.http_answers import Answer, CallLog
from evercert.authority.infisical_api.conditional_requests import file_response
from evercert.authority.infisical_api.endpoint import Call, Payload, Route
from evercert.authority.infisical_api.paths import refuse_unknown
from evercert.authority.logins.access_tokens import AccessTokens
from evercert.errors import EvercertError, Misconfigured, OutOfTime, Unavailable, Unexpected

MAX_BODY = 64 * 1_024  # bytes; a CSR with a hundred names and all allowed metadata is smaller
MAX_QUERY_FIELDS = 50  # of a query
RETRY_AFTER = 5  # seconds
JSON = "application/json; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_ALWAYS = {"X-Content-Type-Options": "nosniff"}
_INTERNAL_ERROR = ("InternalServerError", "Something went wrong")
_MISCONFIGURED = ("InternalServerError", "The authority is misconfigured; its operator finds the reason in its log")
_UNAVAILABLE = ("ServiceUnavailable", "The authority is temporarily unavailable; try again")


class _WithTokens(Protocol):
    """Services that can find the identity of a caller."""

    @property
    def access_tokens(self) -> AccessTokens: ...


S = TypeVar("S", bound=_WithTokens)


class Api(Generic[S]):
    """Entry point of all API calls; never raises."""

    def __init__(self, services: S) -> None:
        self._services = services

    def answer(
        self, route: Route[S] | None, event: Mapping[str, Any], ids: Mapping[str, str]
    ) -> tuple[Answer, CallLog]:
        """Answer an event of API Gateway (payload 2.0); a `route` of None means an unknown path."""
        context = event.get("requestContext", {})
        log = CallLog(str(context.get("http", {}).get("method", "?"))[:10], route.template if route else "?")
        try:
            answer = _success(self._execute(route, event, ids, log), log.method, _headers(event))
        except Refusal as refusal:
            log.outcome, log.facts["error"] = "refused", refusal.error
            answer = _error(refusal, context)
        except (Unavailable, OutOfTime) as error:
            log.outcome, log.facts["message"] = Unavailable.kind, str(error)
            answer = _error(Refusal(503, *_UNAVAILABLE), context, {"Retry-After": str(RETRY_AFTER)})
        except Misconfigured as error:
            log.outcome, log.facts["message"] = error.kind, str(error)
            answer = misconfigured(context)
        except Exception as error:  # noqa: BLE001 (its text could contain a secret)
            known = error if isinstance(error, EvercertError) else Unexpected.of(error)
            log.outcome, log.facts["message"] = "unexpected", str(known)
            answer = _error(Refusal(500, *_INTERNAL_ERROR), context)
        log.status = answer.status
        return answer, log

    def _execute(
        self, route: Route[S] | None, event: Mapping[str, Any], ids: Mapping[str, str], log: CallLog
    ) -> Payload:
        if route is None:
            http = event.get("requestContext", {}).get("http", {})
            raise refuse_unknown(log.method, str(http.get("path", "")))
        headers = _headers(event)
        identity: Identity | None = None
        if route.login:  # first: no part of an unauthenticated request is parsed
            identity = self._services.access_tokens.identity_of(headers.get("authorization"))
            log.facts["identity"] = identity.id
        call = Call(
            ids={name: unquote(value, errors="replace") for name, value in ids.items()},
            query=_parse_query(event) if route.query else {},
            body=_parse_body(event, form=route.form and _is_form(headers)) if route.has_body else None,
            identity=identity,
            key=headers.get("idempotency-key"),
        )
        payload = route.handler(self._services, call)
        log.facts |= _facts(payload)
        return payload


def misconfigured(context: Mapping[str, Any]) -> Answer:
    """Return a 500 without the reason, which only the log shows."""
    return _error(Refusal(500, *_MISCONFIGURED), context)


def _parse_query(event: Mapping[str, Any]) -> dict[str, str]:
    try:
        return dict(parse_qsl(str(event.get("rawQueryString", "")), max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        raise invalid([(("query",), f"at most {MAX_QUERY_FIELDS} fields")]) from None


def _is_form(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def _parse_body(event: Mapping[str, Any], *, form: bool) -> Any:  # noqa: ANN401 (any JSON value)
    """Return the body, or None if it is empty; a form becomes an object of texts. Raise Refusal."""
    text = event.get("body") or ""
    if len(text) > MAX_BODY * 4 // 3 + 4:
        raise too_large(f"Body is larger than {MAX_BODY} bytes")
    try:
        raw = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, ValueError):
        raise bad_request("Body is not valid JSON") from None
    if len(raw) > MAX_BODY:
        raise too_large(f"Body is larger than {MAX_BODY} bytes")
    if not raw.strip():
        return None
    if form:
        return _parse_form(raw)
    try:
        found = json_parser.parse(raw.decode("utf-8-sig"))
        if b"\\u" in raw:
            json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is not text
    except ValueError:
        raise bad_request("Body is not valid JSON") from None
    return found


def _parse_form(raw: bytes) -> dict[str, str]:
    """Return the fields of a form, which may end with a line; a repeated name would be ambiguous."""
    try:
        text = raw.decode("utf-8-sig").rstrip("\r\n")
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise bad_request("Body is not a valid form") from None
    if len(dict(fields)) != len(fields):
        raise bad_request("Body is not a valid form: a field is repeated")
    return dict(fields)


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in event.get("headers", {}).items()}


def _success(payload: Payload, method: str, headers: Mapping[str, str]) -> Answer:
    if isinstance(payload, PublicFile):
        status, body, validators = file_response(payload, method, headers)
        return Answer(status, payload.kind, body, {**_ALWAYS, **validators})
    if isinstance(payload, str):
        return Answer(200, "text/plain; charset=utf-8", payload, {**_ALWAYS, **_NO_STORE})
    return Answer(200, JSON, "" if method == "HEAD" else json.dumps(payload), {**_ALWAYS, **_NO_STORE})


def _error(refusal: Refusal, context: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    body = refusal.body(str(context.get("requestId", "")))
    return Answer(refusal.status, JSON, json.dumps(body), {**_ALWAYS, **_NO_STORE, **(headers or {})})


def _facts(payload: Payload) -> dict[str, str]:
    """Return the ids of created or revoked objects for the log line."""
    if not isinstance(payload, dict):
        return {}
    inner = payload.get("certificate")
    whole = {**(inner if isinstance(inner, dict) else {}), **payload}
    names = {"certificateId": "certificate", "certificateRequestId": "request", "serialNumber": "serial_number"}
    found = {word: str(whole[name]) for name, word in names.items() if whole.get(name)}
    return {**found, "crl_published": str(whole["crlPublished"]).lower()} if "crlPublished" in whole else found
