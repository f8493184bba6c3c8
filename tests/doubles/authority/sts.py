"""An in-memory STS that verifies signatures, and a client that signs valid or manipulated requests."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPMessage

from evercert.authority.api_errors import unauthorized
from evercert.authority.contracts.ports import Caller
from evercert.authority.logins.sts_request import BODY, SignedRequest
from tests.doubles.infisical.sts import Sts

KEY, SECRET, SESSION = "ASIAEXAMPLE", "canary-secret", "canary-session"
REGION = "eu-central-1"
ARN = "arn:aws:sts::123456789012:assumed-role/evercert-issuer/function"


@dataclass
class FakeSts:
    """The STS; `asked` has region and headers of every call, `trouble` is raised instead of an answer."""

    sts: Sts
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    trouble: Exception | None = None

    def caller(self, region: str, headers: dict[str, str], body: bytes) -> Caller:
        self.asked.append((region, headers))
        if self.trouble is not None:
            raise self.trouble
        message = HTTPMessage()
        for name, value in headers.items():
            message[name] = value
        status, _, said = self.sts.answer("POST", "/", message, body)
        if status != 200:
            raise unauthorized(
                f"Access denied: STS did not accept the signature ({json.loads(said)['Error']['Code']})."
            )
        parts = dict(re.findall(r"<(Account|Arn|UserId)>([^<]*)<", said.decode()))
        return Caller(parts["Account"], parts["Arn"], parts["UserId"])


@dataclass
class Asking:
    """A hand-written signing client; tests can change everything before or after signing."""

    now: datetime
    server: str | None = "https://ca.example"
    key: str = KEY
    secret: str = SECRET
    session: str | None = SESSION
    region: str = REGION
    service: str = "sts"
    body: bytes = BODY
    method: str = "POST"

    def headers(self, unsigned: tuple[str, ...] = (), **more: str | None) -> dict[str, str]:
        """Return signed headers; `unsigned` names are not signed, underscores become hyphens, None removes a header."""
        given: dict[str, str | None] = {
            "Host": f"sts.{self.region}.amazonaws.com",
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Amz-Date": f"{self.now:%Y%m%dT%H%M%SZ}",
            "X-Amz-Security-Token": self.session,
            "X-Evercert-Server-Id": self.server,
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
        found = {name: value for name, value in given.items() if value is not None}
        return {**found, "Authorization": self._authorization(found, unsigned)}

    def question(self, headers: dict[str, str] | None = None) -> SignedRequest:
        """Return the request as the client sends it."""
        said = json.dumps(self.headers() if headers is None else headers).encode()
        return SignedRequest(self.method, b64encode(self.body).decode(), b64encode(said).decode())

    def _authorization(self, given: dict[str, str], unsigned: tuple[str, ...]) -> str:
        lower = {name.lower(): value for name, value in given.items()}
        names = sorted(set(lower) - set(unsigned))
        lines = [f"{name}:{' '.join(lower[name].split())}" for name in names]
        digest = hashlib.sha256(self.body).hexdigest()
        canonical = "\n".join([self.method, "/", "", *lines, "", ";".join(names), digest])
        day = f"{self.now:%Y%m%d}"
        scope = f"{day}/{self.region}/{self.service}/aws4_request"
        date = lower.get("x-amz-date", "")
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret}".encode()
        for part in (day, self.region, self.service, "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signed = ";".join(names)
        return f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={signed}, Signature={key.hex()}"
