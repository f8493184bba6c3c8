"""A double of STS that verifies the signature of every GetCallerIdentity request."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

PAST = timedelta(minutes=15)
FUTURE = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r" ?SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Caller:
    """The principal and the secret of an access key."""

    secret: str
    account: str
    arn: str
    user_id: str
    session_token: str | None = None


class Denied(Exception):
    """The code and message of an STS error."""


@dataclass
class Sts:
    """An STS with `callers` by access key id; `seen` has every request without its signature."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    callers: dict[str, Caller] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def add(
        self, access_key: str, secret: str, *, arn: str, session_token: str | None = None, user_id: str = "AROAEXAMPLE"
    ) -> None:
        """Add a principal; its account is the one in its ARN."""
        self.callers[access_key] = Caller(secret, arn.split(":")[4], arn, user_id, session_token)

    def answer(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> tuple[int, str, bytes]:
        """Return status, content type and body; JSON or XML by `Accept`."""
        self.seen.append(f"{method} {headers.get('Host')}{path}")
        try:
            caller = self._verified(method, path, headers, body)
        except Denied as error:
            code, message = error.args
            said = json.dumps({"Error": {"Code": code, "Message": message, "Type": "Sender"}, "RequestId": "1"})
            return 403, "application/json", said.encode()
        if "json" not in (headers.get("Accept") or ""):
            result = f"<Arn>{caller.arn}</Arn><UserId>{caller.user_id}</UserId><Account>{caller.account}</Account>"
            xml = f"<GetCallerIdentityResponse><GetCallerIdentityResult>{result}</GetCallerIdentityResult>"
            return 200, "text/xml", f"{xml}</GetCallerIdentityResponse>".encode()
        result = {"Account": caller.account, "Arn": caller.arn, "UserId": caller.user_id}
        said = {
            "GetCallerIdentityResponse": {"GetCallerIdentityResult": result, "ResponseMetadata": {"RequestId": "1"}}
        }
        return 200, "application/json", json.dumps(said).encode()

    def _verified(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> Caller:
        match = _AUTHORIZATION.fullmatch(headers.get("Authorization") or "")
        if not match:
            raise Denied("IncompleteSignature", "Authorization header is not a SigV4 one")
        caller = self.callers.get(match["key"])
        if caller is None:
            raise Denied("InvalidClientTokenId", "The security token included in the request is invalid.")
        if headers.get("X-Amz-Security-Token") != caller.session_token:
            raise Denied("InvalidClientTokenId", "The security token included in the request is invalid")
        self._in_time(headers, match["day"])
        self._addressed(headers, match["region"], match["service"])
        signed = match["signed"].split(";")
        needed = {"host", "x-amz-date"} | ({"x-amz-security-token"} if caller.session_token else set())
        if not needed <= set(signed) or signed != sorted(signed):
            raise Denied("SignatureDoesNotMatch", "a header that has to be signed is not")
        if not hmac.compare_digest(_signature(method, path, headers, body, caller.secret, match), match["signature"]):
            raise Denied("SignatureDoesNotMatch", "The request signature we calculated does not match")
        query = parse_qs(body.decode(errors="replace"))
        if query != {"Action": ["GetCallerIdentity"], "Version": ["2011-06-15"]}:
            raise Denied("InvalidAction", "this STS answers GetCallerIdentity only")
        return caller

    def _in_time(self, headers: http.client.HTTPMessage, day: str) -> None:
        text = headers.get("X-Amz-Date") or ""
        try:
            signed_at = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError as error:
            raise Denied("IncompleteSignature", "X-Amz-Date is none") from error
        if text[:8] != day:
            raise Denied("SignatureDoesNotMatch", "the credential's day is not the request's")
        if not self.clock() - PAST <= signed_at <= self.clock() + FUTURE:
            raise Denied("SignatureDoesNotMatch", "Signature expired or not yet current")

    def _addressed(self, headers: http.client.HTTPMessage, region: str, service: str) -> None:
        """Check that host and signed region match; the global endpoint belongs to us-east-1."""
        hosts = {f"sts.{region}.amazonaws.com"} | ({"sts.amazonaws.com"} if region == "us-east-1" else set())
        if service != "sts" or headers.get("Host") not in hosts:
            raise Denied("SignatureDoesNotMatch", "Credential should be scoped to a valid region and service")


def _signature(
    method: str, path: str, headers: http.client.HTTPMessage, body: bytes, secret: str, said: re.Match[str]
) -> str:
    lines = [f"{name}:{' '.join((headers.get(name) or '').split())}" for name in said["signed"].split(";")]
    canonical = "\n".join([method, path, "", *lines, "", said["signed"], hashlib.sha256(body).hexdigest()])
    scope = f"{said['day']}/{said['region']}/{said['service']}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (said["day"], said["region"], said["service"], "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()
