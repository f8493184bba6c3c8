"""Systems that issue tokens, and their documents: an OpenID provider, a cluster, an Azure tenant, Google."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evercert.acme.jwk import to_jwk
from evercert.errors import Misconfigured, Unavailable
from tests.doubles.infisical import jwt
from tests.doubles.infisical.ca import new_key
from tests.doubles.infisical.identity_providers import HOUR, Cluster, Google, Tenant, shared_key

PROVIDER = "https://token.actions.example.com"
PUBLIC_CLUSTER = "https://oidc.eks.example.com/id/ABC"
HOST = "https://cluster.example.com:6443"


def jwk_set(keys: Mapping[str, Any], **members: str) -> dict[str, Any]:
    """Return a JWK set of private keys' public parts by key id."""
    return {"keys": [{**to_jwk(key.public_key()), "kid": kid, "use": "sig", **members} for kid, key in keys.items()]}


@dataclass
class Provider:
    """An OpenID provider with its keys by `kid`."""

    clock: Callable[[], datetime]
    keys: dict[str, Any] = field(default_factory=lambda: {"one": shared_key(3)})

    def token(self, *, kid: str = "one", key: Any = None, lifetime: timedelta = HOUR, **claims: Any) -> str:
        """Return a token as a build system issues it; claims of None are left out."""
        now = self.clock()
        found = {
            "iss": PROVIDER,
            "sub": "repo:acme/shop:ref:refs/heads/main",
            "aud": "evercert",
            "repository": "acme/shop",
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            **claims,
        }
        present = {name: value for name, value in found.items() if value is not None}
        return jwt.sign(present, key or self.keys[kid], kid=kid)


class TokenIssuers:
    """Port WebDocuments: what all issuers publish; `fetched` has every URL, `down` raises Unavailable."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.provider, self.cluster = Provider(clock), Cluster(clock)
        self.tenant, self.google = Tenant(clock), Google(clock)
        self.public_keys = {"cluster": new_key("EC_prime256v1")}
        self.fetched: list[tuple[str, str]] = []
        self.down = False
        self.changed: dict[str, object] = {}  # documents by URL

    def get(self, url: str, certificates: str) -> object:
        self.fetched.append((url, certificates))
        if self.down:
            raise Unavailable(f"GET {url}: the server did not answer in time")
        documents: dict[str, Callable[[], object]] = {
            f"{PROVIDER}/.well-known/openid-configuration": lambda: {
                "issuer": PROVIDER,
                "jwks_uri": f"{PROVIDER}/keys",
            },
            f"{PROVIDER}/keys": lambda: jwk_set(self.provider.keys),
            f"{PUBLIC_CLUSTER}/.well-known/openid-configuration": lambda: {"jwks_uri": f"{PUBLIC_CLUSTER}/keys"},
            f"{PUBLIC_CLUSTER}/keys": lambda: jwk_set(self.public_keys),
            f"https://login.microsoftonline.com/{self.tenant.id}/discovery/keys": lambda: jwk_set(self.tenant.keys),
            "https://www.googleapis.com/oauth2/v3/certs": lambda: jwk_set(self.google.keys, alg="RS256"),
        }
        for account in self.google.accounts:
            path = f"service_accounts/v1/metadata/x509/{account.replace('@', '%40')}"
            documents[f"https://www.googleapis.com/{path}"] = lambda account=account: self._certificates(account)  # type: ignore[misc]
        if url in self.changed:
            return self.changed[url]
        if url not in documents:
            raise Misconfigured(f"GET {url} is unknown")
        return json.loads(json.dumps(documents[url]()))

    def post(self, url: str, certificates: str, token: str, body: Mapping[str, Any]) -> tuple[int, object]:
        self.fetched.append((url, certificates))
        if self.down:
            raise Unavailable(f"POST {url}: the server did not answer in time")
        headers = HTTPMessage()
        headers["Authorization"] = f"Bearer {token}"
        path = url.removeprefix(HOST)
        status, _, answer = self.cluster.answer("POST", path, headers, json.dumps(body).encode())
        return status, json.loads(answer) if status < 300 else None

    def _certificates(self, account: str) -> dict[str, str]:
        return {key_id: _certificate(key) for key_id, key in self.google.accounts[account].items()}


def _certificate(key: Any) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "account")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=900))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
