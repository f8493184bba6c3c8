"""A login that is kept: one token for all calls of a process, renewed in time, and never sent elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from evercert.canonical_json import digest
from evercert.errors import AnswerLost, LoginRefused, Misconfigured, OutOfTime, Unavailable
from evercert.issuers.infisical.errors import FIRST_REFUSAL, Refusal
from evercert.issuers.infisical.logins import LOGINS

if TYPE_CHECKING:
    from evercert.deadline import Clock
    from evercert.http_client.client import JSON, Server
    from evercert.http_client.response import Answer
    from evercert.http_client.retry import Retry
    from evercert.issuers.context import IssuerContext
    from evercert.issuers.infisical.logins import Auth
    from evercert.issuers.infisical.logins.login import Login, Proof

API = "/api"
RENEW = "/v1/auth/token/renew"
MARGIN = timedelta(seconds=5)  # before the end of all renewals: the server's clock is not ours
HOLD = timedelta(minutes=5)  # a credential that was refused: tried by each certificate, it would lock us out
FOREVER = timedelta(days=36_500)


@dataclass(frozen=True)
class Token:
    """An access token, as long as it is worth using."""

    text: str = field(repr=False)
    first: datetime  # when the login was: the ceiling counts from it
    refresh_at: datetime | None  # two thirds of its life; None: it does not expire
    ttl: timedelta
    ceiling: timedelta | None  # over all renewals; None: there is none

    def renewable(self, now: datetime) -> bool:
        """Whether a renewal stays below the ceiling: the server refuses others, and deletes the token then."""
        return self.ceiling is None or now + self.ttl <= self.first + self.ceiling - MARGIN


@dataclass(frozen=True)
class Refused:
    """A login that was refused: with the same credential it would be again."""

    message: str
    fingerprint: str = field(repr=False)
    at: datetime

    def holds(self, proof: Proof, now: datetime) -> bool:
        """Whether it need not be tried again; a clock that was set back holds nothing."""
        return proof.fingerprint == self.fingerprint and self.at <= now < self.at + HOLD


class Session:
    """Calls of one server with a bearer token; its paths begin after `/api`."""

    def __init__(self, server: Server, login: Login, clock: Clock) -> None:
        self.origin = server.origin
        self._server = server
        self._login = login
        self._clock = clock
        self._token: Token | None = None
        self._refusal: Refused | None = None
        self._api = "" if server.base.endswith(API) else API

    def call(self, method: str, path: str, *, body: JSON = None, repeatable: bool = True) -> Answer:
        """As `Server.call`, with a login where one is needed; a token that is refused is replaced once.

        A refused call was not carried out, so it may be sent again even if it is not repeatable.
        """
        token = self._current()
        answer = self._server.call(method, self._api + path, body=body, token=token.text, repeatable=repeatable)
        if not _is_of_token(answer):
            return answer
        if self._token is token:
            self._token = None
        token = self._current()
        return self._server.call(method, self._api + path, body=body, token=token.text, repeatable=repeatable)

    def _current(self) -> Token:
        """A token that is good now, kept for the next call."""
        now = self._clock()
        token = self._token
        if token is not None and (token.refresh_at is None or now < token.refresh_at):
            return token
        self._token = None  # the server may delete it while it refuses to renew it
        if token is not None and token.renewable(now):
            self._token = self._renewed(token)
        if self._token is None:
            self._token = self._logged_in()
        return self._token

    def _renewed(self, token: Token) -> Token | None:
        """None: it cannot be renewed, for whatever reason; a login needs no old token."""
        begun = self._clock()
        try:
            answer = self._server.call("POST", self._api + RENEW, body={"accessToken": token.text})
            return None if answer.status >= FIRST_REFUSAL else _read(answer, begun, token.first)
        except (Unavailable, Misconfigured):
            return None

    def _logged_in(self) -> Token:
        begun = self._clock()
        proof = self._login.proof(str(self.origin))
        if self._refusal is not None and self._refusal.holds(proof, begun):
            raise LoginRefused(self._refusal.message)
        answer, proof = self._shown(proof)
        if answer.status < FIRST_REFUSAL:
            self._refusal = None
            return _read(answer, begun, begun)
        refusal = Refusal.of(answer, hide=proof.secrets)
        message = f"cannot log in at {self.origin}: {refusal}; look at `auth` of the issuer, and at the identity there"
        self._refusal = Refused(message, proof.fingerprint, begun)
        raise LoginRefused(message)

    def _shown(self, proof: Proof) -> tuple[Answer, Proof]:
        """The answer, and to which proof: where one that is good for once may be used up, a new one is tried, once."""
        try:
            return self._ask(proof), proof
        except AnswerLost as lost:
            proof = self._login.proof(str(self.origin))
            try:
                return self._ask(proof), proof
            except OutOfTime:
                raise lost from None  # it says more

    def _ask(self, proof: Proof) -> Answer:
        return self._server.call("POST", self._api + proof.path, body=dict(proof.body), repeatable=not proof.once)


def _is_of_token(answer: Answer) -> bool:
    return answer.status >= FIRST_REFUSAL and Refusal.of(answer).is_of_token


def _read(answer: Answer, begun: datetime, first: datetime) -> Token:
    """Its life counts from before it was asked for; raises Unavailable if it is no login's answer."""
    found = answer.json()
    text = found.get("accessToken") if isinstance(found, dict) else None
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        raise Unavailable(f"{answer.what} answered without an access token")
    ttl, ceiling = _seconds(found.get("expiresIn")), _seconds(found.get("accessTokenMaxTTL"))
    return Token(text, first, begun + ttl * 2 / 3 if ttl else None, ttl or FOREVER, ceiling)


def _seconds(value: object) -> timedelta | None:
    """None for 0, which is without end, and for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < FOREVER.total_seconds():
        return None
    return timedelta(seconds=value)


def shared_session(
    context: IssuerContext, address: str, auth: Auth, *, retry: Retry | None = None, ca_bundle: str | None = None
) -> Session:
    """Return the one session of this process for an address and `auth`; raise Misconfigured for wrong settings.

    Makes no request: the first call of the session logs in.
    """
    server = context.web.server(address, retry=retry, ca_bundle=ca_bundle)
    settings = auth.model_dump(mode="json", by_alias=True)
    how = None if retry is None else retry.model_dump(mode="json")
    key = digest([str(server.origin), server.base, settings, how, ca_bundle])
    if key not in context.shared:
        login = LOGINS.load(auth.type)(LOGINS.settings(auth), context)
        context.shared[key] = Session(server, login, context.clock)
    return cast("Session", context.shared[key])
