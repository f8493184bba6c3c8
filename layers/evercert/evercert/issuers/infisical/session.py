"""Authenticated session: one access token per server and process, renewed before it expires."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from evercert.canonical_json import digest
from evercert.errors import AnswerLost, LoginRefused, Misconfigured, OutOfTime, Unavailable
from evercert.issuers.infisical.errors import FIRST_REFUSAL, Refusal
from evercert.issuers.infisical.logins import LOGINS

if TYPE_CHECKING:
    from evercert.deadline import Clock
    from evercert.http_client.client import JSON, ServerClient
    from evercert.http_client.response import Response
    from evercert.http_client.retry import Retry
    from evercert.issuers.context import IssuerContext
    from evercert.issuers.infisical.logins import Auth
    from evercert.issuers.infisical.logins.login import Login, Proof

API = "/api"
RENEW, REVOKE = "/v1/auth/token/renew", "/v1/auth/token/revoke"
MARGIN = timedelta(seconds=5)  # before the end of all renewals, because clocks differ
HOLD = timedelta(minutes=5)  # for a refused credential: a login for each certificate would lock the identity
UNLIMITED = timedelta(days=36_500)


@dataclass(frozen=True)
class Token:
    """Access token and its limits."""

    text: str = field(repr=False)
    first: datetime  # time of the login: the ceiling counts from it
    refresh_at: datetime | None  # after two thirds of its lifetime; None: it does not expire
    ttl: timedelta
    ceiling: timedelta | None  # maximum lifetime over all renewals; None: unlimited

    def renewable(self, now: datetime) -> bool:
        """Return whether a renewal ends before the ceiling: otherwise the server refuses it and deletes the token."""
        return self.ceiling is None or now + self.ttl <= self.first + self.ceiling - MARGIN


@dataclass(frozen=True)
class Refused:
    """Refused login, remembered so that the same credential is not tried again soon."""

    message: str
    fingerprint: str = field(repr=False)
    at: datetime

    def holds(self, proof: Proof, now: datetime) -> bool:
        """Return whether this proof would be refused again; False if the clock was set back."""
        return proof.fingerprint == self.fingerprint and self.at <= now < self.at + HOLD


class Session:
    """Calls one server with a bearer token; paths are relative to `/api`."""

    def __init__(self, server: ServerClient, login: Login, clock: Clock) -> None:
        self.origin = server.origin
        self._server = server
        self._login = login
        self._clock = clock
        self._token: Token | None = None
        self._refusal: Refused | None = None
        self._api = "" if server.base.endswith(API) else API

    def call(self, method: str, path: str, *, body: JSON = None, repeatable: bool = True) -> Response:
        """Call `ServerClient.call` with a token; log in if necessary, and once more if the server refuses the token.

        The server did not process a request with a refused token, so even a non-repeatable one may be sent again.
        """
        token = self._current()
        answer = self._server.call(method, self._api + path, body=body, token=token.text, repeatable=repeatable)
        if not _is_of_token(answer):
            return answer
        if self._token is token:
            self._token = None
        token = self._current()
        return self._server.call(method, self._api + path, body=body, token=token.text, repeatable=repeatable)

    def check_login(self) -> None:
        """Log in, with or without a token, and revoke the new one; raise LoginRefused, Misconfigured or Unavailable."""
        token = self._log_in()
        with suppress(Unavailable, Misconfigured, OutOfTime):  # best effort: the token expires by itself
            self._server.call("POST", self._api + REVOKE, body={"accessToken": token.text})

    def _current(self) -> Token:
        """Return a valid token, and keep it for the next call."""
        now = self._clock()
        token = self._token
        if token is not None and (token.refresh_at is None or now < token.refresh_at):
            return token
        self._token = None  # the server may delete a token that it refuses to renew
        if token is not None and token.renewable(now):
            self._token = self._renew(token)
        if self._token is None:
            self._token = self._log_in()
        return self._token

    def _renew(self, token: Token) -> Token | None:
        """Renew the token; return None on any error, because a login does not need the old token."""
        start = self._clock()
        try:
            answer = self._server.call("POST", self._api + RENEW, body={"accessToken": token.text})
            return None if answer.status >= FIRST_REFUSAL else _token(answer, start, token.first)
        except (Unavailable, Misconfigured):
            return None

    def _log_in(self) -> Token:
        start = self._clock()
        proof = self._login.proof(str(self.origin))
        if self._refusal is not None and self._refusal.holds(proof, start):
            raise LoginRefused(self._refusal.message)
        answer, proof = self._submit(proof)
        if answer.status < FIRST_REFUSAL:
            self._refusal = None
            return _token(answer, start, start)
        refusal = Refusal.of(answer, hide=proof.secrets)
        message = (
            f"cannot log in at {self.origin}: {refusal}; check `auth` of the issuer, and the identity at the server"
        )
        self._refusal = Refused(message, proof.fingerprint, start)
        raise LoginRefused(message)

    def _submit(self, proof: Proof) -> tuple[Response, Proof]:
        """Send the login; if a one-time proof may have been used up, try one new proof.

        Returns the response, and the proof that it belongs to.
        """
        try:
            return self._post(proof), proof
        except AnswerLost as lost:
            proof = self._login.proof(str(self.origin))
            try:
                return self._post(proof), proof
            except OutOfTime:
                raise lost from None  # the more specific error

    def _post(self, proof: Proof) -> Response:
        return self._server.call("POST", self._api + proof.path, body=dict(proof.body), repeatable=not proof.once)


def _is_of_token(answer: Response) -> bool:
    return answer.status >= FIRST_REFUSAL and Refusal.of(answer).is_of_token


def _token(answer: Response, start: datetime, first: datetime) -> Token:
    """Parse the response of a login or a renewal that began at `start`; raise Unavailable if it has no token."""
    found = answer.json()
    text = found.get("accessToken") if isinstance(found, dict) else None
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        raise Unavailable(f"{answer.operation} answered without an access token")
    ttl, ceiling = _seconds(found.get("expiresIn")), _seconds(found.get("accessTokenMaxTTL"))
    return Token(text, first, start + ttl * 2 / 3 if ttl else None, ttl or UNLIMITED, ceiling)


def _seconds(value: object) -> timedelta | None:
    """Return None for 0, which means unlimited, and for invalid values."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < UNLIMITED.total_seconds():
        return None
    return timedelta(seconds=value)


def shared_session(
    context: IssuerContext, address: str, auth: Auth, *, retry: Retry | None = None, ca_bundle: str | None = None
) -> Session:
    """Return the one session of this process for an address and `auth`; raise Misconfigured for wrong settings.

    Makes no request: the first call of the session logs in.
    """
    server = context.http.server(address, retry=retry, ca_bundle=ca_bundle)
    settings = auth.model_dump(mode="json", by_alias=True)
    retries = None if retry is None else retry.model_dump(mode="json")
    key = digest([str(server.origin), server.base, settings, retries, ca_bundle])
    if key not in context.shared:
        login = LOGINS.load(auth.type)(LOGINS.settings(auth), context)
        context.shared[key] = Session(server, login, context.clock)
    return cast("Session", context.shared[key])
