"""Doubles of identity providers with real keys: a Kubernetes cluster, an Azure tenant, Google."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from http.client import HTTPMessage
from typing import Any

from tests.doubles.infisical import jwt
from tests.doubles.infisical.ca import key_pem, new_key
from tests.doubles.infisical.http_server import Answer

HOUR = timedelta(hours=1)
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
CLUSTER = "https://kubernetes.default.svc"


@cache
def shared_key(number: int = 0) -> Any:
    """Return a cached RSA key for each number: generation is slow."""
    del number
    return new_key("RSA_2048")


@dataclass
class Cluster:
    """Gives service-account tokens, and reviews them; `reviews` has the audiences each review asked for.

    `given` has, as that of the others below, every token that was ever handed out.
    """

    clock: Callable[[], datetime]
    key: Any = field(default_factory=lambda: new_key("EC_prime256v1"))
    reviews: list[list[str]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)

    def token(
        self,
        namespace: str = "default",
        name: str = "evercert",
        *,
        audiences: Sequence[str] = (CLUSTER,),
        lifetime: timedelta = HOUR,
        key: Any = None,
        subject: str | None = None,
    ) -> str:
        """Return a token as in a projected volume; `key` and `subject` forge it."""
        now = self.clock()
        claims = {
            "iss": CLUSTER,
            "sub": subject or f"system:serviceaccount:{namespace}:{name}",
            "aud": list(audiences),
            "iat": int(now.timestamp()),
            "exp": (now + lifetime).timestamp(),
            "jti": str(uuid.uuid4()),
        }
        self.given.append(jwt.sign(claims, key or self.key, kid="cluster"))
        return self.given[-1]

    def answer(self, method: str, target: str, headers: HTTPMessage, body: bytes) -> Answer:
        """Answer TokenReview as the API server; the caller needs a token of the cluster too."""
        kind = {"Content-Type": "application/json"}
        bearer = (headers.get("Authorization") or "").removeprefix("Bearer ")
        if (method, target) != ("POST", REVIEWS):
            return 404, kind, b"{}"
        if self._status(bearer, [])["authenticated"] is not True:
            return 401, kind, json.dumps({"kind": "Status", "message": "Unauthorized", "code": 401}).encode()
        spec = json.loads(body)["spec"]
        self.reviews.append(spec.get("audiences", []))
        review = {
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "status": self._status(spec["token"], spec.get("audiences", [])),
        }
        return 201, kind, json.dumps(review).encode()

    def _status(self, token: str, audiences: list[str]) -> dict[str, Any]:
        try:
            claims = jwt.verified(token, self.key.public_key(), self.clock().timestamp())
        except jwt.BadToken as error:
            return {"authenticated": False, "error": f"[invalid bearer token, {error}]"}
        both = [one for one in claims["aud"] if one in (audiences or [CLUSTER])]
        if not both:
            told = f"token audiences {claims['aud']} is invalid for the target audiences {audiences or [CLUSTER]}"
            return {"authenticated": False, "error": f"[invalid bearer token, {told}]"}
        return {"authenticated": True, "user": {"username": claims["sub"]}, "audiences": both}


@dataclass
class Tenant:
    """An Azure tenant with its keys by `kid`."""

    clock: Callable[[], datetime]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    keys: dict[str, Any] = field(default_factory=lambda: {"azure-1": shared_key()})
    given: list[str] = field(default_factory=list)

    def token(
        self,
        *,
        audience: str = "https://management.azure.com/",
        principal: str = "00000000-1111-2222-3333-444444444444",
        lifetime: timedelta = HOUR,
        issuer: str | None = None,
        kid: str = "azure-1",
        key: Any = None,
    ) -> str:
        """Return a token as the metadata server issues it; `issuer`, `kid` and `key` forge it."""
        now = self.clock()
        claims = {
            "iss": issuer or f"https://sts.windows.net/{self.id}/",
            "aud": audience,
            "oid": principal,
            "tid": self.id,
            "nbf": int(now.timestamp()),
            "exp": (now + lifetime).timestamp(),
        }
        self.given.append(jwt.sign(claims, key or self.keys[kid], kid=kid))
        return self.given[-1]


@dataclass
class Google:
    """Google's keys, and those of service accounts by e-mail address and key id."""

    clock: Callable[[], datetime]
    keys: dict[str, Any] = field(default_factory=lambda: {"google-1": shared_key(1)})
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)

    def id_token(
        self,
        identity_id: str,
        *,
        email: str | None = "evercert@my-project.iam.gserviceaccount.com",
        lifetime: timedelta = HOUR,
        issuer: str = "https://accounts.google.com",
        key: Any = None,
        engine: dict[str, str] | None = None,
    ) -> str:
        """Return a token as the metadata server issues it; `issuer` and `key` forge it."""
        now = self.clock()
        claims: dict[str, Any] = {
            "iss": issuer,
            "aud": identity_id,
            "iat": int(now.timestamp()),
            "exp": (now + lifetime).timestamp(),
        }
        if email:
            claims |= {"email": email, "email_verified": True}
        if engine:
            claims["google"] = {"compute_engine": engine}
        self.given.append(jwt.sign(claims, key or self.keys["google-1"], kid="google-1"))
        return self.given[-1]

    def service_account_key(self, email: str = "evercert@my-project.iam.gserviceaccount.com") -> dict[str, str]:
        """Return the JSON key file of a service account."""
        key_id = uuid.uuid4().hex
        self.accounts.setdefault(email, {})[key_id] = shared_key(2)
        return {
            "type": "service_account",
            "project_id": email.partition("@")[2].partition(".")[0],
            "private_key_id": key_id,
            "private_key": key_pem(shared_key(2)),
            "client_email": email,
            "token_uri": "https://oauth2.googleapis.com/token",
        }
