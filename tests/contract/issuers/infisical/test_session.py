"""Test when a session logs in, renews its token and logs in again, against a raw HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from evercert.deadline import Deadline
from evercert.errors import AnswerLost, EvercertError, LoginRefused, Misconfigured, Rejected, Unavailable
from evercert.http_client.client import HTTPClient, Response
from evercert.http_client.retry import Retry
from evercert.issuers.infisical.errors import Refusal
from evercert.issuers.infisical.logins.login import Proof
from evercert.issuers.infisical.session import Session
from evercert.origins import Hosts
from tests.doubles.fakes import HandClock
from tests.doubles.raw_server import Deed, RawServer, drop, half, reply

DAY = 86_400
PATH = "/v1/things"
SECRET = "canary-client-secret-of-some-length"
TOKEN_ERROR = reply(403, {"statusCode": 403, "error": "TokenError", "message": "Your token has expired"})
LOGIN, RENEW, CALL = "/api/v1/auth/test/login", "/api/v1/auth/token/renew", f"/api{PATH}"


class CountedLogin:
    """Return another secret at each call, as after a rotation."""

    def __init__(self) -> None:
        self.proofs = 0
        self.rotates = True
        self.addresses: set[str] = set()

    def proof(self, address: str) -> Proof:
        self.proofs += 1
        self.addresses.add(address)
        return Proof(
            "/v1/auth/test/login", {"clientId": "id", "clientSecret": f"{SECRET}-{self.proofs if self.rotates else 0}"}
        )


def token(text: str, expires_in: Any = DAY, ceiling: Any = 30 * DAY) -> Deed:
    return reply(
        200, {"accessToken": text, "expiresIn": expires_in, "accessTokenMaxTTL": ceiling, "tokenType": "Bearer"}
    )


class Bench:
    """A session and its server."""

    open: list[Bench] = []

    def __init__(self, *deeds: Deed, base: str = "") -> None:
        self.raw = RawServer(*deeds).__enter__()
        self.clock, self.login = HandClock(), CountedLogin()
        self.deadline = Deadline(self.clock)
        self.http = HTTPClient(Hosts([]), self.deadline, self.clock, lambda _: None, local=True)
        server = self.http.server(f"http://127.0.0.1:{self.raw.port}{base}", retry=Retry(max_retries=0))
        self.session = Session(server, self.login, self.clock)
        Bench.open.append(self)

    def call(self, **options: Any) -> Response:
        return self.session.call("GET", PATH, **options)

    @property
    def heard(self) -> list[tuple[str, str | None]]:
        """Return the path and the token of each request."""
        return [(one.target, one.headers.get("authorization", " ").partition(" ")[2] or None) for one in self.raw.heard]


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while Bench.open:
        bench = Bench.open.pop()
        bench.http.close()
        bench.raw.__exit__()


def raised(bench: Bench) -> EvercertError:
    with pytest.raises(EvercertError) as found:
        bench.call()
    assert SECRET not in str(found.value)
    return found.value


def test_session_logs_in_once_for_all_calls() -> None:
    bench = Bench(token("t1"), reply())
    for _ in range(5):
        bench.call()
    assert bench.heard == [(LOGIN, None)] + [(CALL, "t1")] * 5
    assert json.loads(bench.raw.heard[0].body) == {"clientId": "id", "clientSecret": f"{SECRET}-1"}


def test_session_sends_nothing_before_first_call() -> None:
    bench = Bench(token("t1"))
    assert (bench.raw.connections, bench.login.proofs) == (0, 0)


@pytest.mark.parametrize("base", ["/api", "/api/"])
def test_session_accepts_address_ending_in_api(base: str) -> None:
    bench = Bench(token("t1"), reply(), base=base)
    bench.call()
    assert [path for path, _ in bench.heard] == [LOGIN, CALL]


def test_proof_names_origin_of_server() -> None:
    bench = Bench(token("t1"), reply(), base="/api")
    bench.call()
    assert bench.login.addresses == {f"http://127.0.0.1:{bench.raw.port}"}


def test_token_is_renewed_at_two_thirds_of_its_lifetime() -> None:
    bench = Bench(token("t1", 900), reply(), reply(), token("t2", 900), reply())
    bench.call()
    bench.clock.advance(seconds=599)
    bench.call()
    bench.clock.advance(seconds=1)
    bench.call()
    assert bench.heard == [(LOGIN, None), (CALL, "t1"), (CALL, "t1"), (RENEW, None), (CALL, "t2")]
    assert json.loads(bench.raw.heard[3].body) == {"accessToken": "t1"}
    assert bench.login.proofs == 1


def test_renewed_token_is_renewed_again() -> None:
    bench = Bench(token("t1", 900), reply(), token("t2", 900), reply(), token("t3", 900), reply())
    for _ in range(3):
        bench.call()
        bench.clock.advance(seconds=600)
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, RENEW, CALL, RENEW, CALL]


@pytest.mark.parametrize(
    "answer", [reply(401), reply(403), reply(400), reply(500), reply(200, {}), reply(200, b"no json"), drop, reply(302)],
    ids=["401", "403", "400", "500", "without a token", "no json", "dropped", "redirect"],
)  # fmt: skip
def test_failed_token_renewal_leads_to_login(answer: Deed) -> None:
    bench = Bench(token("t1", 900), reply(), answer, token("t2", 900), reply())
    bench.call()
    bench.clock.advance(seconds=700)
    assert bench.call().status == 200
    assert bench.heard[2:] == [(RENEW, None), (LOGIN, None), (CALL, "t2")]


def test_token_at_ceiling_leads_to_login() -> None:
    """Past the ceiling the server refuses and deletes the token; by default the ceiling is one lifetime."""
    bench = Bench(token("t1", 900, 900), reply(), token("t2", 900, 900), reply())
    bench.call()
    bench.clock.advance(seconds=600)
    bench.call()
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, LOGIN, CALL]


def test_token_ceiling_counts_from_login() -> None:
    bench = Bench(token("t1", 900, 2_000), reply(), token("t2", 900, 2_000), reply(), token("t3", 900, 2_000), reply())
    for _ in range(3):
        bench.call()
        bench.clock.advance(seconds=600)
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, RENEW, CALL, LOGIN, CALL]


@pytest.mark.parametrize("ceiling", [0, None, "much"])
def test_token_without_ceiling_is_renewed(ceiling: Any) -> None:
    bench = Bench(token("t1", 900, ceiling), reply(), token("t2", 900, ceiling), reply())
    bench.call()
    bench.clock.advance(days=400)
    bench.call()
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, RENEW, CALL]


def test_token_lifetime_of_zero_never_expires() -> None:
    bench = Bench(token("t1", 0, 0), reply())
    bench.call()
    bench.clock.advance(days=4_000)
    bench.call()
    assert bench.heard == [(LOGIN, None), (CALL, "t1"), (CALL, "t1")]


@pytest.mark.parametrize("refusal", [TOKEN_ERROR, reply(401, {"error": "Unauthorized"})], ids=["TokenError", "401"])
def test_refused_token_is_replaced_and_call_repeated(refusal: Deed) -> None:
    bench = Bench(token("t1"), refusal, token("t2"), reply(200, {"a": 1}), reply())
    assert bench.call(repeatable=False).json() == {"a": 1}
    bench.call()
    assert bench.heard == [(LOGIN, None), (CALL, "t1"), (LOGIN, None), (CALL, "t2"), (CALL, "t2")]
    assert json.loads(bench.raw.heard[2].body)["clientSecret"] == f"{SECRET}-2"


def test_token_refused_twice_is_not_replaced_again() -> None:
    bench = Bench(token("t1"), TOKEN_ERROR, token("t2"), TOKEN_ERROR)
    assert bench.call().status == 403
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, LOGIN, CALL]


@pytest.mark.parametrize("error", ["PermissionDenied", "ForbiddenRequestError"])
def test_missing_permission_does_not_replace_token(error: str) -> None:
    bench = Bench(token("t1"), reply(403, {"error": error, "message": "no"}))
    assert bench.call().status == 403
    assert [path for path, _ in bench.heard] == [LOGIN, CALL]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_refused_login_reports_server_message(status: int) -> None:
    bench = Bench(reply(status, {"error": "Unauthorized", "message": "Invalid credentials\x1b[2J"}))
    error = raised(bench)
    assert isinstance(error, Misconfigured)
    assert f"cannot log in at http://127.0.0.1:{bench.raw.port}: the server answered {status} Unauthorized" in str(
        error
    )
    assert "Invalid credentials" in str(error)
    assert "check `auth` of the issuer" in str(error)
    assert "\x1b" not in str(error)
    assert len(bench.heard) == 1


REFUSED = reply(401, {"error": "Unauthorized", "message": "Invalid credentials"})


def test_refused_login_is_not_retried_for_five_minutes() -> None:
    """Infisical locks an identity out after three refusals in a row; many issuers may share a login."""
    bench = Bench(REFUSED, token("t1"), reply())
    bench.login.rotates = False
    first = raised(bench)
    bench.clock.advance(minutes=4, seconds=59)
    second = raised(bench)
    assert isinstance(second, LoginRefused) and str(second) == str(first)
    assert len(bench.heard) == 1
    bench.clock.advance(seconds=1)
    assert bench.call().status == 200


def test_changed_credential_is_tried_at_once() -> None:
    bench = Bench(REFUSED, token("t1"), reply())
    raised(bench)
    assert bench.call().status == 200


def test_login_is_retried_after_clock_was_set_back() -> None:
    bench = Bench(REFUSED, token("t1"), reply())
    bench.login.rotates = False
    raised(bench)
    bench.clock.advance(days=-1)
    assert bench.call().status == 200


def test_unavailable_login_is_retried_at_next_call() -> None:
    bench = Bench(reply(503), token("t1"), reply())
    bench.login.rotates = False
    raised(bench)
    assert bench.call().status == 200


def test_proof_fingerprint_ignores_signature() -> None:
    proofs = [Proof("/v1/auth/aws-auth/login", {"identityId": "id", "iamRequestHeaders": when}) for when in ("1", "2")]
    assert proofs[0].fingerprint == proofs[1].fingerprint
    assert proofs[0].fingerprint != Proof(proofs[0].path, {"identityId": "other"}).fingerprint


class OnceLogin:
    """A login whose proof a server accepts only once, such as a signature."""

    def __init__(self) -> None:
        self.made = 0

    def proof(self, address: str) -> Proof:
        self.made += 1
        headers = f"{SECRET}-{self.made}"
        return Proof("/v1/auth/aws-auth/login", {"identityId": "id", "iamRequestHeaders": headers}, once=True)


def once(*deeds: Deed) -> tuple[Bench, Session]:
    """Return a bench and a session that allows retries."""
    bench = Bench(*deeds)
    server = bench.http.server(f"http://127.0.0.1:{bench.raw.port}", retry=Retry())
    return bench, Session(server, OnceLogin(), bench.clock)


def sent_proofs(bench: Bench) -> list[str]:
    return [json.loads(one.body)["iamRequestHeaders"] for one in bench.raw.heard if one.target.endswith("login")]


@pytest.mark.parametrize("failure", [drop, half, reply(503), reply(500)])
def test_single_use_proof_is_not_sent_again(failure: Deed) -> None:
    """An evercert authority would refuse it as a replay, which delays the login for minutes."""
    bench, session = once(failure, token("t1"), reply())
    assert session.call("GET", PATH).status == 200
    assert sent_proofs(bench) == [f"{SECRET}-1", f"{SECRET}-2"]


def test_single_use_proof_is_replaced_only_once() -> None:
    bench, session = once(drop, drop, token("t1"))
    with pytest.raises(AnswerLost):
        session.call("GET", PATH)
    assert sent_proofs(bench) == [f"{SECRET}-1", f"{SECRET}-2"]


def test_single_use_proof_is_sent_again_after_429() -> None:
    bench, session = once(reply(429), token("t1"), reply())
    assert session.call("GET", PATH).status == 200
    assert sent_proofs(bench) == [f"{SECRET}-1"] * 2


def test_replaced_proof_is_not_in_error() -> None:
    _, session = once(drop, reply(401, {"message": f"wrong: {SECRET}-2"}))
    with pytest.raises(LoginRefused) as refused:
        session.call("GET", PATH)
    assert "canary" not in str(refused.value)


def test_lost_answer_is_raised_without_time_for_new_proof() -> None:
    bench, session = once(drop, token("t1"))
    post = session._post

    def post_late(proof: Proof) -> Response:
        try:
            return post(proof)
        finally:
            bench.deadline.begin(bench.clock())

    session._post = post_late  # type: ignore[method-assign]
    with pytest.raises(AnswerLost):
        session.call("GET", PATH)
    assert len(sent_proofs(bench)) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_login_answer_429_or_5xx_is_unavailable(status: int) -> None:
    assert isinstance(raised(Bench(reply(status))), Unavailable)


@pytest.mark.parametrize("before", [0, 280])
def test_echoed_secret_is_not_in_error(before: int) -> None:
    """The secret stays hidden where the length limit cuts through it."""
    error = raised(Bench(reply(401, {"message": "x" * before + f"wrong: {SECRET}-1", "error": f"{SECRET}-1"})))
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [{}, {"accessToken": ""}, {"accessToken": 1}, {"accessToken": "a\r\nb"}, {"accessToken": "ä"}, [], "x", None],
)
def test_login_without_usable_token_is_unavailable(answer: Any) -> None:
    bench = Bench(reply(200, answer))
    assert isinstance(raised(bench), Unavailable)
    assert len(bench.heard) == 1


def test_token_is_not_in_repr() -> None:
    bench = Bench(token("canary-token"), reply())
    bench.call()
    assert "canary" not in repr(vars(bench.session))
    assert "canary" not in repr(bench.login.proof("x"))


# ---------------------------------------------------------------- refusals


def refusal(status: int, body: Any) -> Refusal:
    return Refusal.of(Response(status, {}, json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Rejected), (409, Rejected), (422, Rejected), (401, Misconfigured), (403, Misconfigured), (404, Misconfigured), (418, Unavailable)],
)  # fmt: skip
def test_refusal_status_selects_error_class(status: int, kind: type) -> None:
    error = refusal(status, {"error": "Name", "message": "server text"}).as_error("issue web")
    assert isinstance(error, kind)
    assert str(error).startswith(f"cannot issue web: the server answered {status} Name: server text")


def test_refusal_lists_schema_issues_with_paths() -> None:
    issues = [
        {"path": ["body", "csr"], "message": "Required"},
        {"path": [], "message": "bad"},
        "plain",
        {"code": "odd"},
    ]
    message = str(refusal(422, {"error": "ValidationFailure", "message": issues}).as_error("issue web"))
    assert "body.csr: Required; bad; plain; odd" in message


def test_refusal_names_missing_permissions() -> None:
    details = [
        {"action": "issue-cert", "subject": "certificate-profiles", "inverted": False, "conditions": {}},
        {"action": ["read", "list"], "subject": "certificates"},
        {"action": "delete", "subject": "certificates", "inverted": True},
    ]
    message = str(
        refusal(403, {"error": "PermissionDenied", "message": "no", "details": details}).as_error("issue web")
    )
    assert message.endswith("lacks the permission: issue-cert on certificate-profiles, read/list on certificates")


@pytest.mark.parametrize(
    "body", [None, [], "x", 1, {"message": {"a": 1}}, {"error": [1], "message": [None, 1]}, {"details": [1, {}]}]
)
def test_refusal_is_one_printable_line(body: Any) -> None:
    message = str(refusal(403, body).as_error("issue web"))
    assert message.startswith("cannot issue web: the server answered 403")
    assert message.isprintable()
    assert str(Refusal.of(Response(500, {}, b"\xff<html>")).as_error("x")) == "cannot x: the server answered 500"


def test_refusal_cleans_and_shortens_server_message() -> None:
    message = str(refusal(400, {"message": "a\r\nb\x1b[2J" + "c" * 5_000}).as_error("issue web"))
    assert message.isprintable()
    assert len(message) < 400
