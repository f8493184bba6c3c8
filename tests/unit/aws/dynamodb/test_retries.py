"""Writes that conflict with others: which are repeated, after which pauses, and the final kind of error."""

from __future__ import annotations

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.authority.ca.signing_orders import Intent
from evercert.authority.configuration.profiles import Application
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.signing_ledger import DynamoDBLedger
from evercert.aws.authority.transactions import refused
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.retries import (
    ATTEMPTS,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATIENT_ATTEMPTS,
    ConditionsFailed,
    retried,
    transact,
)
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.contracts.ports import ClaimedRecord
from evercert.contracts.record import Claim, Record
from evercert.contracts.spec_store import Change
from evercert.errors import Busy, ClaimLost, EvercertError, Misconfigured, NoRoom, Rejected, Throttled
from tests.doubles.fakes import START, spec
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_dynamodb import CANCELLATIONS, CancellingDynamoDB
from tests.samples.outcomes import UID, outcome

HELD = ClaimedRecord("web", Claim(id="mine", until=START), 1, None, None)
RECORD = Record(name="web", uid=UID, spec=spec(), generation=1)
INTENT = Intent("one", "ca", 1, "order", START, {})
KINDS = {
    "ItemCollectionSizeLimitExceeded": Misconfigured,
    "TransactionConflict": Busy,
    "ProvisionedThroughputExceeded": Throttled,
    "ThrottlingError": Throttled,
    "ValidationError": Rejected,
}
WRITERS = {
    "conclude": lambda client: DynamoDBRecordStore(client, "t").conclude(HELD, {"outcomes": 1}, None, outcome()),
    "specs": lambda client: DynamoDBSpecs(client, "t", "i").write([Change(RECORD, None)] * 2, START),
    "ledger": lambda client: DynamoDBLedger(client, "ledger").intend(INTENT),
    "authority": lambda client: refused(client, [{"Put": {}}, {"Put": {}}], "register a request"),
    "configuration": lambda client: ConfigurationWriter(client, "t").write(
        *[Application(id=str(n), name=f"app-{n}", project="p", profiles=()) for n in range(2)]
    ),
}
writers = pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)


@writers
@pytest.mark.parametrize("code", KINDS)
def test_cancellation_has_the_kind_of_its_reason(writer: Any, code: str) -> None:
    client = CancellingDynamoDB("None", code, times=ATTEMPTS)
    with pytest.raises(EvercertError, match=f"cannot .*: {code}: ") as raised:
        writer(client)
    assert type(raised.value) is KINDS[code]
    assert client.transactions == (ATTEMPTS if KINDS[code] in (Busy, Throttled) else 1)


def test_every_documented_reason_has_a_kind() -> None:
    assert {*KINDS, "None", "ConditionalCheckFailed"} == set(CANCELLATIONS)


@writers
@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_transient_cancellation_is_repeated(writer: Any, code: str) -> None:
    client = CancellingDynamoDB("None", code, times=ATTEMPTS - 1)
    writer(client)
    assert client.transactions == ATTEMPTS


def test_failed_conditions_are_never_repeated() -> None:
    refusals: dict[str, tuple[type[EvercertError], str]] = {
        "conclude": (ClaimLost, "web"),
        "specs": (Rejected, "web was changed by another operator"),
        "configuration": (Rejected, "changed or created meanwhile by another operator"),
    }
    for name, (kind, message) in refusals.items():
        client = CancellingDynamoDB("ConditionalCheckFailed", "TransactionConflict", times=9)
        with pytest.raises(kind, match=message):
            WRITERS[name](client)
        assert client.transactions == 1, name
    client = CancellingDynamoDB("ConditionalCheckFailed", "ThrottlingError", times=9)
    assert WRITERS["authority"](client) == [True, False]
    assert WRITERS["ledger"](CancellingDynamoDB("ConditionalCheckFailed", "TransactionConflict")) is None


def test_cancellation_shows_the_current_items() -> None:
    client = CancellingDynamoDB("None", "ConditionalCheckFailed", item={"pk": {"S": "x"}})
    writes = [{"Put": {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}] * 2
    with pytest.raises(ConditionsFailed) as raised:
        transact(client, writes, pause=pytest.fail)  # type: ignore[arg-type]
    assert (raised.value.failed, raised.value.items) == ([False, True], [None, {"pk": {"S": "x"}}])


def test_permanent_reason_outranks_a_transient_one() -> None:
    with pytest.raises(Rejected, match=r"cannot .*: ValidationError"):
        WRITERS["conclude"](CancellingDynamoDB("ThrottlingError", "ValidationError"))


def test_cancellation_by_size_leaves_no_room() -> None:
    class Large(CancellingDynamoDB):
        def _reason(self, code: str, write: Any) -> dict[str, Any]:
            return {"Code": "ValidationError", "Message": "Item size to update has exceeded the maximum allowed size"}

    with pytest.raises(NoRoom):
        WRITERS["conclude"](Large("ValidationError"))


@pytest.mark.parametrize("times", [0, ATTEMPTS - 1, ATTEMPTS])
def test_single_write_is_repeated_after_a_conflict(times: int) -> None:
    client = CancellingDynamoDB(times=times)
    if times < ATTEMPTS:
        DynamoDBRecordStore(client, "t").update(HELD, {"revision": 1})
        assert client.left < 0
    else:
        with pytest.raises(Busy, match="another write interfered"):
            DynamoDBRecordStore(client, "t").update(HELD, {"revision": 1})


def test_pauses_between_attempts_grow_and_are_random() -> None:
    def conflict() -> None:
        raise refuse("TransactionConflictException", "UpdateItem")

    rounds = []
    for _ in range(20):
        pauses: list[float] = []
        with pytest.raises(ClientError):
            retried(conflict, pauses.append)
        rounds.append(pauses)
    assert all(len(pauses) == ATTEMPTS - 1 for pauses in rounds)
    for number in range(ATTEMPTS - 1):
        longest = FIRST_PAUSE * 2**number
        assert all(longest / 2 <= pauses[number] <= longest for pauses in rounds)
        assert len({pauses[number] for pauses in rounds}) > 1


def test_pauses_of_a_patient_write_take_two_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)
    client = CancellingDynamoDB("TransactionConflict", times=PATIENT_ATTEMPTS)
    pauses: list[float] = []
    with pytest.raises(ClientError):
        transact(client, [{"Put": {}}], pauses.append, PATIENT_ATTEMPTS)  # type: ignore[arg-type]
    assert (client.transactions, len(pauses)) == (PATIENT_ATTEMPTS, PATIENT_ATTEMPTS - 1)
    assert max(pauses) == LONGEST_PAUSE and 1.5 < sum(pauses) <= 2


def test_other_errors_are_never_repeated() -> None:
    calls = []

    def refuse_it() -> None:
        calls.append(1)
        raise refuse("ValidationException", "UpdateItem")

    with pytest.raises(ClientError):
        retried(refuse_it, pytest.fail)  # type: ignore[arg-type]
    assert len(calls) == 1
