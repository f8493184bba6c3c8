"""A slow and failing issuer over HTTP, and the CA behind it.

The CA remembers tokens, as a real one with idempotent requests does, so that waste can be counted.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.documents.spec import Model
from evercert.errors import Misconfigured, Rejected, Unavailable
from evercert.pki.certificate import Chain
from evercert.schema import printable

LIFETIME = timedelta(days=30)
POLL = timedelta(minutes=2)


@dataclass
class ScriptedCA:
    """Answers each new request with the next step of its script, then with `issue`.

    Steps: issue, pending, reject, unavailable, misconfigured, wrong-key, wrong-name, expired, garbage, hang.
    """

    script: list[str] = field(default_factory=list)
    issued: dict[str, str] = field(default_factory=dict)  # token → PEM
    asked: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scripted CA")])
        self._lock = threading.Lock()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and JSON body."""
        with self._lock:
            if path == "/revoke":
                self.revoked.append(body["serial_number"])
                return 200, {}
            if path == "/cancel":
                self.cancelled.append(body["handle"])
                return 200, {}
            return self._issue(body)

    def _issue(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        token = body["token"]
        self.asked.append(token)
        if token in self.issued:
            return 200, {"chain": self.issued[token]}
        step = self.script.pop(0) if self.script else "issue"
        match step:
            case "pending":
                return 202, {"handle": f"handle-{token}"}
            case "reject":
                return 422, {"message": "policy says no\x1b[31m"}
            case "unavailable":
                return 503, {"message": "busy"}
            case "misconfigured":
                return 401, {"message": "who are you"}
            case "garbage":
                return 200, {"chain": "-----BEGIN NONSENSE-----"}
            case "hang":
                raise TimeoutError
        pem = self._sign(body, step)
        if step == "issue":
            self.issued[token] = pem
        return 200, {"chain": pem}

    def _sign(self, body: dict[str, Any], step: str) -> str:
        csr = x509.load_pem_x509_csr(body["csr"].encode())
        now = datetime.fromisoformat(body["now"])
        begins = now - 2 * LIFETIME if step == "expired" else now - timedelta(minutes=1)
        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        builder = (
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .issuer_name(self._name)
            .public_key(other if step == "wrong-key" else csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + LIFETIME)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName("evil.example")]) if step == "wrong-name" else names,
                critical=False,
            )
        )
        for extension in csr.extensions:
            if isinstance(extension.value, x509.KeyUsage | x509.ExtendedKeyUsage):
                builder = builder.add_extension(extension.value, extension.critical)
        leaf = builder.sign(self._key, hashes.SHA256())
        root = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in (leaf, root))

    def transport(self) -> httpx.MockTransport:
        """Return a transport for tests without sockets."""

        def handle(request: httpx.Request) -> httpx.Response:
            try:
                status, answer = self.answer(request.url.path, json.loads(request.content))
            except TimeoutError as error:
                raise httpx.ReadTimeout("no answer", request=request) from error
            return httpx.Response(status, json=answer)

        return httpx.MockTransport(handle)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve over a real socket; yield the address."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    status, answer = authority.answer(self.path, body)
                except TimeoutError:
                    self.close_connection = True
                    return
                payload = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class ScriptedIssuer:
    """The client of the scripted CA; it can issue, revoke and cancel."""

    class Settings(Model):
        """Address of the CA and deadline of an order."""

        address: str
        deadline_minutes: int = 60

    transport: ClassVar[httpx.BaseTransport | None] = None

    def __init__(self, settings: Settings, context: object = None) -> None:
        self.settings = settings
        self._client = httpx.Client(base_url=settings.address, transport=self.transport, timeout=2)

    @staticmethod
    def identity(settings: Settings) -> dict[str, str]:
        """Exclude the deadline: changing it makes no other issuer."""
        return {"type": "scripted", "address": settings.address}

    def issue(self, request: Request) -> Issued | PendingAnswer:
        body = {
            "csr": request.csr,
            "token": request.token,
            "handle": request.handle,
            "now": request.now.isoformat(),
        }
        status, answer = self._post("/issue", body)
        if status == 202:
            deadline = request.now + timedelta(minutes=self.settings.deadline_minutes)
            return PendingAnswer(answer["handle"], request.now + POLL, deadline)
        try:
            return Issued(Chain.from_pem(answer["chain"]))
        except ValueError as error:
            raise Rejected("the scripted CA answered with something that is no certificate") from error

    def revoke(self, chain: Chain, reference: str | None) -> None:
        self._post("/revoke", {"serial_number": chain.serial_number})

    def cancel(self, handle: str) -> None:
        self._post("/cancel", {"handle": handle})

    def _post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        try:
            response = self._client.post(path, json=body)
        except httpx.HTTPError as error:
            raise Unavailable("the scripted CA does not answer") from error
        said = printable(response.text)
        match response.status_code:
            case 200 | 202:
                return response.status_code, response.json()
            case 422:
                raise Rejected(f"the scripted CA refused: {said}")
            case 401 | 403:
                raise Misconfigured(f"the scripted CA does not know us: {said}")
        raise Unavailable(f"the scripted CA is busy: {said}", retry_after=timedelta(minutes=1))
