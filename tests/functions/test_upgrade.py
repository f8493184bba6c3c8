"""The previous release, then this tree, the previous one and this tree again, on the same tables, queue, key and secrets.

Each runs as processes with its own handlers and command, at times that make certificates due. Not shown: changes of the
template but for the tables, and the authority.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evercert.contracts.record_schema import SCHEMA
from evercert.timestamps import to_text
from tests.doubles.infisical.server import Infisical
from tests.functions.upgrade_stage import STACK, Stage, is_done
from tests.tools.local_stack import ACCOUNT, REGION, ROOT, Emulator
from tests.tools.releases import MISSING, Release, has_history, previous

pytestmark = pytest.mark.timeout(900)

# The call of an issuance at which its process dies, and how far the record came.
KILLED = {
    "kill-after-1-x": "claimed",
    "kill-before-3-x": "claimed",
    "kill-after-4-x": "key sealed",
    "kill-before-6-x": "key sealed",
    "kill-after-7-x": "issued",
    "kill-before-9-x": "issued",
    "kill-after-10-x": "delivered",
    "kill-after-12-x": "concluded",
}
PLAIN, DUE, PENDING = (
    [f"{kind}-{n}" for n in range(count)] for kind, count in (("plain", 64), ("due", 8), ("pending", 8))
)
FAILING, PAUSED, GONE = ([f"{kind}-{n}" for n in range(4)] for kind in ("failing", "paused", "gone"))
OLD = [*PLAIN, *DUE, *PENDING, *FAILING, *PAUSED, *KILLED]  # and GONE: 100
NEWER, NEWER_KILLED, KEYED = ["newer-0", "newer-1"], "kill-after-6-newer", "newer-keyed"

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OWNER = f"{ACCOUNT}/{REGION}/{STACK}"
# The pace of a throttled service, which the previous release does not know.
SLOW = {
    "pk": {"S": f"breaker#secrets-manager#{ACCOUNT}#{REGION}"},
    "sk": {"S": "breaker"},
    "apart": {"N": "1000"},
    "slow_until": {"S": to_text(datetime.now(UTC) + 46 * DAY)},
}


@pytest.fixture
def stage(running: Emulator, tmp_path: Path) -> Iterator[Stage]:
    with Infisical(tls=False) as server:
        server.estate.application("shop-app", "shop", server.estate.profile("tls-server", "shop", server.authority))
        server.switches.outcome = "pending"
        yield Stage.create(running, server, tmp_path)


@pytest.fixture
def before(stage: Stage) -> Release:
    root = previous(stage.folder / "previous")
    if root is None:
        (pytest.fail if has_history() else pytest.skip)(MISSING)
    return Release(root, stage.environment)


def test_upgrade_and_downgrade_reissue_nothing(stage: Stage, before: Release) -> None:
    after = Release(ROOT, stage.environment)
    document = stage.document("old", [certificate_of(name) for name in OLD], stage.issuers)
    keys = deploy_previous(stage, before, document)
    upgrade(stage, after, document, keys)
    newer_keys = add_newer(stage, after)
    waiting = downgrade(stage, before, document)
    assert waiting.keys() == set(NEWER)
    stage.assert_keys({name: keys[name] for name in FAILING})
    upgrade_again(stage, after)
    stage.assert_keys(newer_keys | waiting)


def certificate_of(name: str) -> dict[str, Any]:
    """Return one of the 100 certificates; those that are to be due live 30 days, the others 90."""
    issuer = {"pending": "server", "paused": "idle"}.get(name.partition("-")[0], "development")
    return certificate(name, issuer, "30d" if name in DUE else "90d")


def certificate(name: str, issuer: str = "development", ttl: str = "90d", **settings: str) -> dict[str, Any]:
    return {
        "name": name,
        "issuer": issuer,
        "attributes": {"common-name": "www.example.com", "ttl": ttl},
        "private-key": {"algorithm": "EC_prime256v1"},
        "destinations": [{"type": "secrets-manager", **settings}],
        # Of most of them, the test does not need the daily check.
        "lifecycle": {"status-check-interval": "90d"} if name in PLAIN[10:] else {},
    }


def deploy_previous(stage: Stage, before: Release, document: str) -> dict[str, bytes]:
    """Bring the certificates into all states; return the public keys that the interrupted runs have sealed."""
    for name in FAILING:
        tags = [{"Key": "evercert:stack", "Value": "another"}]
        stage.client("secretsmanager").create_secret(Name=stage.secret(name), SecretString="{}", Tags=tags)
    gone = stage.document("gone", [certificate_of(name) for name in GONE], {})
    assert len([*OLD, *GONE]) == 100
    before.evercert(["apply", document, gone, "--no-nudge"], ["pause", "--issuer", "idle"])
    before.run(timedelta(0))
    before.evercert(["delete", *GONE, "--yes"])

    records = stage.records(OLD)
    assert all(is_done(records[name]) for name in [*PLAIN, *DUE])
    assert all(records[name].pending.handle for name in PENDING)
    assert all(records[name].state == "failing" and records[name].retry_at for name in FAILING)
    assert all(records[name].state == "paused" for name in PAUSED)
    assert {name: stage.point(records[name]) for name in KILLED} == KILLED
    assert stage.issuances() == Counter(
        [*PLAIN, *DUE, *GONE, *(name for name in KILLED if KILLED[name] == "concluded")]
    )
    return stage.sealed_keys(records)


def upgrade(stage: Stage, after: Release, document: str, keys: dict[str, bytes]) -> None:
    """Finish under this tree what the previous release began; then let certificates become due."""
    stage.index("Create")
    values = {name: stage.value(name) for name in [*PLAIN, *GONE]}
    assert_reads_the_same(stage, after, document)
    stage.server.finish()
    after.run(HOUR)
    delivered = [*PLAIN, *DUE, *PENDING, *KILLED]
    assert stage.issuances() == Counter([*delivered, *GONE])
    assert len(stage.server.issued) == len(PENDING)
    stage.assert_keys({name: key for name, key in keys.items() if name not in FAILING})
    assert {name: stage.value(name) for name in values} == values

    after.run(22 * DAY)
    assert stage.issuances() == Counter([*delivered, *DUE, *GONE])
    stage.assert_delivered(delivered)
    assert {stage.owner(name) for name in [*PLAIN, *DUE]} == {STACK}  # so that a downgrade can renew them
    assert {stage.owner(name) for name in PENDING} == {OWNER}


def add_newer(stage: Stage, after: Release) -> dict[str, bytes]:
    """Create certificates whose owner tag and settings the previous release does not know."""
    new = [certificate(name, ttl="30d") for name in NEWER]
    new += [certificate(KEYED, ttl="30d", **{"kms-key": stage.environment["SEAL_KEY"]}), certificate(NEWER_KILLED)]
    after.evercert(["apply", stage.document("newer", new, {"development": {"type": "self-signed"}}), "--no-nudge"])
    after.run(22 * DAY)
    records = stage.records([*NEWER, KEYED, NEWER_KILLED])
    assert all(is_done(records[name]) for name in [*NEWER, KEYED])
    assert stage.point(records[NEWER_KILLED]) == "delivered"
    assert {stage.owner(name) for name in records} == {OWNER}
    return stage.sealed_keys(records)


def downgrade(stage: Stage, before: Release, document: str) -> dict[str, bytes]:
    """Renew certificates in older secrets under the previous release, and leave newer secrets alone.

    Return the public keys of renewals that wait for the newer release.
    """
    stage.index("Delete")
    issued, older = stage.issuances(), [name for name in OLD if name in FAILING + PAUSED or stage.owner(name) == STACK]
    names = [*NEWER, KEYED, NEWER_KILLED, *(name for name in OLD if name not in older)]
    values, records = {name: stage.versions(name) for name in names}, stage.records(names)
    future = from_the_future(stage.item(PLAIN[0]))
    table = stage.environment["CERTIFICATES_TABLE"]
    stage.client("dynamodb").put_item(TableName=table, Item=future)
    stage.client("dynamodb").put_item(TableName=table, Item=SLOW)
    for name in FAILING:
        stage.client("secretsmanager").delete_secret(SecretId=stage.secret(name), ForceDeleteWithoutRecovery=True)
    assert_reads_the_same(stage, before, document)
    before.evercert(["resume", "--issuer", "idle"])

    log = before.run(45 * DAY)
    assert stage.issuances() == issued + Counter([*DUE, *FAILING, *PAUSED])
    stage.assert_delivered(older)
    assert "newer-schema" in log
    assert "does not belong to this stack" in log
    assert {name: stage.versions(name) for name in names} == values
    again = stage.records(names)
    assert {name: (again[name].spec, again[name].facts) for name in names} == {
        name: (records[name].spec, records[name].facts) for name in names
    }
    unchanged = {"due_at", "due_shard"}  # the checker moves the time, so that the item is reported once a day
    found = stage.item("future")
    assert {k: v for k, v in found.items() if k not in unchanged} == {
        k: v for k, v in future.items() if k not in unchanged
    }
    assert stage.items()[" ".join(SLOW[key]["S"] for key in ("pk", "sk"))] == SLOW
    return stage.sealed_keys({name: again[name] for name in NEWER})


def upgrade_again(stage: Stage, after: Release) -> None:
    """Renew the newer certificates once the newer release is back."""
    issued = stage.issuances()
    stage.index("Create")
    after.run(47 * DAY)
    assert stage.issuances() == issued + Counter([*NEWER, KEYED, NEWER_KILLED])
    stage.assert_delivered([*OLD, *NEWER, KEYED, NEWER_KILLED])
    assert not any(f"certificate#{name} record" in stage.items() for name in GONE)
    assert len(stage.server.issued) == len(PENDING)


def assert_reads_the_same(stage: Stage, release: Release, document: str) -> None:
    """List, show and apply under a release change nothing, and show each certificate in its state."""
    items, states = stage.items(), {name: record.state for name, record in stage.records(OLD).items()}
    plan, listed, shown = release.evercert(
        ["apply", document, "--no-nudge", "--json"], ["list", "--json"], ["show", PENDING[0], "--json"]
    )
    assert json.loads(plan)["steps"] == []
    assert {row["name"]: row["state"] for row in json.loads(listed) if row["name"] in states} == states
    assert json.loads(shown)["name"] == PENDING[0]
    assert {key: item for key, item in stage.items().items() if key in items} == items


def from_the_future(item: dict[str, Any]) -> dict[str, Any]:
    """Return a due record of a schema that no release knows yet."""
    due = {"due_at": {"S": to_text(datetime.now(UTC))}, "due_shard": {"S": "00"}}
    return {**item, "pk": {"S": "certificate#future"}, "schema": {"N": str(SCHEMA + 1)}, "shape": {"S": "new"}, **due}
