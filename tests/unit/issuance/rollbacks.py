"""Steps of the tests of rollbacks."""

from __future__ import annotations

import json
from datetime import timedelta

from evercert.aws.dynamodb.attribute_values import read, text_of
from evercert.contracts.revisions import RollbackRequest
from evercert.pki.keys import public_bytes
from tests.doubles.fakes import Bench, spec

DAY = timedelta(days=1)


def renew(bench: Bench, after: timedelta = DAY) -> None:
    bench.clock.now += after
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"


def two_revisions(bench: Bench, **changes: object) -> None:
    bench.want(spec(**changes))  # type: ignore[arg-type]
    assert bench.run() == "certificate.issued"
    renew(bench)


def roll_back(bench: Bench, to: int = 1, reason: str | None = None) -> str:
    bench.clock.advance(minutes=1)
    bench.table.request_rollback(bench.record(), RollbackRequest(to=to, requested_at=bench.clock(), reason=reason))
    return bench.run()


def kept(bench: Bench) -> list[int]:
    return [one.revision for one in bench.table.kept(bench.record()).revisions]


def serial(bench: Bench, to: str = "here") -> str:
    bundle = bench.destinations.known[to].bundle
    assert bundle is not None
    if bundle.private_key is not None:
        assert bundle.private_key.public_bytes() == public_bytes(bundle.chain.public_key)
    return bundle.chain.serial_number


def last_message(bench: Bench) -> str:
    return str(bench.announcer.announced[-1].data["message"])


def edit_kept(bench: Bench, revision: int, **changes: str) -> None:
    """Change a kept revision by hand."""
    item = bench.table.items["certificate#web", "revisions"]
    listed = json.loads(text_of(read(item["revisions"])))
    edited = [one | changes if one["revision"] == revision else one for one in listed]
    item["revisions"] = {"S": json.dumps(edited)}
