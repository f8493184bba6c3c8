"""Validate a signed GetCallerIdentity request before forwarding it to STS."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from evercert.authority.api_errors import Refusal, bad_request, unauthorized
from evercert.origins import Origin
from evercert.partitions import sts_host
from evercert.schema import printable

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
SERVER_ID = "x-evercert-server-id"
NONCE = "x-evercert-nonce"
MAX_CLOCK_SKEW = timedelta(minutes=5)  # between x-amz-date and our clock
REPLAY_WINDOW = timedelta(minutes=15)  # after x-amz-date; longer than we or AWS accept a signature
_HEADERS_LIMIT = 24 * 1_024
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[A-Za-z0-9]{4,128}/(?P<day>[0-9]{8})/(?P<region>[^/]{1,60})/sts/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9-]{1,60}(?:;[a-z0-9-]{1,60}){0,11}), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_REGION = re.compile(r"[a-z0-9-]{1,20}")
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
# The body fixes these values. Infisical's SDK for Python signs the content length and does not send it.
_FIXED = {"content-length": str(len(BODY)), "x-amz-content-sha256": hashlib.sha256(BODY).hexdigest()}
# Allowed values of signed headers; other headers are not forwarded, so they cannot be signed.
_FORWARDABLE = {
    "host": re.compile(r"sts\.[a-z0-9-]{1,20}\.[a-z0-9.-]{1,20}"),  # compared with the region's host below
    "content-type": re.compile(r"application/x-www-form-urlencoded(?:; charset=utf-8)?"),
    "content-length": re.compile(_FIXED["content-length"]),
    "x-amz-date": _DATE,
    "x-amz-security-token": re.compile(r"[\x21-\x7e]{1,8192}"),
    "x-amz-content-sha256": re.compile(_FIXED["x-amz-content-sha256"]),
    SERVER_ID: re.compile(r"[\x21-\x7e]{1,300}"),
    NONCE: re.compile(r"[A-Za-z0-9_-]{1,64}"),  # makes the signatures of two logins in one second differ
}
_SIGNED_IF_PRESENT = ("x-amz-security-token", SERVER_ID)
_ALWAYS_SIGNED = ("host", "x-amz-date")


@dataclass(frozen=True)
class SignedRequest:
    """A signed request from a client: the method, and body and headers in base64."""

    method: str
    body: str = field(repr=False)
    headers: str = field(repr=False)


@dataclass(frozen=True)
class Rules:
    """Rules for requests: allowed STS `regions`, and our origin as the `server_id` that must be signed."""

    regions: frozenset[str]
    server_id: str

    @classmethod
    def of(cls, regions: Iterable[str], address: str) -> Self:
        """Build rules from the public address, without its path; raise Misconfigured if it is invalid."""
        return cls(frozenset(regions), str(Origin.of(address)))


@dataclass(frozen=True)
class AWSProof:
    """A validated request for STS; `signature` is the SHA-256 of its signature.

    It is `repeatable` without a nonce.
    """

    region: str
    headers: Mapping[str, str] = field(repr=False)
    signature: str
    until: datetime  # end of the replay protection; equal for every use of the signature
    repeatable: bool


@dataclass(frozen=True)
class _Signed:
    """Parts of the header `Authorization`."""

    day: str
    region: str
    headers: tuple[str, ...]
    signature: str


def validate_request(request: SignedRequest, rules: Rules, now: datetime, *, foreign_clients: bool) -> AWSProof:
    """Validate a request; raise Refusal: 400 if malformed, 401 if outdated or for another server.

    With `foreign_clients` the server id may be missing; if present, it must be ours.
    """
    if request.method != "POST":
        raise bad_request("iamHttpRequestMethod: only POST is allowed")
    if _decode_base64(request.body, "iamRequestBody") != BODY:
        raise bad_request(f"iamRequestBody: only {BODY.decode()} is allowed")
    sent = _parse_headers(request.headers)
    signed = _parse_authorization(sent)
    if not _REGION.fullmatch(signed.region) or signed.region not in rules.regions:
        raise bad_request("Invalid AWS region")
    headers = _forwarded_headers(sent, signed)
    if headers["host"] != (host := sts_host(signed.region)):
        raise bad_request(f"iamRequestHeaders: Host is not {host}, whose region signed")
    signed_at = _require_fresh(headers["x-amz-date"], signed.day, now)
    _require_server_id(headers, rules.server_id, foreign_clients=foreign_clients)
    # Some clients add it unsigned; STS needs it to read the body.
    headers.setdefault("content-type", _CONTENT_TYPE)
    headers["authorization"] = sent["authorization"]
    digest = hashlib.sha256(signed.signature.encode()).hexdigest()
    return AWSProof(signed.region, headers, digest, signed_at + REPLAY_WINDOW, NONCE not in headers)


def _decode_base64(text: str, name: str) -> bytes:
    """Decode strict base64 (RFC 4648 §4)."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise bad_request(f"{name}: invalid base64") from None


def _parse_headers(text: str) -> dict[str, str]:
    """Return the headers by lower-case name; refuse duplicates."""
    if len(text) > _HEADERS_LIMIT:
        raise bad_request("iamRequestHeaders: too long")
    try:
        pairs = json.loads(_decode_base64(text, "iamRequestHeaders").decode("ascii"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, _Pairs):
        raise bad_request("iamRequestHeaders: not a JSON object")
    found: dict[str, str] = {}
    for name, value in pairs:
        # `isprintable` excludes line breaks, which could inject another header.
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise bad_request(f"iamRequestHeaders: {printable(name, 60)} is not printable ASCII text")
        if name.lower() in found:
            raise bad_request(f"iamRequestHeaders: duplicate {printable(name, 60)}")
        found[name.lower()] = value
    return found


class _Pairs(list[tuple[str, Any]]):
    """Pairs of a JSON object, including duplicate names."""


def _parse_authorization(sent: Mapping[str, str]) -> _Signed:
    match = _AUTHORIZATION.fullmatch(sent.get("authorization", ""))
    if match is None:
        raise bad_request("iamRequestHeaders: Authorization is not an AWS4-HMAC-SHA256 signature for the service sts")
    names = match["signed"].split(";")
    if names != sorted(set(names)):
        raise bad_request("iamRequestHeaders: SignedHeaders must be sorted and unique")
    return _Signed(match["day"], match["region"], tuple(names), match["signature"])


def _forwarded_headers(sent: Mapping[str, str], signed: _Signed) -> dict[str, str]:
    """Return the headers for STS: exactly the signed ones."""
    for name in _ALWAYS_SIGNED:
        if name not in signed.headers:
            raise bad_request(f"iamRequestHeaders: {name} is not signed")
    for name in _SIGNED_IF_PRESENT:
        if name in sent and name not in signed.headers:
            raise bad_request(f"iamRequestHeaders: {name} is not signed")
    found = {}
    for name in signed.headers:
        if name not in _FORWARDABLE:
            raise bad_request(f"iamRequestHeaders: {name} must not be signed: it is not forwarded to STS")
        value = sent.get(name, _FIXED.get(name, ""))
        if not _FORWARDABLE[name].fullmatch(value):
            raise bad_request(f"iamRequestHeaders: {name} is missing or has an unexpected value")
        found[name] = value
    return found


def _require_fresh(date: str, day: str, now: datetime) -> datetime:
    """Return when the request was signed; raise Refusal if that is not within the clock skew."""
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise bad_request("iamRequestHeaders: invalid x-amz-date") from None
    if date[:8] != day:
        raise bad_request("iamRequestHeaders: credential date and x-amz-date differ")
    if abs(signed_at - now) > MAX_CLOCK_SKEW:
        raise unauthorized(
            "Access denied: the AWS signature is too old or from the future; sign a new request, or check the clock."
        )
    return signed_at


def _require_server_id(headers: Mapping[str, str], server_id: str, *, foreign_clients: bool) -> None:
    """Raise Refusal unless the request is signed for this server.

    Otherwise another recipient of the request could replay it here.
    """
    signed_for = headers.get(SERVER_ID)
    if signed_for is None and not foreign_clients:
        raise _denied(f"{SERVER_ID} is missing; sign it, or allow foreign clients for the identity")
    if signed_for is not None and signed_for != server_id:
        raise _denied(f"{SERVER_ID} is for another server")


def _denied(reason: str) -> Refusal:
    return unauthorized(f"Access denied: the AWS signature is not for this server: {reason}.")
