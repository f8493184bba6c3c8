"""The ACME server: from an event of API Gateway to an answer (RFC 8555 §6)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evercert.acme.problem import MEDIA_TYPE as PROBLEM
from evercert.authority.acme import response_bodies as bodies
from evercert.authority.acme import signed_requests
from evercert.authority.acme.nonces import Nonces
from evercert.authority.acme.paths import Resource
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Account
from evercert.authority.acme.replacements import RETRY_AFTER, Replacements
from evercert.authority.acme.resources import JSON, Directory, Resources
from evercert.authority.acme.signed_requests import LARGEST_BODY, TOO_LARGE, SignedRequest
from evercert.authority.contracts.ports import Configuration
from evercert.authority.http_answers import Answer, CallLog
from evercert.errors import EvercertError, Misconfigured, OutOfTime, Unavailable, Unexpected
from evercert.timestamps import to_text

WAIT_SECONDS = 5
LONGEST_ADDRESS = 50  # characters of an IPv6 address and more
NOT_FOUND, NOT_ALLOWED = 404, 405
# Browser clients may read these (RFC 8555 §6.1).
_ALWAYS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Link, Location, Replay-Nonce, Retry-After",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "86400",
}
_READ_BY_GET = frozenset({"directory", "new-nonce", "renewal-info"})
_ALLOWED = {"directory": "GET, HEAD, POST", "new-nonce": "GET, HEAD, POST", "renewal-info": "GET, HEAD"}


class AcmeServer:
    """Entry point of all requests to a directory; never raises."""

    def __init__(
        self,
        configuration: Configuration,
        resources: Resources,
        replacements: Replacements,
        nonces: Nonces,
        address: str,
    ) -> None:
        self._configuration = configuration
        self._resources = resources
        self._replacements = replacements
        self._nonces = nonces
        self._address = address

    def answer(self, resource: Resource, event: Mapping[str, Any]) -> tuple[Answer, CallLog]:
        """Answer an event (payload 2.0) for this resource."""
        method = str(event.get("requestContext", {}).get("http", {}).get("method", "?"))[:10]
        log = CallLog(method, f"acme/{resource.name or '?'}", facts={"profile": resource.profile})
        try:
            answer = self._answer(resource, method, event, log)
        except Refused as refused:
            log.outcome, log.facts["error"] = "refused", refused.kind
            answer = _problem(refused)
        except (Unavailable, OutOfTime) as error:
            log.outcome, log.facts["message"] = Unavailable.kind, str(error)
            wait = {"Retry-After": str(WAIT_SECONDS)}
            answer = _problem(Refused("serverInternal", "temporarily unavailable; try again", status=503, headers=wait))
        except Exception as error:  # noqa: BLE001 (its text could contain a secret)
            known = error if isinstance(error, EvercertError) else Unexpected.of(error)
            log.outcome = known.kind if isinstance(known, Misconfigured) else "unexpected"
            log.facts["message"] = str(known)
            answer = _problem(
                Refused("serverInternal", "the authority failed; its operator finds the reason in its log")
            )
        log.status = answer.status
        return self._completed(answer, resource, method, log), log

    def _answer(self, resource: Resource, method: str, event: Mapping[str, Any], log: CallLog) -> Answer:
        client = str(event.get("requestContext", {}).get("http", {}).get("sourceIp") or "")
        directory = replace(
            self._directory(resource), query=str(event.get("rawQueryString") or ""), client=client[:LONGEST_ADDRESS]
        )
        if method == "OPTIONS":
            return Answer(204, JSON, "", dict(_PREFLIGHT))
        if method in {"GET", "HEAD"} and resource.name in _READ_BY_GET:
            return self._read(directory, method)
        if method != "POST" or resource.name == "renewal-info":
            allowed = _ALLOWED.get(str(resource.name), "POST")
            raise malformed(f"use {allowed}", NOT_ALLOWED, headers={"Allow": allowed})
        request = signed_requests.read(_body(event), _header(event, "content-type"), directory.url)
        return self._post(directory, request, log)

    def _directory(self, resource: Resource) -> Directory:
        profile = self._configuration.profile(resource.profile)
        application = None
        if resource.application is not None:
            application = self._configuration.application(resource.application)
            attached = application is not None and profile is not None and profile.slug in application.profiles
            if not attached or application is None or profile is None or application.project != profile.project:
                raise malformed("no ACME directory is here", NOT_FOUND)
        if profile is None or profile.acme_enrollment is None or resource.name is None:
            raise malformed("no ACME resource is here", NOT_FOUND)
        return Directory(profile, profile.acme_enrollment, resource, resource.urls(self._address))

    def _read(self, directory: Directory, method: str) -> Answer:
        match directory.resource.name:
            case "directory":
                body = bodies.directory(directory.urls, directory.profile, directory.options)
            case "new-nonce":
                return Answer(204 if method == "GET" else 200, JSON, "")
            case _:
                start, end = self._replacements.window(directory.resource.ids[0])
                body = {"suggestedWindow": {"start": to_text(start), "end": to_text(end)}}
        headers = {}
        if directory.resource.name == "renewal-info":
            headers["Retry-After"] = str(int(RETRY_AFTER.total_seconds()))
        return Answer(200, JSON, "" if method == "HEAD" else json.dumps(body), headers)

    def _post(self, directory: Directory, request: SignedRequest, log: CallLog) -> Answer:
        """Verify signature and nonce, in this order: a request of someone else uses up no nonce."""
        account, name = self._signer(directory, request), directory.resource.name
        self._nonces.redeem(request.nonce)
        if account is not None:
            log.facts["account"] = account.id
        if name == "new-account":
            return self._resources.register(directory, request)
        if account is None:
            return self._resources.revoke(directory, request, None)
        handler = self._resources.handler(name)
        if handler is None:  # the directory and newNonce: a POST-as-GET (§6.3)
            request.require_no_payload()
            return self._read(directory, "POST")
        return handler(directory, request, account)

    def _signer(self, directory: Directory, request: SignedRequest) -> Account | None:
        """Return the account that signed the request, or None if the key in its header did (§6.2)."""
        name = directory.resource.name
        if request.key is None:
            if name == "new-account":
                raise malformed("newAccount is signed with the header jwk, not kid")
            return self._resources.accounts.sender(request, directory.rules)
        if name not in {"new-account", "revoke-cert"}:
            raise malformed("this request is signed with the header kid, not jwk")
        request.verify(request.key)
        return None

    def _completed(self, answer: Answer, resource: Resource, method: str, log: CallLog) -> Answer:
        """Add the headers of every answer: a nonce, the link to the directory, and those of browsers."""
        headers = {**_ALWAYS, **answer.headers}
        if method == "POST" or resource.name == "new-nonce":
            try:
                headers["Replay-Nonce"] = self._nonces.issue()
            except EvercertError as error:
                log.facts.setdefault("message", f"no nonce: {error}")
                if resource.name == "new-nonce":
                    headers["Retry-After"] = str(WAIT_SECONDS)
                    answer = _problem(Refused("serverInternal", "no nonce now; try again", status=503))
                    log.status = answer.status
        if resource.name != "directory":
            index = f'<{self._address}{resource.prefix}/directory>;rel="index"'
            # API Gateway sends one header. Some clients read its first link only, and split parameters before links.
            headers["Link"] = f"{headers['Link']}, {index}" if "Link" in headers else index
        return replace(answer, headers=headers)


def _problem(refused: Refused) -> Answer:
    return Answer(refused.status, PROBLEM, json.dumps(refused.body), dict(refused.headers))


def _header(event: Mapping[str, Any], wanted: str) -> str:
    return next((str(value) for name, value in event.get("headers", {}).items() if str(name).lower() == wanted), "")


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    if len(text) > LARGEST_BODY * 4 // 3 + 4:
        raise malformed(f"the body is larger than {LARGEST_BODY} bytes", TOO_LARGE)
    if not event.get("isBase64Encoded"):
        return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise malformed("the body cannot be read") from None
