"""A minimal client for tests of the double: no retries, no interpretation of responses."""

from __future__ import annotations

import base64
import json
import ssl
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.doubles.infisical.configured_server import Planted
from tests.doubles.infisical.routes import CERTIFICATES
from tests.doubles.infisical.store import SPKI

WHO = "Action=GetCallerIdentity&Version=2011-06-15"
NAMES = [{"type": "dns_name", "value": "www.example.com"}]
WWW: dict[str, Any] = {"commonName": "www.example.com", "altNames": NAMES}


class Bare:
    """A client, used as `with Bare(server) as client:`; `log_in` obtains a token."""

    def __init__(self, server: Planted, *, trust: bool = True) -> None:
        context = ssl.create_default_context(cadata=server.ca_bundle) if trust else ssl.create_default_context()
        self.server = server
        self.http = httpx.Client(base_url=server.address, verify=context, timeout=5, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.http.request(method, path, json=body)

    def login(self, method: str, **body: Any) -> httpx.Response:
        return self.call("POST", f"/api/v1/auth/{method}-auth/login", body)

    def universal(self, **other: Any) -> httpx.Response:
        given = {"clientId": self.server.client_id, "clientSecret": self.server.client_secret}
        return self.login("universal", **(given | other))

    def log_in(self) -> str:
        token = self.universal().json()["accessToken"]
        self.http.headers["Authorization"] = f"Bearer {token}"
        return token

    def aws(self, headers: dict[str, str], body: str = WHO, identity: str | None = None) -> httpx.Response:
        return self.login(
            "aws",
            identityId=identity or self.server.machine.id,
            iamHttpRequestMethod="POST",
            iamRequestBody=base64.b64encode(body.encode()).decode(),
            iamRequestHeaders=base64.b64encode(json.dumps(headers).encode()).decode(),
        )

    def issue(self, *, csr: str | None = None, **more: Any) -> httpx.Response:
        """Issue a certificate of profile `tls-server`; keywords are attributes."""
        body: dict[str, Any] = {"profileId": self.server.profile.id, "attributes": more}
        return self.call("POST", CERTIFICATES, body | ({"csr": csr} if csr else {}))

    def renew(self, certificate_id: str, **body: Any) -> httpx.Response:
        return self.call("POST", f"{CERTIFICATES}/{certificate_id}/renew", body)


def aws_headers(
    access_key: str,
    secret_key: str,
    *,
    session_token: str | None = None,
    region: str = "eu-central-1",
    at: datetime | None = None,
    body: str = WHO,
    service: str = "sts",
    host: str | None = None,
) -> dict[str, str]:
    """Return signed GetCallerIdentity headers, by botocore as a second implementation; `at` sets the time."""
    host = host or f"sts.{region}.amazonaws.com"
    headers = {"Host": host, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = AWSRequest("POST", f"https://{host}/", data=body, headers=headers)
    auth = SigV4Auth(Credentials(access_key, secret_key, session_token), service, region)
    if at is None:
        auth.add_auth(request)
    else:  # add_auth reads the system clock
        request.context["timestamp"] = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        auth._modify_request_before_signing(request)
        text = auth.string_to_sign(request, auth.canonical_request(request))
        auth._inject_signature_to_request(request, auth.signature(text, request))
    return {**dict(request.headers), "Content-Length": str(len(body))}


def told(answer: httpx.Response) -> tuple[int, Any]:
    """Return status and message of an error response."""
    return answer.status_code, answer.json()["message"]


def csr(key: Any, *extensions: Any, name: str = "www.example.com") -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    for extension in (x509.SubjectAlternativeName([x509.DNSName(name)]), *extensions):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def leaf(answer: httpx.Response) -> x509.Certificate:
    """Return the certificate of an issuance, where it is nested, or of a renewal."""
    said = answer.json()["certificate"]
    return x509.load_pem_x509_certificate((said if isinstance(said, str) else said["certificate"]).encode())


def der(public_key: Any) -> bytes:
    return bytes(public_key.public_bytes(*SPKI))


def key_of(pem: str) -> bytes:
    """Return the public key of a private key."""
    return der(serialization.load_pem_private_key(pem.encode(), None).public_key())
