"""Readers of an Infisical server's answers: heads and bodies of HTTP, and every field of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

import httpcore
import httpx

from evercert.cli.issuers import web_host
from evercert.contracts.issuer import Issued, Request
from evercert.deadline import Deadline
from evercert.errors import EvercertError
from evercert.http_client.client import HTTPClient, ServerClient
from evercert.http_client.response import Response
from evercert.http_client.retry import Retry
from evercert.http_client.transport import Connection, Limit
from evercert.issuers.context import IssuerContext
from evercert.issuers.infisical.errors import Refusal
from evercert.issuers.infisical.issuer import Infisical
from evercert.issuers.infisical.settings import InfisicalSettings
from evercert.origins import Hosts, Origin
from evercert.pki.certificate import to_pem
from tests.doubles.credential_reader import Vault
from tests.doubles.fakes import START, HandClock, spec
from tests.fuzz.changes import changed_tree
from tests.fuzz.reader import Reader
from tests.fuzz.readers.certificates import KEY, chain

TYPED = (EvercertError,)
ID = "11111111-2222-4333-8444-555555555555"
ADDRESS = "https://app.infisical.com"
UNVERIFIED = httpx.create_ssl_context(verify=False)


# -- HTTP -------------------------------------------------------------------------------------------------------------
HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 12\r\nX-A: b\r\n\r\n[1, 2, 3, 4]",
    b"HTTP/1.1 302 Found\r\nLocation: https://other.example/login?x=y\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: Thu, 15 Jan 2026 12:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\nSet-Cookie: a=b; Path=/\r\n\r\nx",
]


class Stream(httpcore.MockStream):
    """A connection that answers each request with the bytes of its network."""

    def __init__(self, network: Scripted) -> None:
        super().__init__([])
        self._network = network

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._buffer = [self._network.data]


class Scripted(httpcore.NetworkBackend):
    """A network on which every connection receives the same bytes."""

    def __init__(self) -> None:
        self.limit = Limit(timedelta(seconds=10))
        self.data = b""

    def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        return Stream(self)


@cache
def network() -> tuple[ServerClient, Scripted]:
    """Return a client of a server on a scripted network, without retries."""
    backend, clock = Scripted(), HandClock()
    http = HTTPClient(Hosts.of(""), Deadline(clock), clock, lambda span: None, local=True)
    origin = Origin.of("http://127.0.0.1")
    connection = Connection(origin, None, backend)  # type: ignore[arg-type]
    return ServerClient(origin, "", http, Retry(max_retries=0), lambda: connection), backend


def read_http(data: bytes) -> None:
    """Read a response, as JSON and as a refusal."""
    client, backend = network()
    backend.data = data
    answer = client.call("GET", "/x")
    Refusal.of(answer).as_error("do it")
    answer.json()


def read_web_host(data: bytes) -> None:
    """Read a response of a web host, which may redirect to itself."""
    backend, transport = Scripted(), httpx.HTTPTransport(UNVERIFIED)
    backend.data = data
    transport._pool = httpcore.ConnectionPool(network_backend=backend)
    found = web_host.check("www.example.com", transport=transport)
    assert found.status in ("ok", "warning") and found.found.isprintable()


def read_body(data: bytes) -> None:
    """Read the body of a refusal and of an answer."""
    answer = Response(400, {}, data)
    error = Refusal.of(answer, hide=["secret"]).as_error("do it")
    assert str(error).isprintable()
    answer.json()


# -- JSON -------------------------------------------------------------------------------------------------------------
class Server:
    """A server that answers each call with its entry of a script: by the longest beginning of `METHOD path`."""

    base = ""
    origin = Origin.of(ADDRESS)

    def __init__(self, script: Any) -> None:
        self._script = script if isinstance(script, dict) else {}

    def server(self, *_: Any, **__: Any) -> Server:
        return self

    def call(self, method: str, path: str, **_: Any) -> Response:
        what = f"{method} {path}"
        fitting = [key for key in self._script if what.startswith(key)]
        found = self._script[max(fitting, key=len)] if fitting else {"message": "not found", "error": "NotFound"}
        return Response(200 if fitting else 404, {}, json.dumps(found).encode(), what)


def script() -> dict[str, Any]:
    """Return valid answers of every call."""
    root, issuing, last = (entity.certificate for entity in chain())
    pems = {"certificate": to_pem([last]), "certificateChain": to_pem([issuing, root]), "privateKey": KEY.pem()}
    issued = {"certificateId": ID, "serialNumber": "01", "issuingCaCertificate": to_pem([issuing]), **pems}
    request = {"id": ID, "certificateRequestId": ID, "createdAt": "2026-01-15T12:00:00.000Z", "certificateId": ID}
    manager = "/api/v1/cert-manager"
    profile = {"id": ID, "slug": "tls-server", "projectId": ID, "defaults": {"keyAlgorithm": "RSA_2048", "ttlDays": 90}}
    known = {
        "id": ID,
        "status": "active",
        "serialNumber": "01",
        "renewedByCertificateId": None,
        "notAfter": "2026-04-15T12:00:00Z",
    }
    return {
        "POST /api/v1/auth/": {"accessToken": "token", "expiresIn": 3600, "accessTokenMaxTTL": 86_400, "tokenType": "Bearer"},
        f"GET {manager}/applications/": {"application": {"id": ID}, "profiles": [{"profileSlug": "tls-server", "profileId": ID}]},
        f"GET {manager}/certificate-profiles/": {"certificateProfile": profile},
        f"POST {manager}/certificates": {"certificate": issued, "certificateRequestId": ID, "status": "issued"},
        f"POST {manager}/certificates/{ID}/renew": {**issued, "certificateRequestId": ID},
        f"GET {manager}/certificates/{ID}": {"certificate": known},
        f"GET {manager}/certificates/{ID}/bundle": pems,
        f"GET {manager}/certificates/certificate-requests/": {**request, "status": "issued", "message": "why"},
        f"POST {manager}/certificates/certificate-requests/search": {"certificateRequests": [request], "totalCount": 1},
        f"POST {manager}/certificates/certificate-requests/{ID}/cancel": {"cancelled": False},
    }  # fmt: skip


def scripts() -> list[Any]:
    """Return the script of an issued certificate, of a pending request, and of an older server's answers."""
    pending = script()
    polled = next(key for key in pending if key.endswith("certificate-requests/"))
    pending[polled] |= {"status": "pending_approval", "certificateId": None}
    asked = next(key for key in pending if key.endswith("/certificates"))
    pending[asked] = {"certificateRequestId": ID, "status": "pending_approval", "message": "wait"}
    return [script(), pending]


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except TYPED:
        return


def read_answers(tree: Any) -> None:
    """Run every call of an issuer against the answers."""
    vault, clock = Vault(), HandClock()
    vault.store("evercert/credentials/infisical", {"address": ADDRESS, "client-id": ID, "client-secret": "s"})
    login = {"type": "universal-auth", "credentials": {"aws-secret": "evercert/credentials/infisical"}}
    settings = InfisicalSettings.model_validate({"application": "shop", "profile": "tls-server", "auth": login})
    context = IssuerContext(Server(tree), vault.credentials, None, clock)  # type: ignore[arg-type]
    issuer = Infisical(settings, lambda: context)
    wanted = spec()
    request = Request("web", wanted, KEY.sign_csr(wanted.attributes), 2, "token", START)
    previous = kept_facts()
    for changes in (
        {},
        {"csr": None},
        {"handle": ID},
        {"handle": f"certificate:{ID}"},
        {"previous": previous, "asked_before": True},
    ):
        with _ignored():
            found = issuer.issue(Request(**{**request.__dict__, **changes}))
            assert not isinstance(found, Issued) or found.chain.certificates
    for call in (
        lambda: issuer.status(wanted, previous),
        lambda: issuer.cancel(ID),
        issuer.key_algorithm,
        issuer.reach,
        lambda: issuer.withdraw(request),
        issuer.check_login,
    ):
        with _ignored():
            call()  # fmt: skip


def kept_facts() -> Any:
    from evercert.contracts.record import Facts

    return Facts(
        revision=1,
        serial_number="01",
        not_before=START,
        not_after=START + timedelta(days=90),
        fingerprint_sha256="f",
        names=("dns:a",),
        reference=ID,
    )


BODIES = [
    {
        "reqId": "1",
        "statusCode": 403,
        "message": "Denied",
        "error": "PermissionDenied",
        "details": [{"action": ["read"], "subject": "x", "inverted": False}],
    },
    {
        "message": [{"path": ["a", 0], "message": "wrong", "code": "custom"}],
        "error": "ValidationFailure",
        "statusCode": 422,
    },
]


READERS = [
    Reader("HTTP response", lambda: HEADS, read_http, typed=TYPED, cost=3),
    Reader("web host", lambda: HEADS, read_web_host, typed=TYPED, cost=20),
    Reader("body", lambda: [json.dumps(body).encode() for body in BODIES], read_body, typed=TYPED),
    Reader("refusal", lambda: BODIES, lambda tree: read_body(json.dumps(tree).encode()), changed_tree, TYPED),
    Reader("answers of Infisical", scripts, read_answers, changed_tree, TYPED, cost=12),
]
