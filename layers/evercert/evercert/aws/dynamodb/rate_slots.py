"""DynamoDB: rate slots for services with few writes per second, one item per service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.contracts.ports import RateSlot
from evercert.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

APART = 1_000  # milliseconds between two slots
FARTHEST = 6 * 3_600_000  # a longer queue comes from a wrong clock
MONTHS = 13  # the current month and the twelve before it cover the last 365 days
MOST = 100_000_000  # writes in a month; a larger or negative count is a manual edit
_TRIES = 3
_Item = dict[str, Any]


class DynamoDBRateSlots:
    """Rate slots of a stack: `next_free` in milliseconds since 1970 and a count per month, changed in one write."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, service: str, now: datetime) -> RateSlot:
        """Take the next free slot: now, after the last one, or now if the item is invalid (manual edit)."""
        wanted = int(now.timestamp() * 1_000)
        key = _key(service)
        with translated(f"take a rate slot of {service}"):
            for _ in range(_TRIES):
                try:
                    item = self._first(key, wanted, now) or self._behind(key, wanted, now)
                    item = item or self._replace(key, wanted, now, valid=_is_valid)
                except _Refused:
                    item = self._replace(key, wanted, now, valid=lambda *_: False)
                if item is not None:
                    turn = int(float(item["next_free"]["N"])) - APART
                    return RateSlot(datetime.fromtimestamp(turn / 1_000, UTC), _used(item, now))
        raise Unavailable(f"cannot take a rate slot of {service}: other runs interfered {_TRIES} times")

    def give_back(self, service: str, at: datetime) -> None:
        """Subtract one from the count of a month; a count that is missing, zero or invalid stays as it is."""
        with translated(f"give back a rate slot of {service}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(service),
                    UpdateExpression="ADD #month :less",
                    ConditionExpression="attribute_type(#month, :number) AND #month BETWEEN :one AND :most",
                    ExpressionAttributeNames={"#month": _month(at, 0)},
                    ExpressionAttributeValues={
                        ":number": {"S": "N"},
                        ":less": {"N": "-1"},
                        ":one": {"N": "1"},
                        ":most": {"N": str(MOST)},
                    },
                )
            except ClientError as error:
                if code(error) not in {"ConditionalCheckFailedException", "ValidationException"}:
                    raise

    def _first(self, key: _Item, wanted: int, now: datetime) -> _Item | None:
        values = {":now": {"N": str(wanted)}, ":never": {"N": str(wanted + FARTHEST)}}
        idle = "(attribute_not_exists(next_free) OR next_free <= :now OR next_free > :never)"
        return self._update(key, "SET next_free = :now + :apart", idle, values, now)

    def _behind(self, key: _Item, wanted: int, now: datetime) -> _Item | None:
        values = {":now": {"N": str(wanted)}}
        return self._update(key, "SET next_free = next_free + :apart", "next_free > :now", values, now)

    def _update(self, key: _Item, change: str, condition: str, values: _Item, now: datetime) -> _Item | None:
        """Take a slot and count it; return None if the condition fails; raise _Refused."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression=f"{change} ADD #month :one REMOVE #old",
                # Another type is never between two numbers.
                ConditionExpression=f"{condition} AND (attribute_not_exists(#month) OR #month BETWEEN :zero AND :most)",
                ExpressionAttributeNames={"#month": _month(now, 0), "#old": _month(now, MONTHS)},
                ExpressionAttributeValues={
                    **values,
                    ":one": {"N": "1"},
                    ":apart": {"N": str(APART)},
                    ":zero": {"N": "0"},
                    ":most": {"N": str(MOST)},
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if code(error) == "ConditionalCheckFailedException":
                return None
            if code(error) == "ValidationException":
                raise _Refused from error
            raise
        return answer["Attributes"]

    def _replace(self, key: _Item, wanted: int, now: datetime, *, valid: Callable[[_Item, str], bool]) -> _Item | None:
        """Replace an invalid item, as it was stored, by a new one with the counts that it has.

        Return None if it is valid, or another run changed it meanwhile.
        """
        stored = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        this = _month(now, 0)
        if valid(stored, this):
            return None
        counts = _counts(stored, now)
        counts[this] = counts.get(this, 0) + 1
        item = {**key, "next_free": {"N": str(wanted + APART)}}
        item |= {name: {"N": str(count)} for name, count in counts.items()}
        names, values, conditions = {}, {}, []
        for number, name in enumerate(("next_free", this)):
            names[f"#n{number}"] = name
            if name in stored:
                values[f":v{number}"] = stored[name]
            conditions.append(f"#n{number} = :v{number}" if name in stored else f"attribute_not_exists(#n{number})")
        more: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                **more,
            )
        except ClientError as error:
            if code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return item


class _Refused(Exception):
    """DynamoDB refuses the item that a write would make: too many digits, or too large."""


def _key(service: str) -> _Item:
    return {"pk": {"S": f"pace#{service.replace(' ', '#')}"}, "sk": {"S": "pace"}}


def _is_valid(item: _Item, month: str) -> bool:
    return all("N" in item.get(name, {"N": "0"}) for name in ("next_free", month)) and (
        month not in item or 0 <= Decimal(item[month]["N"]) <= MOST
    )


def _used(item: _Item, now: datetime) -> int:
    return sum(_counts(item, now).values())


def _counts(item: _Item, now: datetime) -> dict[str, int]:
    """Return the writes of each month of the last 365 days; manual edits may have left any value."""
    months = {_month(now, back) for back in range(MONTHS)}
    numbers = {name: Decimal(value["N"]) for name, value in item.items() if name in months and "N" in value}
    return {name: int(number) for name, number in numbers.items() if 0 <= number <= MOST}


def _month(now: datetime, back: int) -> str:
    months = now.year * 12 + now.month - 1 - back
    return f"m{months // 12:04d}_{months % 12 + 1:02d}"
