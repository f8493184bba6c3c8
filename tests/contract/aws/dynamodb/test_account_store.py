"""Contract of the store of ACME accounts: the emulator's table and the fake."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from evercert.aws.dynamodb.account_store import DynamoDBAccounts
from evercert.contracts.accounts import AccountStore, StoredAccount
from evercert.errors import Misconfigured
from tests.doubles.acme import FakeAccounts
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_dynamodb import FAILURES
from tests.doubles.world import World

ID, OTHER = "a" * 64, "b" * 64
URL = "https://ca.example/acme/account/1"
CONTACT = ("mailto:ops@example.com", "mailto:pki@example.com")
REGISTERED = StoredAccount("sealed", URL, CONTACT)


@pytest.fixture(params=["fake", "dynamodb"])
def accounts(request: pytest.FixtureRequest) -> AccountStore:
    if request.param == "fake":
        return FakeAccounts()
    world: World = request.getfixturevalue("world")
    return DynamoDBAccounts(world.operator.dynamodb, world.table)


def test_account_is_missing_at_first(accounts: AccountStore) -> None:
    assert accounts.read(ID) is None


def test_account_has_a_key_before_a_url(accounts: AccountStore) -> None:
    assert accounts.create(ID, "sealed") is True
    assert accounts.read(ID) == StoredAccount("sealed", None, ())
    assert accounts.read(OTHER) is None


def test_account_is_created_once(accounts: AccountStore) -> None:
    assert accounts.create(ID, "sealed") is True
    assert accounts.create(ID, "another") is False
    assert accounts.create(ID, "sealed") is False
    assert accounts.read(ID) == StoredAccount("sealed")


def test_accounts_are_independent(accounts: AccountStore) -> None:
    accounts.create(ID, "sealed")
    assert accounts.create(OTHER, "another") is True
    accounts.register(OTHER, StoredAccount("another", URL))
    assert (accounts.read(ID), accounts.read(OTHER)) == (StoredAccount("sealed"), StoredAccount("another", URL))


def test_account_is_registered_with_url_and_contacts(accounts: AccountStore) -> None:
    accounts.create(ID, "sealed")
    assert accounts.register(ID, REGISTERED) is True
    assert accounts.read(ID) == REGISTERED


def test_account_registration_is_idempotent(accounts: AccountStore) -> None:
    accounts.create(ID, "sealed")
    assert [accounts.register(ID, REGISTERED) for _ in range(3)] == [True] * 3
    assert accounts.read(ID) == REGISTERED


def test_account_registration_replaces_contacts(accounts: AccountStore) -> None:
    accounts.create(ID, "sealed")
    accounts.register(ID, REGISTERED)
    assert accounts.register(ID, StoredAccount("sealed", URL)) is True
    assert accounts.read(ID) == StoredAccount("sealed", URL, ())


def test_account_with_another_key_is_not_registered(accounts: AccountStore) -> None:
    accounts.create(ID, "sealed")
    assert accounts.register(ID, StoredAccount("another", URL, CONTACT)) is False
    assert accounts.read(ID) == StoredAccount("sealed")


def test_missing_account_is_not_registered(accounts: AccountStore) -> None:
    assert accounts.register(ID, REGISTERED) is False
    assert accounts.read(ID) is None


def test_registered_account_is_not_created_again(accounts: AccountStore) -> None:
    accounts.create(ID, "sealed")
    accounts.register(ID, REGISTERED)
    assert accounts.create(ID, "another") is False
    assert accounts.read(ID) == REGISTERED


KMS_KEY = "arn:aws:kms:eu-central-1:111122223333:key/1"


def test_account_of_a_kms_key_has_no_sealed_key(accounts: AccountStore) -> None:
    assert [accounts.create(ID, None, KMS_KEY) for _ in range(2)] == [True, False]
    assert accounts.read(ID) == (stored := StoredAccount(None, kms_key=KMS_KEY))
    assert accounts.register(ID, replace(stored, kms_key="another", url=URL)) is False
    assert accounts.register(ID, replace(stored, url=URL)) is True
    assert accounts.read(ID) == StoredAccount(None, URL, kms_key=KMS_KEY)


def test_account_stores_the_contact_of_each_issuer(accounts: AccountStore) -> None:
    accounts.create(ID, "sealed")
    account = replace(REGISTERED, contacts={"a": "mailto:a@example.com", "b": ""})
    accounts.register(ID, account)
    assert accounts.read(ID) == account


def registered(accounts: AccountStore) -> StoredAccount:
    accounts.create(ID, "sealed")
    accounts.register(ID, REGISTERED)
    return REGISTERED


def test_next_key_is_stored_beside_the_key_once(accounts: AccountStore) -> None:
    account = registered(accounts)
    assert accounts.begin_key_change(ID, account, "next") is True
    assert accounts.begin_key_change(ID, account, "another") is False
    assert accounts.read(ID) == replace(account, next_key="next")


@pytest.mark.parametrize("change", [{"sealed_key": "another"}, {"url": "https://ca.example/2"}], ids=["key", "URL"])
def test_next_key_of_another_account_is_not_stored(accounts: AccountStore, change: dict[str, str]) -> None:
    account = registered(accounts)
    assert accounts.begin_key_change(ID, replace(account, **change), "next") is False
    assert accounts.read(ID) == account


def test_finished_key_change_replaces_the_key(accounts: AccountStore) -> None:
    account = registered(accounts)
    accounts.begin_key_change(ID, account, "next")
    changing = replace(account, next_key="next")
    for other in (account, replace(changing, next_key="another"), replace(changing, sealed_key="another")):
        assert accounts.finish_key_change(ID, other, URL) is False
        assert accounts.abandon_key_change(ID, replace(other, next_key="x")) is False
    assert accounts.read(ID) == changing
    assert [accounts.finish_key_change(ID, changing, "https://ca.example/2") for _ in range(2)] == [True, False]
    assert accounts.read(ID) == replace(account, sealed_key="next", url="https://ca.example/2")


def test_abandoned_key_change_leaves_the_key(accounts: AccountStore) -> None:
    account = registered(accounts)
    accounts.begin_key_change(ID, account, "next")
    assert accounts.abandon_key_change(ID, replace(account, next_key="next")) is True
    assert accounts.read(ID) == account


def test_deactivated_account_is_marked_and_replaced(accounts: AccountStore) -> None:
    account = registered(accounts)
    assert accounts.replace(ID, account, "another") is False
    assert accounts.mark_deactivated(ID, replace(account, sealed_key="another"), deactivated=True) is False
    assert accounts.mark_deactivated(ID, account, deactivated=True) is True
    assert accounts.read(ID) == replace(account, deactivated=True)
    assert accounts.replace(ID, replace(account, sealed_key="another"), "third") is False
    assert [accounts.replace(ID, account, "another") for _ in range(2)] == [True, False]
    assert accounts.read(ID) == StoredAccount("another")


def test_mark_of_a_deactivation_is_removed(accounts: AccountStore) -> None:
    account = registered(accounts)
    accounts.mark_deactivated(ID, account, deactivated=True)
    assert accounts.mark_deactivated(ID, account, deactivated=False) is True
    assert accounts.read(ID) == account


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
KEY = {"pk": {"S": f"acme-account#{ID}"}, "sk": {"S": "account"}}
NO_TEXT: list[dict[str, Any]] = [
    {"B": b"sealed"}, {"N": "1"}, {"BOOL": True}, {"NULL": True}, {"SS": ["sealed"]}, {"NS": ["1"]}, {"BS": [b"\xff"]},
    {"L": [{"S": "sealed"}]}, {"M": {"S": {"S": "sealed"}}},
]  # fmt: skip


@pytest.fixture
def table(world: World) -> DynamoDBAccounts:
    return DynamoDBAccounts(world.operator.dynamodb, world.table)


def put(world: World, **attributes: dict[str, Any]) -> None:
    world.operator.dynamodb.put_item(TableName=world.table, Item={**KEY, **attributes})


def test_account_is_created_by_one_of_many_runs(table: DynamoDBAccounts) -> None:
    with ThreadPoolExecutor(10) as threads:
        created = list(threads.map(lambda number: table.create(ID, f"sealed {number}"), range(10)))
    assert created.count(True) == 1
    assert table.read(ID) == StoredAccount(f"sealed {created.index(True)}")


def test_account_item_has_no_other_attributes(table: DynamoDBAccounts, world: World) -> None:
    """It has no due time, so that no checker sees it, and no time to live."""
    table.create(ID, "sealed")
    assert world.items() == [{**KEY, "sealed_key": {"S": "sealed"}}]
    table.register(ID, REGISTERED)
    contacts = {"L": [{"S": contact} for contact in CONTACT]}
    assert world.items() == [{**KEY, "sealed_key": {"S": "sealed"}, "url": {"S": URL}, "contact": contacts}]


@pytest.mark.parametrize("spoiled", NO_TEXT, ids=lambda value: next(iter(value)))
def test_account_without_a_text_key_is_replaced(table: DynamoDBAccounts, world: World, spoiled: dict[str, Any]) -> None:
    put(world, sealed_key=spoiled, url={"S": URL}, contact={"L": [{"S": "mailto:ops@example.com"}]})
    assert table.read(ID) is None
    assert table.register(ID, REGISTERED) is False
    assert table.create(ID, "sealed") is True
    assert table.read(ID) == StoredAccount("sealed", None, ())  # the URL belonged to another key


def test_account_without_a_key_is_replaced(table: DynamoDBAccounts, world: World) -> None:
    put(world, url={"S": URL})
    assert table.read(ID) is None
    assert table.register(ID, REGISTERED) is False
    assert table.create(ID, "sealed") is True
    assert table.read(ID) == StoredAccount("sealed")


@pytest.mark.parametrize("spoiled", NO_TEXT, ids=lambda value: next(iter(value)))
def test_account_with_an_invalid_url_is_unregistered(
    table: DynamoDBAccounts, world: World, spoiled: dict[str, Any]
) -> None:
    put(world, sealed_key={"S": "sealed"}, url=spoiled, contact={"S": "mailto:ops@example.com"})
    assert table.read(ID) == StoredAccount("sealed", None, ())
    assert table.create(ID, "another") is False
    assert table.register(ID, REGISTERED) is True
    assert table.read(ID) == REGISTERED


def test_account_ignores_invalid_contacts(table: DynamoDBAccounts, world: World) -> None:
    contacts = {"L": [*NO_TEXT, {"S": CONTACT[0]}]}
    put(world, sealed_key={"S": "sealed"}, url={"S": URL}, contact=contacts, note={"S": "manual"})
    assert table.read(ID) == StoredAccount("sealed", URL, CONTACT[:1])


def test_account_key_is_absent_from_its_text(table: DynamoDBAccounts) -> None:
    table.create(ID, "canary")
    table.begin_key_change(ID, StoredAccount("canary"), "canary")
    assert "canary" not in repr(table.read(ID))


CALLS: list[Callable[[AccountStore], Any]] = [
    lambda accounts: accounts.read(ID),
    lambda accounts: accounts.create(ID, "canary"),
    lambda accounts: accounts.register(ID, StoredAccount("canary", URL)),
    lambda accounts: accounts.begin_key_change(ID, StoredAccount("canary", URL), "canary"),
    lambda accounts: accounts.finish_key_change(ID, StoredAccount("canary", next_key="canary"), URL),
    lambda accounts: accounts.abandon_key_change(ID, StoredAccount("canary", next_key="canary")),
    lambda accounts: accounts.mark_deactivated(ID, StoredAccount("canary", URL), deactivated=True),
    lambda accounts: accounts.replace(ID, StoredAccount("canary", URL), "canary"),
]
OPERATIONS = [
    "read an ACME account",
    "store the key of a new ACME account",
    "store the URL of an ACME account",
    "store the next key of an ACME account",
    "store the new key of an ACME account",
    "delete the next key of an ACME account",
    "mark an ACME account as deactivated",
    "replace a deactivated ACME account",
]


@pytest.mark.parametrize(
    ("call", "operation"),
    list(zip(CALLS, OPERATIONS, strict=True)),
    ids=["read", "create", "register", "begin", "finish", "abandon", "mark", "replace"],
)
@pytest.mark.parametrize(("code", "kind"), FAILURES)
def test_account_errors_name_the_operation(
    table: DynamoDBAccounts,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[AccountStore], Any],
    operation: str,
    code: str,
    kind: type[Exception],
) -> None:
    def refused(**_: Any) -> Any:
        raise refuse(code, "UpdateItem", "no")

    for name in ("get_item", "update_item"):
        monkeypatch.setattr(world.operator.dynamodb, name, refused)
    with pytest.raises(kind, match=f"^cannot {operation}: {code}: no") as raised:
        call(table)
    assert "canary" not in str(raised.value)


def test_accounts_report_a_missing_table(world: World) -> None:
    accounts = DynamoDBAccounts(world.operator.dynamodb, "nowhere")
    for call, operation in zip(CALLS, OPERATIONS, strict=True):
        with pytest.raises(Misconfigured, match=f"cannot {operation}"):
            call(accounts)


def test_account_writes_carry_a_condition(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client, sent = world.operator.dynamodb, []
    update = client.update_item

    def record(**arguments: Any) -> Any:
        sent.append(arguments["ConditionExpression"])
        return update(**arguments)

    monkeypatch.setattr(client, "update_item", record)
    accounts = DynamoDBAccounts(client, world.table)
    accounts.create(ID, "sealed")
    accounts.register(ID, REGISTERED)
    assert sent == ["(NOT attribute_type(#sealed_key, :text))", "(#sealed_key = :seen_sealed_key)"]
