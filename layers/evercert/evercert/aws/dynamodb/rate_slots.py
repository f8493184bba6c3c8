"""DynamoDB: rate slots for services with few writes per second, one item per service."""

from __future__ import annotations

from datetime import UTC, datetime
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
_TRIES = 3
_Update = tuple[str, str, dict[str, Any]]  # update expression, condition, values


class DynamoDBRateSlots:
    """Rate slots of a stack: `next_free` in milliseconds since 1970 and a count per month, changed in one write."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, service: str, now: datetime) -> RateSlot:
        """Take the next free slot: now, after the last one, or now if the item is invalid (manual edit)."""
        wanted = int(now.timestamp() * 1_000)
        with translated(f"take a rate slot of {service}"):
            for _ in range(_TRIES):
                for update in (_first(wanted), _behind(wanted), _replace(wanted)):
                    item = self._update(service, update, now)
                    if item is not None:
                        turn = int(float(item["next_free"]["N"])) - APART
                        return RateSlot(datetime.fromtimestamp(turn / 1_000, UTC), _used(item, now))
        raise Unavailable(f"cannot take a rate slot of {service}: other runs interfered {_TRIES} times")

    def _update(self, service: str, update: _Update, now: datetime) -> dict[str, Any] | None:
        change, condition, values = update
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"pk": {"S": f"pace#{service.replace(' ', '#')}"}, "sk": {"S": "pace"}},
                UpdateExpression=f"{change} REMOVE #old",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#month": _month(now, 0), "#old": _month(now, MONTHS)},
                ExpressionAttributeValues={
                    **values,
                    ":one": {"N": "1"},
                    ":apart": {"N": str(APART)},
                    ":number": {"S": "N"},
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return answer["Attributes"]


_COUNTS = "(attribute_not_exists(#month) OR attribute_type(#month, :number))"


def _first(wanted: int) -> _Update:
    values = {":now": {"N": str(wanted)}, ":never": {"N": str(wanted + FARTHEST)}}
    idle = "(attribute_not_exists(next_free) OR next_free <= :now OR next_free > :never)"
    return "SET next_free = :now + :apart ADD #month :one", f"{idle} AND {_COUNTS}", values


def _behind(wanted: int) -> _Update:
    change = "SET next_free = next_free + :apart ADD #month :one"
    return change, f"next_free > :now AND {_COUNTS}", {":now": {"N": str(wanted)}}


def _replace(wanted: int) -> _Update:
    spoiled = f"NOT attribute_type(next_free, :number) OR NOT {_COUNTS}"
    return "SET next_free = :now + :apart, #month = :one", spoiled, {":now": {"N": str(wanted)}}


def _used(item: dict[str, Any], now: datetime) -> int:
    months = {_month(now, back) for back in range(MONTHS)}
    return sum(int(float(value["N"])) for name, value in item.items() if name in months and "N" in value)


def _month(now: datetime, back: int) -> str:
    months = now.year * 12 + now.month - 1 - back
    return f"m{months // 12:04d}_{months % 12 + 1:02d}"
