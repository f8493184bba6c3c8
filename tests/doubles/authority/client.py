"""A client of the authority's API that calls the function's entry point."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from evercert.authority.administration.routes import ROUTES as MANAGEMENT
from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.routes import ROUTES
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.server import CONTEXT, Gateway, entry_point, event_of
from tests.tools.openapi import statuses
from tests.tools.openapi_check import schema_errors

MANAGER = "/api/v1/cert-manager"
CERTIFICATES = f"{MANAGER}/certificates"
REQUESTS = f"{CERTIFICATES}/certificate-requests"
PROFILES = f"{MANAGER}/certificate-profiles"
USAGES = {"keyUsages": ["digital_signature"], "extendedKeyUsages": ["server_auth"]}
NAMES = {"commonName": "www.example.com", "altNames": [{"type": "dns_name", "value": "www.example.com"}]}


@dataclass
class Response:
    """A response of the API."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return json.dumps(self.json["message"])


class Client:
    """A client with one profile, one application and one identity."""

    def __init__(self, *permissions: str, **setting: Any) -> None:
        self.setting = Setting(**setting)
        self.module = entry_point(self.setting.front)
        self.gateway = Gateway(self.setting, self.module)
        self.profile = self.setting.profile()
        self.application = self.setting.application("shop-app", "shop", "tls-server")
        self.identity, self.secret = self.setting.identity(*permissions)
        self.token: str | None = self.setting.token(self.identity)

    def call(self, method: str, target: str, body: Any = None, **headers: str) -> Response:
        """Call the API; a `body` of bytes is sent unchanged, anything else as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent.setdefault("authorization", f"Bearer {self.token}")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = self.resolve(event_of(method, target, sent, raw))
        route = route_of(method, unquote(target.partition("?")[0]))
        if route is not None:
            assert response.status in statuses(route), f"{response.status} is not in the OpenAPI document"
            if method != "HEAD" and response.headers["content-type"].startswith("application/json"):
                assert schema_errors(route, response.status, response.json) == []
        return response

    def resolve(self, event: dict[str, Any]) -> Response:
        answer = self.gateway.handler(event, CONTEXT)
        text = answer.get("body", "")
        found = {**answer.get("headers", {})}
        found |= {name: values[-1] for name, values in answer.get("multiValueHeaders", {}).items()}
        whole = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        return Response(answer["statusCode"], whole, {name.lower(): value for name, value in found.items()})

    def get(self, target: str, **headers: str) -> Response:
        return self.call("GET", target, **headers)

    def post(self, target: str, body: Any = None, **headers: str) -> Response:
        return self.call("POST", target, {} if body is None else body, **headers)

    def issue(self, attributes: dict[str, Any] | None = None, *, key: str | None = None, **body: Any) -> Response:
        """Issue a server certificate for 90 days, with these changes."""
        requested = {**NAMES, **USAGES, "ttl": "90d", **(attributes or {})}
        headers = {} if key is None else {"idempotency_key": key}
        return self.post(CERTIFICATES, {"profileId": self.profile.id, "attributes": requested, **body}, **headers)

    def issued(self, attributes: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        """Issue and return the `certificate` object of the response."""
        response = self.issue(attributes, **body)
        assert response.status == 200, response.body
        return dict(response.json["certificate"])

    def as_another(self, *permissions: str, **changes: Any) -> str:
        """Switch to a new identity; return the previous token."""
        before, self.token = self.token, self.setting.token(self.setting.identity(*permissions, **changes)[0])
        assert before is not None
        return before

    @property
    def written(self) -> tuple[int, int, int]:
        """Return the numbers of stored requests, certificates and intents."""
        stored = self.setting.certificates
        return len(stored.requests), len(stored.certificates), len(self.setting.ledger.intents)


def route_of(method: str, path: str) -> Route[Any] | None:
    """Return the first matching route, as the API does."""
    for route in (*ROUTES, *MANAGEMENT):
        if method in route.methods and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.template), path):
            return route
    return None


def csr(names: str = "dns:www.example.com", algorithm: Any = "EC_prime256v1") -> tuple[PrivateKey, str]:
    from evercert.pki.attributes import Attributes

    key = PrivateKey.generate(algorithm)
    return key, key.sign_csr(Attributes.model_validate({"alt-names": [names]}))
