"""What a signed question to STS must be before STS is asked it; nothing of it goes on that is not checked here."""

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
from evercert.schema import printable

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
SERVER_ID = "x-evercert-server-id"
FRESH = timedelta(minutes=5)  # the date may be as far from our clock, either way
TAKEN = timedelta(minutes=15)  # for as long a signature is remembered: longer than it is fresh, and than AWS takes it
_HEADERS_LIMIT = 24 * 1_024
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[A-Za-z0-9]{4,128}/(?P<day>[0-9]{8})/(?P<region>[^/]{1,60})/sts/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9-]{1,60}(?:;[a-z0-9-]{1,60}){0,11}), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_REGION = re.compile(r"[a-z0-9-]{1,20}")
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
# What a signed header may say; one that is not here cannot be signed, because STS would not see it.
_KNOWN = {
    "host": re.compile(r"sts\.[a-z0-9-]{1,20}\.amazonaws\.com"),
    "content-type": re.compile(r"application/x-www-form-urlencoded(?:; charset=utf-8)?"),
    "content-length": re.compile(str(len(BODY))),
    "x-amz-date": _DATE,
    "x-amz-security-token": re.compile(r"[\x21-\x7e]{1,8192}"),
    "x-amz-content-sha256": re.compile(hashlib.sha256(BODY).hexdigest()),
    SERVER_ID: re.compile(r"[\x21-\x7e]{1,300}"),
    "x-evercert-nonce": re.compile(r"[A-Za-z0-9_-]{1,64}"),  # so that two logins of one second are not one signature
}
_WORTHLESS_UNSIGNED = ("x-amz-security-token", SERVER_ID)
_ALWAYS = ("host", "x-amz-date")


@dataclass(frozen=True)
class Question:
    """As a client sends it: the method, and body and headers in base64 (contract §A.4)."""

    method: str
    body: str = field(repr=False)
    headers: str = field(repr=False)


@dataclass(frozen=True)
class Rules:
    """`regions`: whose STS is asked; `server_id`: our origin, which the question has to be signed for."""

    regions: frozenset[str]
    server_id: str

    @classmethod
    def of(cls, regions: Iterable[str], address: str) -> Self:
        """Of the address that clients have; its path is no part of it. Raises Misconfigured if it is none."""
        return cls(frozenset(regions), str(Origin.of(address)))


@dataclass(frozen=True)
class AWSProof:
    """A question that may be asked, once; `signature` is the SHA-256 of its signature."""

    region: str
    headers: Mapping[str, str] = field(repr=False)
    signature: str
    until: datetime  # it is remembered so long that it was asked


@dataclass(frozen=True)
class _Signed:
    """The parts of `Authorization`."""

    day: str
    region: str
    headers: tuple[str, ...]
    signature: str


def proof(question: Question, rules: Rules, now: datetime, *, foreign_clients: bool) -> AWSProof:
    """Raises Refusal: 400 for what is malformed, 401 for what is for somebody else, or of another time.

    With `foreign_clients` the server id may be missing; one that is there is ours all the same.
    """
    if question.method != "POST":
        raise bad_request("iamHttpRequestMethod: only POST is asked")
    if _decoded(question.body, "iamRequestBody") != BODY:
        raise bad_request(f"iamRequestBody: only {BODY.decode()} is asked")
    given = _headers(question.headers)
    signed = _authorization(given)
    if not _REGION.fullmatch(signed.region) or signed.region not in rules.regions:
        raise bad_request("Invalid AWS region")
    headers = _forwarded(given, signed)
    if headers["host"] != f"sts.{signed.region}.amazonaws.com":
        raise bad_request(f"iamRequestHeaders: Host is not sts.{signed.region}.amazonaws.com, whose region signed")
    _in_time(headers["x-amz-date"], signed.day, now)
    _for_us(headers, rules.server_id, foreign_clients=foreign_clients)
    # A client that adds it after signing has said nothing else with it, and STS reads no body without it.
    headers.setdefault("content-type", _CONTENT_TYPE)
    headers["authorization"] = given["authorization"]
    return AWSProof(signed.region, headers, hashlib.sha256(signed.signature.encode()).hexdigest(), now + TAKEN)


def _decoded(text: str, name: str) -> bytes:
    """RFC 4648 §4, and no character besides."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise bad_request(f"{name}: it is no base64") from None


def _headers(text: str) -> dict[str, str]:
    """By their names in lower case; each once."""
    if len(text) > _HEADERS_LIMIT:
        raise bad_request("iamRequestHeaders: it is too long")
    try:
        pairs = json.loads(_decoded(text, "iamRequestHeaders").decode("ascii"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, _Pairs):
        raise bad_request("iamRequestHeaders: it is no JSON object")
    found: dict[str, str] = {}
    for name, value in pairs:
        # `isprintable` is what keeps a line break, and so another header, out of the request.
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise bad_request(f"iamRequestHeaders: {printable(name, 60)} is no text of printable ASCII")
        if name.lower() in found:
            raise bad_request(f"iamRequestHeaders: {printable(name, 60)} is there twice")
        found[name.lower()] = value
    return found


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its names, also those that it has twice."""


def _authorization(given: Mapping[str, str]) -> _Signed:
    match = _AUTHORIZATION.fullmatch(given.get("authorization", ""))
    if match is None:
        raise bad_request("iamRequestHeaders: Authorization is no AWS4-HMAC-SHA256 signature for the service sts")
    names = match["signed"].split(";")
    if names != sorted(set(names)):
        raise bad_request("iamRequestHeaders: SignedHeaders are not in order, or not each of them once")
    return _Signed(match["day"], match["region"], tuple(names), match["signature"])


def _forwarded(given: Mapping[str, str], signed: _Signed) -> dict[str, str]:
    """What STS is shown: all that is signed, and nothing else."""
    for name in _ALWAYS:
        if name not in signed.headers:
            raise bad_request(f"iamRequestHeaders: {name} is not signed")
    for name in _WORTHLESS_UNSIGNED:
        if name in given and name not in signed.headers:
            raise bad_request(f"iamRequestHeaders: {name} is not signed")
    found = {}
    for name in signed.headers:
        if name not in _KNOWN:
            raise bad_request(f"iamRequestHeaders: {name} is signed, and no header that is sent on")
        if not _KNOWN[name].fullmatch(given.get(name, "")):
            raise bad_request(f"iamRequestHeaders: {name} is not there, or not what it has to be")
        found[name] = given[name]
    return found


def _in_time(date: str, day: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise bad_request("iamRequestHeaders: x-amz-date is no date") from None
    if date[:8] != day:
        raise bad_request("iamRequestHeaders: the credential is of another day than x-amz-date")
    if abs(signed_at - now) > FRESH:
        raise unauthorized("Access denied: the AWS signature is not of now; sign a new one, or look at the clock.")


def _for_us(headers: Mapping[str, str], server_id: str, *, foreign_clients: bool) -> None:
    """Without it, whoever is shown a question by a client could show it to us."""
    said = headers.get(SERVER_ID)
    if said is None and not foreign_clients:
        raise _denied(f"{SERVER_ID} is not there; the client has to sign it, or the identity to allow foreign clients")
    if said is not None and said != server_id:
        raise _denied(f"{SERVER_ID} is for another server")


def _denied(why: str) -> Refusal:
    return unauthorized(f"Access denied: the AWS signature is not for this server: {why}.")
