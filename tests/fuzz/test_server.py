"""A seeded sample of the fuzzing of the ACME server: `make soak` sends 200,000 requests."""

from __future__ import annotations

import contextlib
import itertools
import random
import warnings

import pytest
from cryptography import x509

from evercert.pki.keys import public_bytes
from tests.doubles.authority.acme_client import Answer
from tests.fuzz.der_changes import DEEPEST, changed_der, parse
from tests.fuzz.server.campaign import Campaign, Figures, run
from tests.fuzz.server.drafts import VALID
from tests.fuzz.server.in_process import fuzz, make
from tests.fuzz.server.party import Limited, Party, names_of
from tests.fuzz.server.promises import Answers, check_certificate
from tests.fuzz.server.wire import Wire
from tests.samples import requests as raw
from tests.samples.certificates import certificate, private_key

SEED = random.SystemRandom().randrange(10**9)
COUNT = 2_500


def test_changed_requests_get_problems_or_their_certificates() -> None:
    print(f"seed {SEED}")
    figures = fuzz(COUNT, SEED)
    print(figures)
    assert figures.inputs == COUNT
    assert {resource for resource, status in figures.outcomes if status == 2} == set(VALID)
    assert {resource for resource, status in figures.outcomes if status == 4} == set(VALID)
    assert len(figures.problems) >= 8
    assert figures.unchanged >= COUNT * 0.02
    assert figures.finalized >= COUNT * 0.02


# -- the checks themselves fail -----------------------------------------------------------------------------------------
def broken(status: int, text: str, **headers: str) -> Answer:
    usual = {"Cache-Control": "no-store", "Content-Type": "application/problem+json", "Replay-Nonce": "n" * 20}
    return Answer(status, {**usual, "Link": '<https://ca.example.com/d/directory>;rel="index"', **headers}, text)


PROBLEM = '{"type": "urn:ietf:params:acme:error:malformed", "detail": "x", "status": 400}'
BROKEN = {
    "server-error": broken(500, PROBLEM),
    "cached": broken(400, PROBLEM, **{"Cache-Control": "max-age=9"}),
    "no-directory": broken(400, PROBLEM, Link="<https://ca.example.com/other>"),
    "used-nonce": broken(400, PROBLEM, **{"Replay-Nonce": "used" * 5}),
    "bad-nonce": broken(400, PROBLEM, **{"Replay-Nonce": "a+b/" * 5}),
    "no-problem": broken(400, "{}", **{"Content-Type": "application/json"}),
    "other-status": broken(403, PROBLEM),
    "unknown-type": broken(400, PROBLEM.replace("malformed", "other")),
    "unprintable": broken(400, PROBLEM.replace('"x"', '"\\u0007"')),
    "list": broken(200, "[]", **{"Content-Type": "application/json"}),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_broken_answer_is_noticed(answer: Answer) -> None:
    wire = Wire("POST", "https://ca.example.com/d/new-order", {}, b"")
    with pytest.raises((AssertionError, KeyError)):
        Answers({"used" * 5}).check("https://ca.example.com/d", wire, answer)
    Answers({"used" * 5}).check("https://ca.example.com/d", wire, broken(400, PROBLEM))


def test_certificate_with_other_contents_is_noticed() -> None:
    party, _, _ = make(random.Random(1))
    found, names, key = party.issued.certificate, party.issued.order.names, public_bytes(party.issued.key.public_key)
    check_certificate(found, names, key)
    others: list[tuple[x509.Certificate, frozenset[str], bytes]] = [
        (found, names | {"dns:evil.net"}, key),
        (found, names, public_bytes(private_key("EC_prime256v1", 5).public_key())),
        (certificate(names=sorted(names), ca=True), names, public_bytes(private_key("EC_prime256v1").public_key())),
        (certificate(names=sorted(names)), names, public_bytes(private_key("EC_prime256v1").public_key())),
    ]
    for other in others:
        with pytest.raises(AssertionError):
            check_certificate(*other)


def test_certificate_without_validation_is_noticed() -> None:
    party, _, check = make(random.Random(2))
    check()
    party.authority.network.pages.clear()
    party.authority.network.records.clear()
    party.ready.clear()
    stored = party.authority.setting.certificates.certificates
    stored["copy"] = next(iter(stored.values()))
    with pytest.raises(AssertionError, match="without validation"):
        check()


def test_failed_campaign_names_seed_and_round() -> None:
    def failing(chance: random.Random) -> tuple[Party, object, object]:
        party, _, check = make(chance)
        return party, lambda _: broken(500, PROBLEM), check

    with pytest.raises(AssertionError, match=r"seed 7, round 0: .*an error of the server.*request Wire"):
        run(failing, 10, 7)  # type: ignore[arg-type]


def test_names_of_an_order_have_their_types() -> None:
    order = {"identifiers": [{"type": "ip", "value": "192.0.2.1"}, {"type": "dns", "value": "a.example.com"}]}
    assert names_of(order) == {"ip:192.0.2.1", "dns:a.example.com"}


def test_rate_limit_begins_another_round() -> None:
    made: list[random.Random] = []

    def limited(chance: random.Random) -> tuple[Party, object, object]:
        made.append(chance)
        if len(made) % 2:
            raise Limited
        return make(chance)  # type: ignore[return-value]

    figures = run(limited, 30, 8)  # type: ignore[arg-type]
    assert (figures.inputs, figures.limited, len(made)) == (30, 1, 2)


def test_rate_limit_of_all_accounts_fails() -> None:
    def limited(_: random.Random) -> tuple[Party, object, object]:
        raise Limited

    with pytest.raises(AssertionError, match="rate limits left only 0 inputs"):
        run(limited, 30, 8)  # type: ignore[arg-type]


def test_changed_der_keeps_its_frame() -> None:
    der = raw.der(raw.request())
    assert b"".join(one.encode() for one in parse(der)) == der
    changed = [changed_der(der, random.Random(number)) for number in range(100)]
    assert changed_der(b"", random.Random(1)) == b""
    assert all(parse(one, DEEPEST) for one in changed) and sum(one != der for one in changed) > 70


def test_warnings_of_parsers_are_no_findings() -> None:
    party, _, check = make(random.Random(4))

    def warning(_: Wire) -> Answer:
        warnings.warn("a serial number that is not positive", stacklevel=1)
        link = f'<{party.authority.base}/directory>;rel="index"'
        return broken(429, PROBLEM.replace("400", "429"), Link=link, **{"Replay-Nonce": f"n{next(numbers):020d}"})

    numbers = itertools.count()
    campaign = Campaign(party, warning, random.Random(5), Figures(), Answers())
    with contextlib.suppress(Limited):
        for _ in range(3):
            campaign.step()
    assert campaign.figures.inputs
    check()
