"""A login that is kept: when it is made, renewed and made anew, against a server of bytes."""

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
    """Gives another secret each time, as after a rotation."""

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
    """A session with its server."""

    made: list[Bench] = []

    def __init__(self, *deeds: Deed, base: str = "") -> None:
        self.raw = RawServer(*deeds).__enter__()
        self.clock, self.login = HandClock(), CountedLogin()
        self.deadline = Deadline(self.clock)
        self.http = HTTPClient(Hosts([]), self.deadline, self.clock, lambda _: None, local=True)
        server = self.http.server(f"http://127.0.0.1:{self.raw.port}{base}", retry=Retry(max_retries=0))
        self.session = Session(server, self.login, self.clock)
        Bench.made.append(self)

    def call(self, **options: Any) -> Response:
        return self.session.call("GET", PATH, **options)

    @property
    def heard(self) -> list[tuple[str, str | None]]:
        """Paths, with the token of each."""
        return [(one.target, one.headers.get("authorization", " ").partition(" ")[2] or None) for one in self.raw.heard]


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    while Bench.made:
        bench = Bench.made.pop()
        bench.http.close()
        bench.raw.__exit__()


def raised(bench: Bench) -> EvercertError:
    with pytest.raises(EvercertError) as found:
        bench.call()
    assert SECRET not in str(found.value)
    return found.value


def test_one_login_serves_all_calls() -> None:
    bench = Bench(token("t1"), reply())
    for _ in range(5):
        bench.call()
    assert bench.heard == [(LOGIN, None)] + [(CALL, "t1")] * 5
    assert json.loads(bench.raw.heard[0].body) == {"clientId": "id", "clientSecret": f"{SECRET}-1"}


def test_nothing_is_asked_before_the_first_call() -> None:
    bench = Bench(token("t1"))
    assert (bench.raw.connections, bench.login.proofs) == (0, 0)


@pytest.mark.parametrize("base", ["/api", "/api/"])
def test_an_address_that_ends_in_api_is_the_same_server(base: str) -> None:
    bench = Bench(token("t1"), reply(), base=base)
    bench.call()
    assert [path for path, _ in bench.heard] == [LOGIN, CALL]


def test_the_proof_is_for_the_origin_that_is_asked() -> None:
    bench = Bench(token("t1"), reply(), base="/api")
    bench.call()
    assert bench.login.addresses == {f"http://127.0.0.1:{bench.raw.port}"}


def test_a_token_is_renewed_at_two_thirds_of_its_life() -> None:
    bench = Bench(token("t1", 900), reply(), reply(), token("t2", 900), reply())
    bench.call()
    bench.clock.advance(seconds=599)
    bench.call()
    bench.clock.advance(seconds=1)
    bench.call()
    assert bench.heard == [(LOGIN, None), (CALL, "t1"), (CALL, "t1"), (RENEW, None), (CALL, "t2")]
    assert json.loads(bench.raw.heard[3].body) == {"accessToken": "t1"}
    assert bench.login.proofs == 1


def test_a_renewed_token_is_renewed_again_two_thirds_later() -> None:
    bench = Bench(token("t1", 900), reply(), token("t2", 900), reply(), token("t3", 900), reply())
    for _ in range(3):
        bench.call()
        bench.clock.advance(seconds=600)
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, RENEW, CALL, RENEW, CALL]


@pytest.mark.parametrize(
    "answer", [reply(401), reply(403), reply(400), reply(500), reply(200, {}), reply(200, b"no json"), drop, reply(302)],
    ids=["401", "403", "400", "500", "without a token", "no json", "dropped", "redirect"],
)  # fmt: skip
def test_when_renewal_fails_for_whatever_reason_there_is_a_new_login(answer: Deed) -> None:
    bench = Bench(token("t1", 900), reply(), answer, token("t2", 900), reply())
    bench.call()
    bench.clock.advance(seconds=700)
    assert bench.call().status == 200
    assert bench.heard[2:] == [(RENEW, None), (LOGIN, None), (CALL, "t2")]


def test_a_renewal_that_the_server_would_refuse_is_a_login() -> None:
    """Past its ceiling the server refuses, and deletes the token; the default is a ceiling as long as one life."""
    bench = Bench(token("t1", 900, 900), reply(), token("t2", 900, 900), reply())
    bench.call()
    bench.clock.advance(seconds=600)
    bench.call()
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, LOGIN, CALL]


def test_the_ceiling_counts_from_the_login_and_not_from_the_last_renewal() -> None:
    bench = Bench(token("t1", 900, 2_000), reply(), token("t2", 900, 2_000), reply(), token("t3", 900, 2_000), reply())
    for _ in range(3):
        bench.call()
        bench.clock.advance(seconds=600)
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, RENEW, CALL, LOGIN, CALL]


@pytest.mark.parametrize("ceiling", [0, None, "much"])
def test_without_a_ceiling_renewals_go_on(ceiling: Any) -> None:
    bench = Bench(token("t1", 900, ceiling), reply(), token("t2", 900, ceiling), reply())
    bench.call()
    bench.clock.advance(days=400)
    bench.call()
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, RENEW, CALL]


def test_a_life_of_zero_is_without_end() -> None:
    bench = Bench(token("t1", 0, 0), reply())
    bench.call()
    bench.clock.advance(days=4_000)
    bench.call()
    assert bench.heard == [(LOGIN, None), (CALL, "t1"), (CALL, "t1")]


@pytest.mark.parametrize("refusal", [TOKEN_ERROR, reply(401, {"error": "Unauthorized"})], ids=["TokenError", "401"])
def test_a_token_that_is_refused_is_replaced_and_the_call_made_again(refusal: Deed) -> None:
    bench = Bench(token("t1"), refusal, token("t2"), reply(200, {"a": 1}), reply())
    assert bench.call(repeatable=False).json() == {"a": 1}
    bench.call()
    assert bench.heard == [(LOGIN, None), (CALL, "t1"), (LOGIN, None), (CALL, "t2"), (CALL, "t2")]
    assert json.loads(bench.raw.heard[2].body)["clientSecret"] == f"{SECRET}-2"


def test_a_token_that_is_refused_again_is_not_asked_for_a_third_time() -> None:
    bench = Bench(token("t1"), TOKEN_ERROR, token("t2"), TOKEN_ERROR)
    assert bench.call().status == 403
    assert [path for path, _ in bench.heard] == [LOGIN, CALL, LOGIN, CALL]


@pytest.mark.parametrize("error", ["PermissionDenied", "ForbiddenRequestError"])
def test_a_permission_that_is_missing_is_no_trouble_of_the_token(error: str) -> None:
    bench = Bench(token("t1"), reply(403, {"error": error, "message": "no"}))
    assert bench.call().status == 403
    assert [path for path, _ in bench.heard] == [LOGIN, CALL]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_login_that_is_refused_is_for_a_person_with_the_servers_words(status: int) -> None:
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


def test_a_login_that_was_refused_is_not_tried_again_for_a_while() -> None:
    """Infisical locks an identity out that is refused three times in a row; many issuers may share a login."""
    bench = Bench(REFUSED, token("t1"), reply())
    bench.login.rotates = False
    first = raised(bench)
    bench.clock.advance(minutes=4, seconds=59)
    again = raised(bench)
    assert isinstance(again, LoginRefused) and str(again) == str(first)
    assert len(bench.heard) == 1
    bench.clock.advance(seconds=1)
    assert bench.call().status == 200


def test_a_credential_that_was_changed_is_tried_at_once() -> None:
    bench = Bench(REFUSED, token("t1"), reply())
    raised(bench)
    assert bench.call().status == 200


def test_a_clock_that_was_set_back_holds_no_login() -> None:
    bench = Bench(REFUSED, token("t1"), reply())
    bench.login.rotates = False
    raised(bench)
    bench.clock.advance(days=-1)
    assert bench.call().status == 200


def test_a_login_that_is_put_off_is_not_held() -> None:
    bench = Bench(reply(503), token("t1"), reply())
    bench.login.rotates = False
    raised(bench)
    assert bench.call().status == 200


def test_a_signature_of_another_moment_is_the_same_credential() -> None:
    proofs = [Proof("/v1/auth/aws-auth/login", {"identityId": "id", "iamRequestHeaders": when}) for when in ("1", "2")]
    assert proofs[0].fingerprint == proofs[1].fingerprint
    assert proofs[0].fingerprint != Proof(proofs[0].path, {"identityId": "other"}).fingerprint


class OnceLogin:
    """A proof that a server takes a single time, as a signature is."""

    def __init__(self) -> None:
        self.made = 0

    def proof(self, address: str) -> Proof:
        self.made += 1
        headers = f"{SECRET}-{self.made}"
        return Proof("/v1/auth/aws-auth/login", {"identityId": "id", "iamRequestHeaders": headers}, once=True)


def once(*deeds: Deed) -> tuple[Bench, Session]:
    """Its server would be asked four times."""
    bench = Bench(*deeds)
    server = bench.http.server(f"http://127.0.0.1:{bench.raw.port}", retry=Retry())
    return bench, Session(server, OnceLogin(), bench.clock)


def shown(bench: Bench) -> list[str]:
    return [json.loads(one.body)["iamRequestHeaders"] for one in bench.raw.heard if one.target.endswith("login")]


@pytest.mark.parametrize("lost", [drop, half, reply(503), reply(500)])
def test_a_proof_that_may_have_been_used_up_is_not_shown_again(lost: Deed) -> None:
    """An authority of ours would call it a replay, and the login would be held back for minutes."""
    bench, session = once(lost, token("t1"), reply())
    assert session.call("GET", PATH).status == 200
    assert shown(bench) == [f"{SECRET}-1", f"{SECRET}-2"]


def test_a_proof_is_made_anew_once_only() -> None:
    bench, session = once(drop, drop, token("t1"))
    with pytest.raises(AnswerLost):
        session.call("GET", PATH)
    assert shown(bench) == [f"{SECRET}-1", f"{SECRET}-2"]


def test_a_proof_that_did_not_arrive_may_be_shown_again() -> None:
    bench, session = once(reply(429), token("t1"), reply())
    assert session.call("GET", PATH).status == 200
    assert shown(bench) == [f"{SECRET}-1"] * 2


def test_a_new_proof_does_not_come_back_either() -> None:
    _, session = once(drop, reply(401, {"message": f"wrong: {SECRET}-2"}))
    with pytest.raises(LoginRefused) as refused:
        session.call("GET", PATH)
    assert "canary" not in str(refused.value)


def test_a_lost_answer_is_what_is_told_when_there_is_no_time_for_a_new_proof() -> None:
    bench, session = once(drop, token("t1"))
    answered = session._post

    def late(proof: Proof) -> Response:
        try:
            return answered(proof)
        finally:
            bench.deadline.begin(bench.clock())

    session._post = late  # type: ignore[method-assign]
    with pytest.raises(AnswerLost):
        session.call("GET", PATH)
    assert len(shown(bench)) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_login_that_is_put_off_is_no_mistake_of_ours(status: int) -> None:
    assert isinstance(raised(Bench(reply(status))), Unavailable)


@pytest.mark.parametrize("before", [0, 280])
def test_a_server_that_repeats_what_it_was_sent_does_not_get_it_into_a_message(before: int) -> None:
    """Even where the words are cut within it."""
    error = raised(Bench(reply(401, {"message": "x" * before + f"wrong: {SECRET}-1", "error": f"{SECRET}-1"})))
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [{}, {"accessToken": ""}, {"accessToken": 1}, {"accessToken": "a\r\nb"}, {"accessToken": "ä"}, [], "x", None],
)
def test_a_login_without_a_usable_token_is_no_login(answer: Any) -> None:
    bench = Bench(reply(200, answer))
    assert isinstance(raised(bench), Unavailable)
    assert len(bench.heard) == 1


def test_a_token_is_never_shown() -> None:
    bench = Bench(token("canary-token"), reply())
    bench.call()
    assert "canary" not in repr(vars(bench.session))
    assert "canary" not in repr(bench.login.proof("x"))


# ---------------------------------------------------------------- what refusals mean


def refusal(status: int, body: Any) -> Refusal:
    return Refusal.of(Response(status, {}, json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Rejected), (409, Rejected), (422, Rejected), (401, Misconfigured), (403, Misconfigured), (404, Misconfigured), (418, Unavailable)],
)  # fmt: skip
def test_refusals_are_sorted_by_what_to_do_next(status: int, kind: type) -> None:
    error = refusal(status, {"error": "Name", "message": "its words"}).as_error("issue web")
    assert isinstance(error, kind)
    assert str(error).startswith(f"cannot issue web: the server answered {status} Name: its words")


def test_all_issues_of_a_schema_are_told_with_their_places() -> None:
    issues = [
        {"path": ["body", "csr"], "message": "Required"},
        {"path": [], "message": "bad"},
        "plain",
        {"code": "odd"},
    ]
    said = str(refusal(422, {"error": "ValidationFailure", "message": issues}).as_error("issue web"))
    assert "body.csr: Required; bad; plain; odd" in said


def test_a_missing_permission_is_told_by_its_action_and_subject() -> None:
    details = [
        {"action": "issue-cert", "subject": "certificate-profiles", "inverted": False, "conditions": {}},
        {"action": ["read", "list"], "subject": "certificates"},
        {"action": "delete", "subject": "certificates", "inverted": True},
    ]
    said = str(refusal(403, {"error": "PermissionDenied", "message": "no", "details": details}).as_error("issue web"))
    assert said.endswith("lacks the permission: issue-cert on certificate-profiles, read/list on certificates")


@pytest.mark.parametrize(
    "body", [None, [], "x", 1, {"message": {"a": 1}}, {"error": [1], "message": [None, 1]}, {"details": [1, {}]}]
)
def test_a_refusal_of_any_form_is_one_printable_line(body: Any) -> None:
    said = str(refusal(403, body).as_error("issue web"))
    assert said.startswith("cannot issue web: the server answered 403")
    assert said.isprintable()
    assert str(Refusal.of(Response(500, {}, b"\xff<html>")).as_error("x")) == "cannot x: the server answered 500"


def test_the_servers_words_are_cleaned_and_cut() -> None:
    said = str(refusal(400, {"message": "a\r\nb\x1b[2J" + "c" * 5_000}).as_error("issue web"))
    assert said.isprintable()
    assert len(said) < 400
