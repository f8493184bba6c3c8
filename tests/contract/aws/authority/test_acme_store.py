"""Contract of the ACME server's storage: the emulator's tables and the doubles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.acme.nonces import UsedNonces
from evercert.authority.acme.ports import Accounts, Orders
from evercert.authority.acme.records import Account, Challenge, Order, new_authorization
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.aws.authority.acme_accounts import DynamoDBAcmeAccounts, DynamoDBServerSecret, DynamoDBUsedNonces
from evercert.aws.authority.acme_items import seconds
from evercert.aws.authority.acme_orders import DynamoDBAcmeOrders
from evercert.errors import Misconfigured
from evercert.pki.identifiers import Identifier
from tests.doubles.acme_storage import FakeAcmeAccounts, FakeAcmeOrders, FakeUsedNonces
from tests.doubles.fakes import START
from tests.doubles.world import World

JWK = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "BB"}
RENEWAL = "AAAA.BBBB"


@dataclass(frozen=True)
class Storage:
    accounts: Accounts
    orders: Orders
    used: UsedNonces


@pytest.fixture(params=["fake", "dynamodb"])
def storage(request: pytest.FixtureRequest) -> Storage:
    if request.param == "fake":
        return Storage(FakeAcmeAccounts(), FakeAcmeOrders(), FakeUsedNonces())
    client = request.getfixturevalue("world").operator.dynamodb
    place = client, request.getfixturevalue("table")
    return Storage(DynamoDBAcmeAccounts(*place), DynamoDBAcmeOrders(*place), DynamoDBUsedNonces(DynamoDBTokens(*place)))


def account(name: str = "a1", thumbprint: str = "t1", **changes: Any) -> Account:
    values = {"id": name, "profile": "p1", "jwk": JWK, "thumbprint": thumbprint, "created_at": START, **changes}
    return Account.model_validate(values)


def order(name: str = "o1", **changes: Any) -> Order:
    challenge = Challenge(type="http-01", token="t" * 43)
    authorization = new_authorization(Identifier("dns", "www.example.com"), (challenge,))
    values = {
        "id": name, "account": "a1", "profile": "p1", "created_at": START, "expires_at": START + timedelta(days=1),
        "authorizations": (authorization,), **changes,
    }  # fmt: skip
    return Order(**values)


# -- accounts ---------------------------------------------------------------------------------------------------------
def test_account_is_found_by_id_and_key(storage: Storage) -> None:
    made = account(contact=("mailto:ops@example.com",), binding={"payload": "x"})
    assert storage.accounts.create(made, None) == made
    assert storage.accounts.of_id("a1") == storage.accounts.of_key("p1", "t1") == made
    assert storage.accounts.of_id("a2") is None
    assert storage.accounts.of_key("p2", "t1") is None


def test_key_has_one_account(storage: Storage) -> None:
    first = storage.accounts.create(account(), None)
    assert storage.accounts.create(account("a2"), None) == first
    assert storage.accounts.of_id("a2") is None


def test_generations_of_a_profile_have_own_accounts(storage: Storage) -> None:
    first = storage.accounts.create(account(), None)
    second = account("a2", generation="g2")
    assert storage.accounts.create(second, None) == second == storage.accounts.of_id("a2")
    assert storage.accounts.of_key("p1", "t1") == first
    assert storage.accounts.of_key("p1#g2", "t1") == second
    moved = account("a2", "t3", generation="g2", version=2)
    assert storage.accounts.change_key(second, moved)
    assert (storage.accounts.of_key("p1#g2", "t3"), storage.accounts.of_key("p1#g2", "t1")) == (moved, None)
    assert storage.accounts.of_key("p1", "t1") == first


def test_account_of_earlier_release_reads_and_writes_the_same() -> None:
    assert "generation" not in account().model_dump_json()
    assert account(generation="g2").model_dump(mode="json")["generation"] == "g2"


def test_credential_for_one_account_binds_one_account(storage: Storage) -> None:
    assert storage.accounts.create(account(), "once") is not None
    assert storage.accounts.create(account("a2", "t2"), "once") is None
    assert storage.accounts.of_id("a2") is None


def test_change_needs_the_version_before(storage: Storage) -> None:
    storage.accounts.create(account(), None)
    changed = account(status="deactivated", version=2)
    assert storage.accounts.replace(changed)
    assert storage.accounts.replace(changed)  # repeated, because the answer was lost
    assert not storage.accounts.replace(account(contact=("mailto:a@example.com",), version=2))
    assert storage.accounts.of_id("a1") == changed


def test_changed_key_frees_the_old_one(storage: Storage) -> None:
    storage.accounts.create(account(), None)
    storage.accounts.create(account("a2", "t2"), None)
    assert not storage.accounts.change_key(account(), account(thumbprint="t2", version=2))
    changed = account(thumbprint="t3", version=2)
    assert storage.accounts.change_key(account(), changed)
    assert storage.accounts.of_key("p1", "t3") == changed
    assert storage.accounts.of_key("p1", "t1") is None
    assert storage.accounts.create(account("a4"), None) is not None


# -- orders -----------------------------------------------------------------------------------------------------------
def test_order_is_stored_and_replaced_by_version(storage: Storage) -> None:
    assert storage.orders.create(order())
    assert storage.orders.of_id("o1") == order()
    assert storage.orders.of_id("o2") is None
    changed = order().next(closed="processing", request="r1")
    assert storage.orders.replace(changed)
    assert storage.orders.replace(changed)  # repeated, because the answer was lost
    assert not storage.orders.replace(order().next(closed="invalid"))
    assert storage.orders.of_id("o1") == changed


def test_valid_order_names_its_certificate(storage: Storage) -> None:
    storage.orders.create(order())
    changed = order().next(closed="valid", certificate="c1")
    assert storage.orders.finish(changed, RENEWAL, START)
    assert not storage.orders.finish(changed, RENEWAL, START)
    assert storage.orders.certificate_of(RENEWAL) == "c1"
    assert storage.orders.certificate_of("CCCC.DDDD") is None


def test_renewal_id_of_another_certificate_is_refused(storage: Storage) -> None:
    storage.orders.create(order())
    storage.orders.create(order("o2"))
    assert storage.orders.finish(order().next(closed="valid", certificate="c1"), RENEWAL, START)
    second = order("o2").next(closed="valid", certificate="c2")
    assert not storage.orders.finish(second, RENEWAL, START)
    assert storage.orders.of_id("o2") == order("o2")
    assert storage.orders.finish(second, None, START)
    assert (storage.orders.of_id("o2"), storage.orders.certificate_of(RENEWAL)) == (second, "c1")


@pytest.mark.parametrize(("days", "kept"), [(None, 91), (0, 91), (60, 150)])
def test_order_is_kept_after_the_end_of_its_wait(world: World, table: str, days: int | None, kept: int) -> None:
    orders = DynamoDBAcmeOrders(world.operator.dynamodb, table)
    orders.create(order())
    waits_until = None if days is None else START + timedelta(days=days)
    assert orders.replace(order().next(closed="processing", request="r1"), waits_until)
    assert orders.finish(order().next(version=2).next(closed="valid", certificate="c1"), RENEWAL, START)
    key = {"pk": {"S": "acme-order#o1"}, "sk": {"S": "acme-order"}}
    item = world.operator.dynamodb.get_item(TableName=table, Key=key)["Item"]
    assert int(item["expires_at"]["N"]) == seconds(START + timedelta(days=kept))


def test_certificate_is_replaced_by_one_order(storage: Storage) -> None:
    assert storage.orders.create(order(replaces=RENEWAL))
    assert not storage.orders.create(order("o2", replaces=RENEWAL))
    assert storage.orders.of_id("o2") is None
    assert storage.orders.replacement_of(RENEWAL) == order(replaces=RENEWAL)


@pytest.mark.parametrize("failed", ["closed", "expired"])
def test_failed_order_frees_the_certificate(storage: Storage, failed: str) -> None:
    storage.orders.create(order(replaces=RENEWAL))
    if failed == "closed":
        storage.orders.replace(order(replaces=RENEWAL).next(closed="invalid"))
    later = START + timedelta(days=2)
    second = order("o2", replaces=RENEWAL, created_at=later, expires_at=later + timedelta(days=1))
    assert storage.orders.create(second)
    assert storage.orders.replacement_of(RENEWAL) == second


def test_orders_are_listed_newest_first(storage: Storage) -> None:
    for number in range(53):
        storage.orders.create(order(f"o{number}", created_at=START + timedelta(seconds=number)))
    storage.orders.create(order("other", account="a2"))
    first, place = storage.orders.of_account("a1", None)
    assert place is not None
    second, end = storage.orders.of_account("a1", place)
    assert first + second == [f"o{number}" for number in reversed(range(53))]
    assert end is None


def test_orders_at_the_same_time_replace_once(world: World, table: str) -> None:
    def place(number: int) -> bool:
        return DynamoDBAcmeOrders(world.operator.dynamodb, table).create(order(f"o{number}", replaces=RENEWAL))

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(place, range(8))) == 1


def test_order_that_is_placed_meanwhile_keeps_the_certificate(
    world: World, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slower, faster = (DynamoDBAcmeOrders(world.operator.dynamodb, table) for _ in range(2))
    read, placed = slower._held, []

    def held(renewal_id: str) -> str | None:
        found = read(renewal_id)
        if not placed:
            placed.append(faster.create(order("o1", replaces=RENEWAL)))
        return found

    monkeypatch.setattr(slower, "_held", held)
    assert not slower.create(order("o2", replaces=RENEWAL))
    assert placed == [True]
    assert slower.replacement_of(RENEWAL) == order("o1", replaces=RENEWAL)


# -- nonces -----------------------------------------------------------------------------------------------------------
def test_nonce_is_used_once(storage: Storage) -> None:
    assert storage.used.take("digest", START)
    assert not storage.used.take("digest", START)


def test_all_instances_share_the_first_secret(world: World, table: str) -> None:
    first, second = (DynamoDBServerSecret(world.operator.dynamodb, table) for _ in range(2))
    assert first.read() is None
    assert (first.store("one"), second.store("two"), second.read()) == ("one", "one", "one")


@pytest.mark.parametrize("document", ['{"id": "a1"}', "[]", "not JSON"])
def test_spoiled_item_is_reported(world: World, table: str, document: str) -> None:
    item = {"pk": {"S": "acme-order#o1"}, "sk": {"S": "acme-order"}, "document": {"S": document}}
    world.operator.dynamodb.put_item(TableName=table, Item=item)
    with pytest.raises(Misconfigured, match="acme-order o1 of the authority's table does not parse"):
        DynamoDBAcmeOrders(world.operator.dynamodb, table).of_id("o1")
