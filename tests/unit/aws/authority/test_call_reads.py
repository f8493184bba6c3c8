"""Reads of one call: only the keys outlive it."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.aws.authority import call_reads
from evercert.aws.authority.call_reads import CallReads, Key
from evercert.errors import Rejected, Unavailable
from tests.doubles.aws_answers import answering
from tests.doubles.strict_aws import refuse

STATE, CONFIGURATION = "state", "configuration"
TOKEN: Key = (STATE, "token#t1", "token")
NEW_TOKEN: Key = (STATE, "token#t2", "token")
IDENTITY: Key = (CONFIGURATION, "identity", "i")
PROFILE: Key = (CONFIGURATION, "profile", "p")
CA: Key = (CONFIGURATION, "ca", "c")


class Tables:
    """The reads of DynamoDB; `left` are keys that no batch processes, and an endless key is refused.

    A batch says nothing of the tables in `silent`, and returns the items of `added` too.
    """

    def __init__(self) -> None:
        self.items: dict[Key, str] = dict.fromkeys((TOKEN, NEW_TOKEN, IDENTITY, PROFILE, CA), "old")
        self.left: set[Key] = set()
        self.silent: set[str] = set()
        self.added: list[Key] = []
        self.calls: list[list[Key]] = []

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool) -> dict[str, Any]:
        key = (TableName, Key["pk"]["S"], Key["sk"]["S"])
        self._note([key], ConsistentRead)
        return {"Item": self._item(key)} if key in self.items else {}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
        keys = [
            (table, one["pk"]["S"], one["sk"]["S"]) for table, asked in RequestItems.items() for one in asked["Keys"]
        ]
        assert len(keys) == len(set(keys)) <= 100
        self._note(keys, all(asked["ConsistentRead"] for asked in RequestItems.values()))
        tables = dict.fromkeys(RequestItems.keys() - self.silent)
        answer: dict[str, Any] = {"Responses": {table: [] for table in tables}, "UnprocessedKeys": {}}
        for key in reversed([*keys, *self.added]):  # in no order
            if key[0] in self.silent:
                continue
            if key in self.left:
                asked = answer["UnprocessedKeys"].setdefault(key[0], {"Keys": [], "ConsistentRead": True})
                asked["Keys"].append({"pk": {"S": key[1]}, "sk": {"S": key[2]}})
            elif key in self.items:
                answer["Responses"][key[0]].append(self._item(key))
        return answer

    def _note(self, keys: list[Key], consistent: bool) -> None:
        assert consistent
        self.calls.append(keys)
        if any(len(sk) > 1_024 for _, _, sk in keys):
            raise refuse("ValidationException", "GetItem", "Size of rangekey has exceeded the maximum size limit")

    def _item(self, key: Key) -> dict[str, Any]:
        return {"pk": {"S": key[1]}, "sk": {"S": key[2]}, "is": {"S": self.items[key]}}


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def reads(tables: Tables) -> CallReads:
    return CallReads(tables)  # type: ignore[arg-type]


def state(item: dict[str, Any]) -> str | None:
    return item["is"]["S"] if item else None


def issue(reads: CallReads, token: Key = TOKEN, kind: str = "issue") -> list[str | None]:
    """Read what a request for a certificate needs; return the states."""
    with reads.call(kind):
        found = [reads.latest(token, "look"), *(reads.get(key, "read") for key in (IDENTITY, PROFILE))]
        found += reads.get_all([CA], "read").values()
        found.append(reads.get(CA, "read"))
        return [state(one) for one in found]


def test_first_call_reads_each_item_once(reads: CallReads, tables: Tables) -> None:
    assert issue(reads) == ["old"] * 5
    assert tables.calls == [[TOKEN], [IDENTITY], [PROFILE], [CA]]


def test_later_call_reads_one_batch(reads: CallReads, tables: Tables) -> None:
    issue(reads)
    tables.calls.clear()
    assert issue(reads) == ["old"] * 5
    assert tables.calls == [[TOKEN, IDENTITY, PROFILE, CA]]
    tables.calls.clear()
    assert issue(reads, NEW_TOKEN) == ["old"] * 5
    assert tables.calls == [[NEW_TOKEN], [IDENTITY, PROFILE, CA]]


@pytest.mark.parametrize("key", [TOKEN, IDENTITY, PROFILE, CA], ids=lambda key: key[1])
@pytest.mark.parametrize("becomes", ["new", None], ids=["changed", "deleted"])
def test_change_counts_from_the_next_call(reads: CallReads, tables: Tables, key: Key, becomes: str | None) -> None:
    for _ in range(2):
        issue(reads)
    if becomes is None:
        del tables.items[key]
    else:
        tables.items[key] = becomes
    found = dict(zip((TOKEN, IDENTITY, PROFILE, CA), issue(reads), strict=False))
    assert found == {**dict.fromkeys((TOKEN, IDENTITY, PROFILE, CA), "old"), key: becomes}


def test_absence_is_not_remembered(reads: CallReads, tables: Tables) -> None:
    del tables.items[PROFILE]
    for _ in range(2):
        assert issue(reads)[2] is None
    tables.items[PROFILE] = "created"
    assert issue(reads)[2] == "created"


def test_failed_call_is_forgotten(reads: CallReads, tables: Tables) -> None:
    def fail() -> None:
        with reads.call("issue"):
            reads.get(PROFILE, "read")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    tables.items[PROFILE] = "new"
    assert state(reads.get(PROFILE, "read")) == "new"
    assert issue(reads)[2] == "new"


def test_object_stays_the_same_during_a_call(reads: CallReads, tables: Tables) -> None:
    with reads.call("issue"):
        assert state(reads.get(CA, "read")) == "old"
        tables.items[CA] = "new"
        assert state(reads.get(CA, "read")) == "old"
        assert state(reads.latest(CA, "look")) == "new"


def test_latest_reads_each_time(reads: CallReads, tables: Tables) -> None:
    issue(reads)
    with reads.call("issue"):
        assert state(reads.latest(TOKEN, "look")) == "old"
        del tables.items[TOKEN]
        assert reads.latest(TOKEN, "look") == {}


def test_unprocessed_item_is_read_alone(reads: CallReads, tables: Tables) -> None:
    issue(reads)
    tables.left = {TOKEN, PROFILE}
    tables.calls.clear()
    assert issue(reads) == ["old"] * 5
    assert tables.calls == [[TOKEN, IDENTITY, PROFILE, CA], [TOKEN], [PROFILE]]


@pytest.mark.parametrize("silent", [STATE, CONFIGURATION])
def test_items_of_a_missing_table_are_not_absent(reads: CallReads, tables: Tables, silent: str) -> None:
    issue(reads)
    tables.silent = {silent}
    tables.calls.clear()
    assert issue(reads) == ["old"] * 5
    alone = [[key] for key in (TOKEN, IDENTITY, PROFILE, CA) if key[0] == silent]
    assert tables.calls[0] == [TOKEN, IDENTITY, PROFILE, CA]
    assert tables.calls[-1] == alone[-1]


def test_items_that_were_not_asked_for_are_ignored(reads: CallReads, tables: Tables) -> None:
    issue(reads)
    tables.added = [NEW_TOKEN]
    with reads.call("issue"):
        reads.latest(TOKEN, "look")
        tables.items[NEW_TOKEN] = "new"
        assert state(reads.get(NEW_TOKEN, "read")) == "new"


@pytest.mark.parametrize(
    "answer",
    [
        {"Responses": {CONFIGURATION: [{"pk": {"S": "identity"}}]}},
        {"Responses": {CONFIGURATION: [{"pk": {"S": "identity"}, "sk": {"N": "1"}}]}},
        {"Responses": {CONFIGURATION: []}, "UnprocessedKeys": {CONFIGURATION: {}}},
        {"Responses": {CONFIGURATION: []}, "UnprocessedKeys": {CONFIGURATION: {"Keys": [{"pk": {"S": "identity"}}]}}},
    ],
    ids=["no sort key", "other sort key", "no unprocessed keys", "incomplete unprocessed key"],
)
def test_wrong_answer_is_an_outage(answer: dict[str, Any]) -> None:
    session, clients = answering()
    session.answers = {"dynamodb:BatchGetItem": answer}
    with pytest.raises(Unavailable):
        CallReads(clients.dynamodb).get_all([IDENTITY, PROFILE], "read")
    assert session.called == {"dynamodb:BatchGetItem"}


def test_call_within_a_call_is_refused(reads: CallReads, tables: Tables) -> None:
    with reads.call("issue"):
        reads.get(CA, "read")
        with pytest.raises(RuntimeError, match="cannot begin call 'revoke': call 'issue' has not ended"):
            reads.call("revoke").__enter__()
        assert state(reads.get(CA, "read")) == "old"
    assert tables.calls == [[CA]]


def test_failed_learning_ends_the_call(reads: CallReads, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(reads, "_learn", fail)
    with pytest.raises(MemoryError), reads.call("issue"):
        reads.get(CA, "read")
    tables.items[CA] = "new"
    assert state(reads.get(CA, "read")) == "new"


def test_refresh_forgets_the_items_of_the_call(reads: CallReads, tables: Tables) -> None:
    reads.refresh()  # outside of a call there is nothing to forget
    with reads.call("issue"):
        reads.get(CA, "read")
        tables.items[CA] = "new"
        reads.refresh()
        assert state(reads.get(CA, "read")) == "new"


def test_revoked_token_leaves_no_keys(reads: CallReads, tables: Tables) -> None:
    issue(reads)
    del tables.items[TOKEN]
    for _ in range(2):
        tables.calls.clear()
        with reads.call("issue"):
            assert reads.latest(TOKEN, "look") == {}
    assert tables.calls == [[TOKEN]]


def test_refused_key_is_in_no_later_batch(reads: CallReads, tables: Tables) -> None:
    endless = (CONFIGURATION, "eab", "x" * 2_000)

    def fail() -> None:
        with reads.call("issue"):
            reads.latest(TOKEN, "look")
            reads.get(endless, "read")

    for _ in range(2):
        with pytest.raises(Rejected):
            fail()
        assert issue(reads) == ["old"] * 5


def test_kinds_of_calls_share_no_keys(reads: CallReads, tables: Tables) -> None:
    issue(reads)
    tables.calls.clear()
    issue(reads, kind="revoke")
    assert tables.calls == [[TOKEN], [IDENTITY], [PROFILE], [CA]]


def test_needless_keys_are_dropped(reads: CallReads, tables: Tables) -> None:
    issue(reads)
    for _ in range(2):
        tables.calls.clear()
        with reads.call("issue"):
            reads.latest(TOKEN, "look")
            reads.get(IDENTITY, "read")
    assert tables.calls == [[TOKEN, IDENTITY]]


def test_keys_are_bounded(reads: CallReads, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_reads, "MOST_HINTS", 10)
    for number in range(50):
        with reads.call("issue"):
            reads.latest((STATE, f"token#{number}", "token"), "look")
            reads.get((CONFIGURATION, "identity", str(number)), "read")
    assert len(reads._hints) == 10


def test_batches_are_bounded(reads: CallReads, tables: Tables) -> None:
    for _ in range(2):
        with reads.call("many"):
            reads.latest(TOKEN, "look")
            for number in range(200):
                reads.get((CONFIGURATION, "profile", str(number)), "read")
    assert max(map(len, tables.calls)) == call_reads.MOST_KEYS


def test_reads_outside_a_call_remember_nothing(reads: CallReads, tables: Tables) -> None:
    for becomes in ("one", "two"):
        tables.items[CA] = tables.items[PROFILE] = becomes
        assert {state(one) for one in reads.get_all([CA, PROFILE], "read").values()} == {becomes}
        assert state(reads.get(CA, "read")) == becomes
