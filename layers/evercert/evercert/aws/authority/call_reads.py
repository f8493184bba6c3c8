"""DynamoDB: the consistent reads of one call, in as few batches as earlier calls of its kind allow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evercert.aws.answers import InvalidAnswer
from evercert.aws.clients import translated

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Key = tuple[str, str, str]  # table, partition key, sort key
Item = dict[str, Any]
MOST_KEYS = 20  # of one batch; a call needs about six
MOST_HINTS = 1_000
_ABSENT: Item = {}


@dataclass
class _Call:
    """A call with the items that it has read, and the keys that it needed, in order."""

    kind: str
    items: dict[Key, Item] = field(default_factory=dict)
    needed: dict[Key, bool] = field(default_factory=dict)  # True: later calls may read it beforehand


class CallReads:
    """Reads of one call at a time; no item outlives its call, so a change counts from the next call on.

    Only keys outlive a call: for each key, those that the call needed after it. A later call of the same kind that
    reads the key reads those with it, in one batch. A wrong guess costs read units; it never replaces a read.
    """

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client
        self._call: _Call | None = None
        self._hints: OrderedDict[tuple[str, Key], tuple[Key, ...]] = OrderedDict()

    @contextmanager
    def call(self, kind: str) -> Iterator[None]:
        """Begin a call; its items are forgotten at the end. Reads outside of a call remember nothing."""
        if self._call is not None:
            raise RuntimeError(f"cannot begin call {kind!r}: call {self._call.kind!r} has not ended")
        begun = self._call = _Call(kind)
        try:
            yield
        finally:
            self._call = None
            self._learn(begun)

    def refresh(self) -> None:
        """Forget the items that the call has read so far; later reads of the call fetch them again."""
        if self._call is not None:
            self._call.items.clear()

    def latest(self, key: Key, doing: str) -> Item:
        """Return an item as it is now, or an empty one; the batch contains what later reads of the call may need."""
        if self._call is not None:
            self._call.needed.setdefault(key, False)
        return self._read([key], doing)[key]

    def get(self, key: Key, doing: str) -> Item:
        """Return an item as it was during this call, or an empty one."""
        return self.get_all([key], doing)[key]

    def get_all(self, keys: Sequence[Key], doing: str) -> dict[Key, Item]:
        """Return the items as they were during this call; those that it has not read yet with one call of AWS."""
        call = self._call
        if call is None:
            return self._read(keys, doing)
        if missing := [key for key in keys if key not in call.items]:
            call.items |= self._read(missing, doing)
        call.needed.update(dict.fromkeys(keys, True))  # last: no key that DynamoDB refuses may be in later batches
        return {key: call.items[key] for key in keys}

    def _read(self, keys: Sequence[Key], doing: str) -> dict[Key, Item]:
        """Return the items of the keys; keep those of the hints for the rest of the call."""
        call, every = self._call, dict.fromkeys(keys)
        if call is not None:
            hinted = (key for one in keys for key in self._hints.get((call.kind, one), ()) if key not in call.items)
            every.update(dict.fromkeys(hinted))
        found = self._batch(list(every)[: max(MOST_KEYS, len(keys))], doing) if len(every) > 1 else {}
        if call is not None:
            call.items |= {key: item for key, item in found.items() if key not in keys}
        return {key: found[key] if key in found else self._one(key, doing) for key in keys}

    def _batch(self, keys: Sequence[Key], doing: str) -> dict[Key, Item]:
        """Return the items of one batch, empty ones if absent; keys that the answer does not settle are left out."""
        wanted: dict[str, Any] = {}
        for table, pk, sk in keys:
            asked = wanted.setdefault(table, {"Keys": [], "ConsistentRead": True})
            asked["Keys"].append({"pk": {"S": pk}, "sk": {"S": sk}})
        with translated(doing):
            answer = self._client.batch_get_item(RequestItems=wanted)
            responses, unprocessed = answer.get("Responses", {}), answer.get("UnprocessedKeys", {})
            read = {key: item for table, items in responses.items() for key, item in _by_key(table, items)}
            left = {key for table, asked in unprocessed.items() for key, _ in _by_key(table, asked["Keys"])}
        absent = {key: _ABSENT for key in keys if key[0] in responses and key not in left}
        return absent | {key: read[key] for key in keys if key in read}

    def _one(self, key: Key, doing: str) -> Item:
        table, pk, sk = key
        with translated(doing):
            answer = self._client.get_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True)
        return answer.get("Item", _ABSENT)

    def _learn(self, call: _Call) -> None:
        """Remember which keys followed each key; those of the first key, which save most, are dropped last."""
        needed = list(call.needed)
        for place, key in reversed(list(enumerate(needed))):
            following = tuple(one for one in needed[place + 1 :] if call.needed[one])[: MOST_KEYS - 1]
            if following:
                self._hints[call.kind, key] = following
                self._hints.move_to_end((call.kind, key))
            else:  # such as a token that was revoked
                self._hints.pop((call.kind, key), None)
        while len(self._hints) > MOST_HINTS:
            self._hints.popitem(last=False)


def _by_key(table: str, items: Iterable[Any]) -> Iterator[tuple[Key, Any]]:
    """Yield items or keys by their key; raise InvalidAnswer without `sk`, which `answers` does not require."""
    for item in items:
        try:
            yield (table, item["pk"]["S"], item["sk"]["S"]), item
        except KeyError:
            raise InvalidAnswer("dynamodb:BatchGetItem has an item without its key") from None
