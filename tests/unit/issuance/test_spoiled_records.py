"""An hour of checker and issuer over spoiled records: bounded runs, one event, and no other certificate is late."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import Issued, OpenIssuer, Request
from evercert.contracts.record import Failure, KeptKey, RenewalAdvice
from evercert.errors import Unavailable, Unexpected
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import Bench, spec
from tests.doubles.loop import ISSUER, Loop
from tests.samples.stored_values import VALUES, places, spoiled

MOST_RUNS = 12  # in an hour, of one certificate
MOST_EVENTS = 3  # a failure, its retries; a new certificate


class Silent(SelfSigned):
    """Never answers."""

    def issue_with(self, request: Request, private_key: PrivateKey) -> Issued:
        raise Unavailable("down")


@cache
def base(state: str) -> dict[str, Any]:
    """Return the item of a certificate that was delivered, or whose second revision is requested or undelivered."""
    bench = Bench()
    bench.issuers.known["main"] = ISSUER
    bench.want(spec())
    bench.run()
    now = bench.clock()
    item = bench.table.items[items.pk("web"), items.SK]
    if state == "undelivered":
        bench.destinations.known["here"].errors = [Unavailable("down")]
        bench.table.request("web", now)
        bench.run()
    elif state == "requested":
        bench.issuers.known["main"] = OpenIssuer(Silent(SelfSigned.Settings()), ISSUER.identity_hash)
        bench.table.request("web", now)
        bench.run()
    else:
        values = {
            "requested_at": now, "served": now, "request_reason": "why", "woken_at": now, "warned": 0,
            "kept_key": KeptKey(sealed_key="sealed", revision=1, algorithm="EC_prime256v1"),
            "last_error": Failure(kind="unavailable", message="down", at=now, generation=0),
            "advice": RenewalAdvice(revision=1, start=now + timedelta(days=40), end=now + timedelta(days=41)),
        }  # fmt: skip
        item |= {name: items.attribute(value) for name, value in values.items()}
    return deepcopy(item)


def named(item: dict[str, Any], name: str, now: datetime) -> dict[str, Any]:
    text = item["spec"].get("S", "").replace('"name":"web"', f'"name":"{name}"')
    changed = {"pk": {"S": items.pk(name)}, "name": {"S": name}, "spec": {"S": text}}
    return item | changed | {key: items.attribute(value) for key, value in items.due(name, now).items()}


CASES = [
    (state, place)
    for state in ("ready", "requested", "undelivered")
    for place in places(base(state))
    if place not in {("pk",), ("sk",)}
]


@pytest.mark.parametrize(("state", "place"), CASES, ids=[f"{state} {'.'.join(place)}" for state, place in CASES])
def test_spoiled_attribute_disturbs_no_certificate(state: str, place: tuple[str, ...]) -> None:
    loop = Loop()
    bench = loop.bench
    now = bench.clock()
    for number, value in enumerate(VALUES):
        item = spoiled(named(base(state), f"n{number}", now), place, value)
        bench.table.items[items.pk(f"n{number}"), items.SK] = item
    bench.want(spec("healthy"))
    loop.run()
    assert not loop.raised
    assert bench.record("healthy").state == "ready"
    runs = {str(VALUES[int(name[1:])])[:60]: n for name, n in loop.runs.items() if name != "healthy" and n > MOST_RUNS}
    events = {str(VALUES[int(n[1:])])[:60]: c for n, c in loop.events().items() if n != "healthy" and c > MOST_EVENTS}
    assert (runs, events) == ({}, {})
    bugs = {o.name: o.data["message"] for o in loop.bench.announcer.announced if o.data.get("kind") == Unexpected.kind}
    assert bugs == {}
