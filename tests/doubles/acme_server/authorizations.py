"""Authorizations and their challenges: read, deactivated, answered, validated (RFC 8555 §7.5)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from evercert.acme.challenges import dns_value, key_authorization
from evercert.acme.jwk import thumbprint
from tests.doubles.acme_server.answers import Refusal, reply
from tests.doubles.acme_server.faults import Faults
from tests.doubles.acme_server.messages import Call
from tests.doubles.acme_server.resources import Resources
from tests.doubles.acme_server.state import Account, Authorization, Challenge, error_body
from tests.doubles.infisical.http_server import Answer

EXPIRY = timedelta(hours=1)
OPEN = ("pending", "processing")


class Web(Protocol):
    """The web hosts and the DNS of all names, where the server validates challenges."""

    def file(self, name: str, token: str) -> str | None:
        """Return the body at the well-known path of a token at this host."""

    def texts(self, name: str) -> set[str]:
        """Return the TXT records of a name."""


class Authorizations:
    """Makes authorizations for orders, and serves them."""

    def __init__(self, resources: Resources, faults: Faults, clock: Callable[[], datetime]) -> None:
        self.web: Web | None = None
        self._resources = resources
        self._faults = faults
        self._clock = clock

    def add(self, account: Account, identifier: dict[str, str]) -> Authorization:
        """Return a new authorization of an identifier; a wildcard becomes its base name and a mark."""
        name = identifier["value"]
        base = {**identifier, "value": name.removeprefix("*.")}
        made = Authorization(account, base, name.startswith("*."), self._clock() + EXPIRY)
        made.url = self._resources.add("authorization", "/authz/~{}?a=b%2Fc", lambda call: self._serve(made, call))
        for kind in self._faults.challenge_types:
            if not (made.wildcard and kind != "dns-01"):
                self._add_challenge(made, kind)
        if name in self._faults.proven:
            made.status = "valid"
        return made

    def validate(self, authorization: Authorization) -> None:
        """Conclude the challenge that the client answered."""
        answered = [entry for entry in authorization.challenges if entry.status == "processing"]
        for challenge in answered if authorization.status == "pending" else []:
            challenge.error = self._failure(authorization, challenge)
            challenge.status = "valid" if challenge.error is None else "invalid"
            authorization.status = challenge.status

    def _add_challenge(self, authorization: Authorization, kind: str) -> None:
        made = Challenge(kind, secrets.token_urlsafe(24))
        made.url = self._resources.add(
            "challenge", f"/chall%2Fz/~{{}}/{kind}", lambda call: self._answered(authorization, made, call)
        )
        authorization.challenges.append(made)

    def _serve(self, authorization: Authorization, call: Call) -> Answer:
        _require_owner(authorization, call)
        if call.payload is not None:
            if call.payload != {"status": "deactivated"}:
                raise Refusal("malformed", "an authorization can only be deactivated")
            if authorization.status not in ("pending", "valid"):
                raise Refusal("malformed", f"Authorization is {authorization.status}")
            authorization.status = "deactivated"
        return reply(authorization.body(), headers=self._later("authorization", authorization.status))

    def _answered(self, authorization: Authorization, challenge: Challenge, call: Call) -> Answer:
        _require_owner(authorization, call)
        if call.payload is not None:
            if call.payload != {}:
                raise Refusal("malformed", "challenge response must be exactly {}")
            if authorization.status != "pending" or challenge.status != "pending":
                raise Refusal("malformed", "Cannot update challenge that is not pending")
            challenge.status = "processing"
        up = f'<{authorization.url}>;rel="up"'
        return reply(challenge.body(), headers={"Link": up, **self._later("challenge", challenge.status)})

    def _later(self, kind: str, status: str) -> dict[str, str]:
        wait = self._faults.retry_after.get(kind)
        return {} if wait is None or status not in OPEN else {"Retry-After": wait}

    def _failure(self, authorization: Authorization, challenge: Challenge) -> dict[str, str] | None:
        name = authorization.identifier["value"]
        if authorization.name in self._faults.failing:
            return error_body(*self._faults.failing[authorization.name])
        if self.web is None:
            return error_body("connection", f"no route to {name}")
        wanted = key_authorization(challenge.token, thumbprint(authorization.account.jwk))
        if challenge.type == "http-01" and self.web.file(name, challenge.token) != wanted:
            return error_body("unauthorized", f"Invalid response from http://{name}/: the body is not the expected one")
        if challenge.type == "dns-01" and dns_value(wanted) not in self.web.texts(f"_acme-challenge.{name}"):
            return error_body("unauthorized", f"Incorrect TXT record at _acme-challenge.{name}")
        if challenge.type == "tls-alpn-01":
            return error_body("connection", f"no TLS server at {name}")
        return None


def _require_owner(authorization: Authorization, call: Call) -> None:
    if authorization.account is not call.sender:
        raise Refusal("unauthorized", "the authorization belongs to another account", 403)
