"""Answers that Infisical never sends: every field with every kind of value, and any answer to every login."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from evercert.aws.session import Session as AWSSession
from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.contracts.record import Facts, Pending, Record
from evercert.deadline import Deadline
from evercert.documents.spec import Spec
from evercert.errors import EvercertError, LoginRefused, Misconfigured, Unavailable, Unexpected
from evercert.http_client.client import HTTPClient
from evercert.http_client.response import Response
from evercert.http_client.retry import Retry
from evercert.issuance import answer_check
from evercert.issuers.context import IssuerContext
from evercert.issuers.infisical.issuer import Infisical
from evercert.issuers.infisical.logins import Auth
from evercert.issuers.infisical.session import shared_session
from evercert.origins import Hosts
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey
from tests.contract.issuers.infisical.test_logins import AUTHS, NAME, Vault
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import START, HandClock, spec
from tests.doubles.raw_server import RawServer, bundle, reply

KEY = PrivateKey.generate("EC_prime256v1")
SPECS = {source: spec(**{"private-key": {"source": source}}) for source in ("local", "issuer")}
CSR = KEY.sign_csr(SPECS["local"].attributes)
DEEP: Any = json.loads("[" * 30 + "]" * 30)
ODD = [
    None, True, False, 0, -1, 10**300, 1.5, float("inf"), float("nan"), "", "x", "\ud800", "\x00\x1b[2J\r\n", "a" * 5_000, [],
    [None], {}, {"a": 1}, {"status": ["x"]}, DEEP, "-----BEGIN CERTIFICATE-----\n\ud800\n-----END CERTIFICATE-----",
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
]  # fmt: skip
LIST = ["issued"]  # not hashable; tried in every field
VALUES = 1  # of the others for each field, in a seeded choice


# -- fields ----------------------------------------------------------------------------------------------------------------
@dataclass
class Replay:
    """Answers of a recorded conversation, by method and path in order; any other call is answered with 404."""

    known: dict[tuple[str, str], list[Response]] = field(default_factory=dict)
    changed: dict[tuple[str, str, int], bytes] = field(default_factory=dict)
    heard: dict[tuple[str, str], int] = field(default_factory=dict)

    def call(self, method: str, path: str, **_: Any) -> Response:
        key = method, path
        if key not in self.known:
            return Response(404, {}, b"{}", f"{method} {path}")
        number = min(self.heard.get(key, 0), len(self.known[key]) - 1)
        self.heard[key] = self.heard.get(key, 0) + 1
        found = self.known[key][number]
        body = self.changed.get((*key, number))
        return found if body is None else replace(found, body=body)


Step = Callable[[Infisical], Any]


def request(source: str = "local", **changes: Any) -> Request:
    wanted = SPECS[source]
    return Request("web", wanted, CSR if source == "local" else None, 1, "token", START, **changes)


def facts(chain: Chain, reference: str | None) -> Facts:
    return Facts.of(chain, 1, START, reference)


def conversations(enrollment: Enrollment) -> Iterator[tuple[str, dict[str, Any], list[Step]]]:
    """Yield the name, issuer settings and steps of each conversation; later steps use what earlier ones obtained."""
    switches = enrollment.server.switches
    for source in ("local", "issuer"):
        yield f"issue {source}", {}, [lambda issuer, source=source: issuer.issue(request(source))]
    first = enrollment.define().issue(request())
    assert isinstance(first, Issued)
    known = facts(first.chain, first.reference)
    wanted = request().spec
    yield "status", {}, [lambda issuer: issuer.status(wanted, known)]
    yield "reach", {"application": None, "project": "shop"}, [lambda issuer: issuer.reach(), Infisical.key_algorithm]
    switches.then("approval")
    pending = enrollment.define().issue(request())
    assert isinstance(pending, PendingAnswer)
    again = {"handle": pending.handle, "asked_before": True}
    yield "poll", {}, [lambda issuer: issuer.issue(request(**again))]
    yield "search", {}, [lambda issuer: issuer.issue(request(asked_before=True))]
    yield "withdraw", {}, [lambda issuer: issuer.withdraw(request(asked_before=True))]
    yield "cancel twice", {}, [lambda issuer: issuer.cancel(str(pending.handle))] * 2
    switches.then("approval")
    assert isinstance(enrollment.define().issue(request(previous=known)), PendingAnswer)
    lost = request(previous=known, asked_before=True)
    yield "find a pending renewal", {}, [lambda issuer: issuer.issue(lost), lambda issuer: issuer.withdraw(lost)]
    yield "renew", {}, [lambda issuer: issuer.issue(request(previous=known))]
    renewed = request(previous=known, asked_before=True)
    yield "find a renewal", {}, [lambda issuer: issuer.issue(renewed), lambda issuer: issuer.withdraw(renewed)]
    owned = enrollment.define().issue(request("issuer"))
    assert isinstance(owned, Issued)
    follow = replace(request("issuer"), csr=None, spec=Spec.model_validate(_followed(owned.reference)))
    yield "follow", {"application": None, "profile": None}, [lambda issuer: issuer.issue(follow)]
    yield "revoke", {}, [lambda issuer: issuer.revoke(owned.chain, owned.reference)]


def _followed(reference: str | None) -> dict[str, Any]:
    destinations = [{"type": "fake", "to": "followed"}]
    return {"name": "web", "issuer": "main", "certificate-id": reference, "destinations": destinations}


def recorded(enrollment: Enrollment, settings: dict[str, Any], steps: list[Step], replay: Replay) -> Infisical:
    """Take the steps against the double, and record its answers; return an issuer that talks to the replay only."""
    issuer = enrollment.define(**settings)
    session = issuer._session
    original = session.call

    def call(method: str, path: str, **options: Any) -> Response:
        answer = original(method, path, **options)
        replay.known.setdefault((method, path), []).append(answer)
        return answer

    session.call = call  # type: ignore[method-assign]
    for step in steps:
        step(issuer)
    session.call = replay.call  # type: ignore[method-assign]
    return issuer


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value in a JSON value; of a list, only the first element's."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*here, key))


def put(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    if not place:
        return odd
    changed = copy.deepcopy(value)
    target = changed
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = odd
    return changed


def check(issuer: Infisical, step: Step) -> None:
    """Take a step; only a typed error of one printable line may escape, also from the check of what was issued."""
    try:
        answer = step(issuer)
        if isinstance(answer, Issued):
            _check_issued(answer.chain.certificates, answer)
    except EvercertError as error:
        assert not isinstance(error, Unexpected)
        assert str(error).isprintable()
        assert len(str(error)) < 2_000


CHECKED: set[Any] = set()


def _check_issued(chain: Any, answer: Issued) -> None:
    if chain in CHECKED:
        return
    CHECKED.add(chain)
    record = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=SPECS["local"], generation=1)
    pending = Pending(
        revision=1, reason="missing", generation=1, issuer="main", request_hash="", issuer_hash="", csr=CSR
    )
    answer_check.check(record, pending, answer, START)


def test_issuer_reads_any_value_in_any_field() -> None:
    tried, chance = 0, random.Random(13)
    with enrolled(defaults={"ttlDays": 30}) as enrollment:
        for name, settings, steps in list(conversations(enrollment)):
            replay = Replay()
            issuer = recorded(enrollment, settings, steps, replay)
            for (method, path), answers in list(replay.known.items()):
                for number, answer in enumerate(answers):
                    body = json.loads(answer.body)
                    for place in places(body):
                        for odd in (LIST, *chance.sample(ODD, VALUES)):
                            replay.changed = {(method, path, number): json.dumps(put(body, place, odd)).encode()}
                            replay.heard = {}
                            issuer._names = None
                            tried += 1
                            try:
                                for step in steps:
                                    check(issuer, step)
                            except Exception as error:
                                raise AssertionError(f"{name}: {method} {path} {place}: {odd!r:.80}") from error
    assert tried > 500


# -- logins ----------------------------------------------------------------------------------------------------------------
GOOD = {"accessToken": "t", "expiresIn": 60, "accessTokenMaxTTL": 600, "tokenType": "Bearer"}
REFUSED = 401
BODIES: dict[str, tuple[int, Any]] = {
    **{f"{key} {number}": (200, {**GOOD, key: odd}) for key in GOOD for number, odd in enumerate(ODD)},
    **{f"body {number}": (200, odd) for number, odd in enumerate(ODD)},
    **{
        f"refusal {number}": (REFUSED, {"error": odd, "message": [odd, {"path": [odd], "message": odd, "code": odd}], "details": [odd]})
        for number, odd in enumerate(ODD)
    },
    **{f"denied {number}": (403, {"message": odd, "details": [{"action": [odd], "subject": odd}]}) for number, odd in enumerate(ODD)},
    **{f"status {status}": (status, {"message": "no"}) for status in (201, 204, 299, 302, 399, 400, 404, 422, 429, 451, 499, 500, 599, 700, 999)},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(AUTHS))
def test_login_survives_any_answer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    clock = HandClock()
    http = HTTPClient(Hosts([]), Deadline(clock), clock, lambda _: None, local=True)
    vault, (settings, credential) = Vault(), AUTHS[kind]
    with RawServer(reply(404)) as raw:
        address = f"http://127.0.0.1:{raw.port}"
        vault.store(NAME, {"address": address, **(credential or {})})
        context = IssuerContext(http, vault.credentials, AWSSession(), clock)
        auth = Auth.model_validate({"type": kind, **settings})
        # The session reads the answers to every login; one login meets all of them, the others a sample.
        cases = list(BODIES.items())[:: 1 if kind == "universal-auth" else 8]
        for name, (status, body) in cases:
            context.shared.clear()
            clock.advance(seconds=600)  # a refused login is remembered for five minutes
            session = shared_session(context, address, auth, retry=Retry(max_retries=0), ca_bundle=bundle())
            raw.deeds = [reply(status, json.dumps(body).encode()), reply(404)]
            try:
                assert session.call("GET", "/v1/things").status == 404, name
            except (LoginRefused, Misconfigured, Unavailable) as error:
                assert f"127.0.0.1:{raw.port}" in str(error), name
                assert str(error).isprintable(), name
                assert "canary" not in str(error), name
    http.close()
