"""Answers that no CA sends: every field of every answer with odd values; only typed errors of one line escape."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from evercert.contracts.issuer import Issued
from evercert.errors import EvercertError, Unexpected
from tests.contract.issuers.acme.conftest import Benches
from tests.contract.issuers.infisical.test_hostile_answers import ODD, places, put
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.acme_server.answers import problem, subproblem
from tests.doubles.fakes import HandClock

URLS = [
    "/relative",
    "ftp://x/y",
    "https://elsewhere.example/a",
    "http://127.0.0.1:1/x",
    "http://[::1/",
    "//x",
    "http://127.0.0.1:99999/",
]
PROBLEM = problem(
    "compound", "several", 400, instance="https://ca.example/x", algorithms=["ES256"],
    subproblems=[subproblem("a.example.com", "caa", "no")],
)  # fmt: skip
VALUES = 1  # odd values for each place, in a seeded choice


def recorded(server: AcmeServer, bench: AcmeBench) -> dict[str, list[Any]]:
    """Return the JSON answers of a whole order, by kind of resource; of equal shapes only one."""
    found: dict[str, list[Any]] = {}

    def note(kind: str, body: bytes) -> bytes:
        if body[:1] == b"{":
            known = found.setdefault(kind, [])
            value = json.loads(body)
            if [list(places(one)) for one in known].count(list(places(value))) == 0:
                known.append(value)
        return body

    server.faults.rewrite = note
    server.faults.processing_orders = 1
    server.faults.failing = {"c.example.com": ("dns", "NXDOMAIN")}
    bench.finish(bench.request("a.example.com"))
    try:
        bench.finish(bench.request("c.example.com"))
    except EvercertError:
        server.faults.failing = {}
    return found


def cases(found: dict[str, list[Any]]) -> Iterator[tuple[str, Any, tuple[Any, ...], Any]]:
    chance = random.Random(15)
    for kind, bodies in found.items():
        for body in bodies:
            for place in places(body):
                for odd in chance.sample([*ODD, *URLS], VALUES):
                    yield kind, body, place, odd


def attempt(bench: AcmeBench, name: str) -> None:
    """Try to obtain a certificate, and to cancel the order; only typed errors of one printable line may escape."""
    request = bench.request("a.example.com")
    try:
        for _ in range(12):
            answer = bench.step(request)
            if isinstance(answer, Issued):
                return
            request = answer
        bench.issuer.cancel(str(request.handle))
    except EvercertError as error:
        assert not isinstance(error, Unexpected), name
        assert str(error).isprintable(), name
        assert len(str(error)) < 3_000, name
    except Exception as error:
        raise AssertionError(name) from error


def test_issuer_reads_any_value_in_any_field(server: AcmeServer, benches: Benches, clock: HandClock) -> None:
    found = recorded(server, benches(server))
    assert set(found) == {"directory", "newAccount", "newOrder", "order", "authorization", "challenge", "finalize"}
    tried = 0
    for kind, body, place, odd in list(cases(found)):
        tried += 1

        def rewrite(of: str, original: bytes, *, kind=kind, body=body, place=place, odd=odd) -> bytes:
            if of != kind or original[:1] != b"{":
                return original
            try:
                return json.dumps(put(json.loads(original), place, odd)).encode()
            except (KeyError, IndexError, TypeError):
                return original

        server.faults.rewrite = rewrite
        attempt(benches(server), f"{kind} {place}: {odd!r:.80}")
    assert tried > 60


def test_issuer_reads_any_value_in_a_problem(server: AcmeServer, benches: Benches) -> None:
    body = json.loads(PROBLEM[2])
    for kind in ("newAccount", "newOrder", "order", "authorization", "challenge", "finalize", "certificate"):
        for place in places(body):
            for odd in random.Random(kind).sample(ODD, VALUES):
                server.faults.instead.clear()
                server.faults.answer(kind, (PROBLEM[0], PROBLEM[1], json.dumps(put(body, place, odd)).encode()))
                attempt(benches(server), f"{kind} {place}: {odd!r:.80}")
